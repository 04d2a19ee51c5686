import numpy as np
import pytest

from routerbench.encoders.backbone import Backbone
from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.encoders.packed import PackedBackbone, can_pack, has_kernel
from routerbench.encoders.tokens import TokenTensors

ROWS = np.arange(40)[::-1].copy()


def tensors_of(folder, texts):
    import torch

    encoder = HuggingFaceEncoder(str(folder), max_length=64, dtype="float32", device="cpu")
    return TokenTensors(encoder.tokenize(texts), 0, torch.device("cpu"))


def model_of(kind):
    """A random network with the tiny BERT's vocabulary."""
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = AutoConfig.for_model(
        kind, vocab_size=204, max_position_embeddings=70, initializer_range=0.5, pad_token_id=0, **sizes
    )
    return AutoModel.from_config(config).eval()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "camembert"])
def test_same_vectors_as_padded(tiny_bert, texts, kind, pooling):
    import torch

    tokens = tensors_of(tiny_bert, texts)
    model = model_of(kind)
    assert can_pack(model)
    with torch.inference_mode():
        padded = Backbone(model, pooling, True).eval().take(tokens, ROWS)
        packed = PackedBackbone(model, pooling, True).eval()
        vectors = packed.take(tokens, ROWS)
        again = packed(*tokens.gather(ROWS))
    assert vectors.dtype == torch.float32
    np.testing.assert_allclose(vectors, padded, atol=2e-5)
    np.testing.assert_allclose(again, padded, atol=2e-5)


def test_same_gradients_as_padded(tiny_bert, texts):
    import torch

    tokens = tensors_of(tiny_bert, texts)
    model = model_of("bert")
    direction = torch.randn(32, generator=torch.Generator().manual_seed(0))
    gradients = []
    for kind in (Backbone, PackedBackbone):
        model.zero_grad()
        (kind(model, "mean", True).eval().take(tokens, ROWS) @ direction).square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    padded, packed = gradients
    assert padded.keys() == packed.keys()
    assert any(name.endswith("query.weight") for name in packed)
    largest = max(gradient.abs().max().item() for gradient in padded.values())
    for name, gradient in padded.items():  # that of a key's bias is zero but for rounding
        scale = gradient.abs().max().item() + 0.01 * largest
        np.testing.assert_allclose(packed[name] / scale, gradient / scale, atol=1e-3, err_msg=name)


def test_other_architectures_and_cpus_stay_padded(tiny_bert, tiny_gpt):
    assert not can_pack(HuggingFaceEncoder(str(tiny_gpt), max_length=64, device="cpu")._model)
    encoder = HuggingFaceEncoder(str(tiny_bert), max_length=64, device="cpu")
    assert not has_kernel(encoder._model, encoder._device, encoder._model.dtype)
    assert type(encoder.backbone) is Backbone


def test_on_a_gpu(tiny_bert, texts):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    options = {"max_length": 64, "dtype": "bfloat16"}
    encoder = HuggingFaceEncoder(str(tiny_bert), device="cuda", **options)
    assert type(encoder.backbone) is (
        PackedBackbone if has_kernel(encoder._model, encoder._device, encoder._model.dtype) else Backbone
    )
    padded = HuggingFaceEncoder(str(tiny_bert), device="cpu", **options).encode(texts)
    assert (encoder.encode(texts) * padded).sum(axis=1).min() > 0.99
