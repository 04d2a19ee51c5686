import json
import shutil
from itertools import pairwise

import numpy as np
import pytest

from routerbench.encoders import huggingface
from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.errors import InputError


def reference(folder, texts, pooling, normalize=True, max_length=64, **options):
    """One text after the other, straight from the documentation of transformers."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder, **options), AutoModel.from_pretrained(folder).eval()
    vectors = []
    for text in texts:
        with torch.no_grad():
            tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=max_length)
            # Not its token_type_ids, which transformers 4 adds for any model and GPT-2 would take for words.
            hidden = model(tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state[0]
        vector = {"mean": hidden.mean(dim=0), "cls": hidden[0], "last": hidden[-1]}[pooling]
        vectors.append((vector / vector.norm() if normalize else vector).numpy())
    return np.array(vectors)


@pytest.fixture
def encoder(tiny_bert):
    return HuggingFaceEncoder(str(tiny_bert), max_length=64, dtype="float32", device="cpu")


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("normalize", [True, False])
def test_agrees_with_one_text_at_a_time(tiny_bert, texts, pooling, normalize):
    options = {"pooling": pooling, "normalize": normalize, "max_length": 64, "dtype": "float32", "device": "cpu"}
    encoder = HuggingFaceEncoder(str(tiny_bert), **options)
    embeddings = encoder.encode(texts)
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (len(texts), encoder.dim) == (40, 32)
    np.testing.assert_allclose(embeddings, reference(tiny_bert, texts, pooling, normalize), atol=2e-5)
    if normalize:
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_causal_model_without_padding_token(tiny_gpt, texts):
    encoder = HuggingFaceEncoder(str(tiny_gpt), pooling="last", max_length=64, dtype="float32", device="cpu")
    full = [text for text in texts if text]
    np.testing.assert_allclose(encoder.encode(full), reference(tiny_gpt, full, "last"), atol=2e-5)
    # The empty text has no token at all, and still gets a vector, the same beside any neighbour.
    alone = encoder.encode([""])
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(encoder.encode([full[0], ""])[1:], alone, atol=1e-5)


def test_encoder_half_of_an_encoder_decoder(tiny_bert, tmp_path, texts):
    """Sentence-T5 and its like publish no decoder, and none is needed."""
    import torch
    from transformers import T5Config, T5EncoderModel

    shutil.copytree(tiny_bert, tmp_path, dirs_exist_ok=True)
    torch.manual_seed(0)
    config = T5Config(vocab_size=204, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    model = T5EncoderModel(config).eval()
    model.save_pretrained(tmp_path)
    encoder = HuggingFaceEncoder(str(tmp_path), max_length=64, dtype="float32", device="cpu", normalize=False)
    ids = torch.tensor([encoder._tokenizer(texts[0])["input_ids"]])
    with torch.no_grad():
        expected = model(input_ids=ids).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(encoder.encode(texts)[0], expected, atol=1e-5)
    assert encoder.dim == 16


@pytest.mark.parametrize("batch_tokens", [1, 50, 100_000])
def test_batches_do_not_change_vectors(tiny_bert, encoder, texts, batch_tokens):
    options = {"max_length": 64, "dtype": "float32", "device": "cpu"}
    other = HuggingFaceEncoder(str(tiny_bert), batch_tokens=batch_tokens, **options)
    np.testing.assert_allclose(other.encode(texts), encoder.encode(texts), atol=1e-5)


def test_batches_stay_within_the_budget(tiny_bert, texts):
    encoder = HuggingFaceEncoder(str(tiny_bert), max_length=64, device="cpu", batch_tokens=90)
    shapes = []
    encoder._model.register_forward_pre_hook(
        lambda _, __, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    encoder.encode(texts)
    assert all(rows * width <= 90 for rows, width in shapes)
    assert sum(rows for rows, _ in shapes) == len(texts)
    real = sum(len(text.split()) + 2 for text in texts)
    assert real > 0.9 * sum(rows * width for rows, width in shapes), "hardly any padding: texts of like length together"


def test_truncation_side(tiny_bert):
    words = [f"w{i}" for i in range(100)]
    for side, kept in (("left", words[-14:]), ("right", words[:14])):
        encoder = HuggingFaceEncoder(str(tiny_bert), max_length=16, truncation_side=side, device="cpu")
        long, short = encoder.encode([" ".join(words), " ".join(kept)])
        np.testing.assert_allclose(long, short, atol=1e-5)


def test_nothing_and_odd_texts(encoder):
    assert encoder.encode([]).shape == (0, 32)
    odd = ["", "\ud800 half", "\x00", "日本語", "w1 " * 5000]
    assert np.isfinite(encoder.encode(odd)).all()


def test_fused_attention(encoder):
    assert encoder._model.config._attn_implementation == "sdpa"


def test_bfloat16_is_close(tiny_bert, encoder, texts):
    import torch

    small = HuggingFaceEncoder(str(tiny_bert), max_length=64, dtype="bfloat16", device="cpu")
    assert next(small._model.parameters()).dtype == torch.bfloat16
    assert small.encode(texts).dtype == np.float32
    # Two layers of wild random weights round worse than a trained model; test_minilm has the strict bound.
    assert (small.encode(texts) * encoder.encode(texts)).sum(axis=1).min() > 0.99


def test_fingerprint_changes_with_every_option_but_not_with_the_machine(tiny_bert):
    base = HuggingFaceEncoder(str(tiny_bert), dtype="float32", device="cpu")
    changed = [
        {"pooling": "cls"},
        {"pooling": "last"},
        {"max_length": 32},
        {"truncation_side": "right"},
        {"normalize": False},
        {"dtype": "bfloat16"},
        {"dtype": "float16"},
    ]
    common = {"name": str(tiny_bert), "dtype": "float32", "device": "cpu"}
    prints = [HuggingFaceEncoder(**common | options).fingerprint for options in changed]
    assert len({base.fingerprint, *prints}) == len(changed) + 1
    for same in ({"device": "cuda"}, {"batch_tokens": 7}):
        assert HuggingFaceEncoder(**common | same).fingerprint == base.fingerprint
    json.dumps(base.identity)


def test_fingerprint_follows_the_files_not_the_folder(tiny_bert, tmp_path):
    from safetensors.numpy import load_file, save_file

    original = HuggingFaceEncoder(str(tiny_bert), device="cpu").fingerprint
    copy = tmp_path / "elsewhere"
    shutil.copytree(tiny_bert, copy)
    (copy / "README.md").write_text("notes")
    assert HuggingFaceEncoder(str(copy), device="cpu").fingerprint == original
    weights = load_file(copy / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] = weights["embeddings.word_embeddings.weight"] + np.float32(1)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert HuggingFaceEncoder(str(copy), device="cpu").fingerprint != original


def test_auto_dtype_on_a_cpu_is_float32_whatever_its_flags_say():
    assert HuggingFaceEncoder("a/b", device="cpu").dtype == "float32"
    assert HuggingFaceEncoder("a/b", dtype="float16", device="cpu").dtype == "float16"


def test_blocks_do_not_change_vectors_or_their_order(encoder, texts, monkeypatch):
    whole = encoder.encode(texts)
    monkeypatch.setattr(huggingface, "BLOCK", 7)
    np.testing.assert_allclose(encoder.encode(texts), whole, atol=1e-5)


def test_tokens_are_those_of_transformers(encoder, texts):
    long = [*texts, "w1 " * 70 + "w2"]
    expected = encoder._tokenizer(long, truncation=True, max_length=64)["input_ids"]
    for _ in range(2):  # a call of transformers in between must not leave its settings behind
        ids, offsets = encoder.tokenize(long)
        assert [ids[start:stop].tolist() for start, stop in pairwise(offsets)] == expected
        encoder._tokenizer(long, padding=True)


def test_size_and_identity_load_no_weights(tiny_bert, python):
    script = """
