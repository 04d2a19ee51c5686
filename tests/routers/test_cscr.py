import numpy as np
import pytest
import torch

from routerbench.errors import InputError
from routerbench.routers.cscr import CSCRRouter
from routerbench.routers.families.clusters import Clusters
from routerbench.training.objectives import CostSpectrum
from tests.conftest import make_examples
from tests.training.test_gradient import training


def test_a_fingerprint_is_what_is_particular_to_a_model(train):
    router = CSCRRouter(8, 3, hidden=16, num_clusters=5, seed=0)
    router.prepare(train)
    quality = Clusters.fit(train, 5, 0).quality
    for model in range(3):
        surplus = [
            quality[cluster, model] - quality[cluster].mean() - quality[:, model].mean() + quality.mean()
            for cluster in range(5)
        ]
        np.testing.assert_allclose(router.fingerprints[model], surplus / np.linalg.norm(surplus), atol=1e-5)


def test_models_alike_have_fingerprints_without_a_direction():
    few = make_examples(40, seed=0)[0]
    few.table.quality[:] = few.table.quality[:, :1]
    router = CSCRRouter(8, 3, hidden=16, num_clusters=5, seed=0)
    router.prepare(few)
    assert torch.isfinite(router(torch.from_numpy(few.embeddings)).quality_logit).all()


def test_learns_which_models_are_right(tmp_path, train, val):
    torch.manual_seed(0)
    router = CSCRRouter(8, 3, hidden=32, num_clusters=16, seed=0)
    training(tmp_path, epochs=15, objective=CostSpectrum(3, 0.2, 0.75)).fit(router, train, val)
    test, quality, _ = make_examples(2000, seed=2)
    prediction = router.predict(test.embeddings)
    assert prediction.scale == "ranking"
    gap, expected = prediction.quality[:, 0] - prediction.quality[:, 1], quality[:, 0] - quality[:, 1]
    assert np.corrcoef(gap, expected)[0, 1] > 0.7


@pytest.mark.parametrize(("hidden", "num_clusters"), [(0, 4), (16, 1)])
def test_refuses_wrong_options(hidden, num_clusters):
    with pytest.raises(InputError, match=r"router\.num_clusters at least 2"):
        CSCRRouter(8, 3, hidden, num_clusters, 0)
