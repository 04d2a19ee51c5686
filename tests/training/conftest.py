import numpy as np
import pytest

from routerbench.data.outcomes import Examples
from routerbench.encoders.huggingface import HuggingFaceEncoder
from tests.conftest import make_table
from tests.encoders.conftest import WORDS, save_tokenizer


def make_bert(parent):
    """A folder with a BERT of two layers without dropout, so that every step can be repeated."""
    import torch
    from transformers import BertConfig, BertModel

    folder = parent / "bert"
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(
        BertConfig(
            vocab_size=204,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **sizes,
        )
    ).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    return HuggingFaceEncoder(
        str(make_bert(tmp_path_factory.mktemp("models"))), max_length=32, device="cpu", dtype="float32"
    )


def spoken(encoder, num_prompts, seed):
    """A world in which one word decides which of two models is right, hidden among others."""
    rng = np.random.default_rng(seed)
    prompts = [list(rng.choice(WORDS[10:], rng.integers(4, 25))) for _ in range(num_prompts)]
    side = rng.integers(0, 2, num_prompts)
    for words, which in zip(prompts, side, strict=True):
        words.insert(int(rng.integers(0, len(words) + 1)), WORDS[which])
    texts = np.array([" ".join(words) for words in prompts], dtype=object)
    quality = np.stack([side, 1 - side], axis=1).astype(float)
    table = make_table(quality, np.full((num_prompts, 2), 0.01) * [1, 2], prompts=texts)
    return Examples(table, encoder.encode(list(texts)))


@pytest.fixture(scope="session")
def spoken_train(encoder):
    return spoken(encoder, 300, seed=0)


@pytest.fixture(scope="session")
def spoken_val(encoder):
    return spoken(encoder, 100, seed=1)
