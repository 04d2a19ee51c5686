import numpy as np
import pytest

from routerbench.data.outcomes import Examples, OutcomeTable


def make_table(quality, cost, **columns):
    quality, cost = np.asarray(quality, float), np.asarray(cost, float)
    n, m = quality.shape
    names = np.array([f"p{i}" for i in range(n)], dtype=object)
    defaults = {
        "prompts": names,
        "models": tuple(f"model-{j}" for j in range(m)),
        "benchmark": np.full(n, "all", dtype=object),
        "ids": names,
        "rows": np.arange(n),
        "source": "test table",
    }
    return OutcomeTable(quality=quality, cost=cost, **(defaults | columns))


def make_examples(num_prompts, seed, dim=8, num_models=3):
    """A world in which quality and cost depend on the embedding, by known functions with known noise."""
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99)  # the same world for every seed
    skill, slope = truth.normal(size=(dim, num_models)), truth.normal(size=(dim, num_models)) * 0.5
    embeddings = rng.normal(size=(num_prompts, dim)).astype(np.float32)
    expected_quality = 1 / (1 + np.exp(-embeddings @ skill))
    expected_cost = np.geomspace(1e-5, 1e-2, num_models) * np.exp(embeddings @ slope)
    quality = (rng.random(expected_quality.shape) < expected_quality).astype(float)
    cost = expected_cost * rng.gamma(4.0, 1 / 4.0, size=expected_cost.shape)
    return Examples(make_table(quality, cost), embeddings), expected_quality, expected_cost


def write_bert(folder, texts):
    """A folder with a tiny encoder of random weights that knows the words of some texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted({word for text in texts for word in text.lower().split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(folder)


@pytest.fixture(scope="session")
def train():
    return make_examples(1500, seed=0)[0]


@pytest.fixture(scope="session")
def val():
    return make_examples(400, seed=1)[0]
