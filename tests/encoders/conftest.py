"""Tiny models made on the spot, so that no test needs a network."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WORDS = [f"w{i}" for i in range(200)]


def save_tokenizer(folder, special=True):
    """One token per word of WORDS; with BERT's special tokens, or with none and no padding token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if special else ["[UNK]"]
    vocabulary = {word: i for i, word in enumerate([*names, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    options = {"unk_token": "[UNK]"}
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
        )
        options |= {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **options).save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> Path:
    """A folder with a random BERT of D = 32 whose vectors differ clearly from text to text."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("models") / "bert"
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=204, max_position_embeddings=64, initializer_range=0.5, **sizes)
    BertModel(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gpt(tmp_path_factory) -> Path:
    """A folder with a random GPT-2 of D = 16: causal, no special tokens, nothing to pad with."""
    import torch
    from transformers import GPT2Config, GPT2Model

    folder = tmp_path_factory.mktemp("models") / "gpt"
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=201, n_positions=64, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5)
    GPT2Model(config).save_pretrained(folder)
    save_tokenizer(folder, special=False)
    return folder


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """40 texts of 0 to 45 words, in no order of length, with repeats."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, size)) for size in rng.integers(1, 45, 37)] + ["", "w1", "w1"]


@pytest.fixture
def python(tmp_path):
    """Run a script in a fresh interpreter; its standard output."""

    def run(script, *arguments, **environment):
        import os

        command = [sys.executable, "-c", script, *map(str, arguments)]
        env = os.environ | {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"} | environment
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
