import numpy as np
import pytest

from routerbench import artefact
from routerbench.encoders.hashing import HashingEncoder
from routerbench.evaluation.operating import OperatingPoints
from routerbench.routers.linear import LinearRouter
from tests.conftest import make_examples
from tests.serving.stub import StubProvider

DIM = 8
MAX_BODY = 2**20
PROMPTS = [f"Prompt {i}: what is {i} + {i * i % 7}?" for i in range(40)]


def save_router(folder, seed=0):
    """A linear router on hashed n-grams that knows what it came to on validation."""
    train, val = make_examples(200, seed=seed, dim=DIM)[0], make_examples(100, seed=seed + 1, dim=DIM)[0]
    router = LinearRouter(DIM, 3, [1.0])
    router.fit(train, val, lambda prediction, table: 0.0)
    best = int(train.table.quality.mean(axis=0).argmax())
    operating = OperatingPoints.of(router.predict(val.embeddings), val.table, best)
    artefact.save(
        folder, router, HashingEncoder(dim=DIM), train.table, {}, {}, np.empty(0, np.uint64), operating=operating
    )
    return folder


@pytest.fixture
def folder(tmp_path):
    return save_router(tmp_path / "router")


@pytest.fixture(scope="session")
def stub_server():
    with StubProvider() as stub:
        yield stub


@pytest.fixture
def stub(stub_server):
    stub_server.reset()
    return stub_server