import sys
from routerbench.encoders.huggingface import HuggingFaceEncoder
encoder = HuggingFaceEncoder(sys.argv[1], device="cpu")
heavy = ("torch", "transformers", "huggingface_hub")
print(encoder.dim, len(encoder.fingerprint), [name for name in heavy if name in sys.modules])
"""
    assert python(script, tiny_bert) == "32 16 []"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "pooling 'max' is not one of mean, cls, last"),
        ({"truncation_side": "middle"}, "truncation_side 'middle'"),
        ({"dtype": "int8"}, "dtype 'int8' is not one of auto, float32"),
        ({"max_length": 0}, "max_length 0"),
        ({"batch_tokens": -1}, "batch_tokens -1"),
        ({"max_length": 65}, "beyond the model's 64 tokens"),
        ({"max_length": 2}, "no room for text"),
        ({"device": "abacus"}, "device 'abacus'"),
    ],
)
def test_options_without_meaning(tiny_bert, options, message):
    with pytest.raises(InputError, match=message):
        HuggingFaceEncoder(**{"name": str(tiny_bert), "device": "cpu", "max_length": 64} | options).encode(["w1"])


def test_gpu_that_is_not_there(tiny_bert):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="torch sees no GPU here; use device=auto"):
        HuggingFaceEncoder(str(tiny_bert), device="cuda", max_length=64).encode(["w1"])


def test_folders_that_are_no_model(tiny_bert, tmp_path):
    from safetensors.numpy import load_file, save_file

    with pytest.raises(InputError, match=r"has no config\.json"):
        _ = HuggingFaceEncoder(str(tmp_path), device="cpu").dim
    pickled = tmp_path / "pickled"
    shutil.copytree(tiny_bert, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no safetensors weights.*save_pretrained"):
        HuggingFaceEncoder(str(pickled), device="cpu").encode(["w1"])
    partial = tmp_path / "partial"
    shutil.copytree(tiny_bert, partial)
    weights = load_file(partial / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lack 1 tensors, first encoder\.layer\.1\.output\.dense\.weight"):
        HuggingFaceEncoder(str(partial), device="cpu", max_length=64).encode(["w1"])
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bert, broken)
    (broken / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="AutoModel does not load it"):
        HuggingFaceEncoder(str(broken), device="cpu", max_length=64).encode(["w1"])
