import numpy as np
import pytest

from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError


def test_vectors_are_the_n_grams():
    """Worked by hand: with one-character and one-word n-grams, equal bags of them give equal vectors."""
    encoder = HashingEncoder(dim=2**15, char_ngrams=(1, 1), word_ngrams=(1, 1))
    ab_cd, cd_ab, abc = encoder.encode(["ab cd", "CD ab", "ab c"])
    np.testing.assert_allclose(ab_cd, cd_ab, atol=1e-6)
    # No collision at this size. Characters: 2 spaces of padding per word, so
    # (4, 1, 1, 1, 1) . (4, 1, 1, 1, 0); words: one of two in common.
    expected = (19 / np.sqrt(20 * 19) + 1 / 2) / 2
    assert ab_cd @ abc == pytest.approx(expected, abs=1e-5)
    assert encoder.encode(["a b"])[0] @ encoder.encode(["a c"])[0] > 0, "single letters are words"


def test_shape_length_and_empty_text():
    encoder = HashingEncoder()
    embeddings = encoder.encode(["one", "two words", "\ud800", "", "日本語"])
    assert embeddings.shape == (5, encoder.dim) == (5, 1024)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), [1, 1, 1, 0, 1], atol=1e-6)
    # The two halves weigh the same.
    np.testing.assert_allclose(np.linalg.norm(embeddings[1, :512]), np.sqrt(0.5), atol=1e-6)
    assert encoder.encode([]).shape == (0, 1024)


def test_fingerprint_changes_with_every_option():
    options = [
        {},
        {"dim": 512},
        {"char_ngrams": [2, 5]},
        {"char_ngrams": [3, 4]},
        {"word_ngrams": [1, 1]},
        {"lowercase": False},
    ]
    assert len({HashingEncoder(**option).fingerprint for option in options}) == len(options)
    assert HashingEncoder(char_ngrams=[3, 5]).fingerprint == HashingEncoder(char_ngrams=(3, 5)).fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 7}, "dim 7 must be even"),
        ({"dim": 0}, "dim 0"),
        ({"char_ngrams": [5, 3]}, r"char_ngrams \[5, 3\] must be \[shortest, longest\]"),
        ({"word_ngrams": [0, 1]}, "word_ngrams"),
        ({"word_ngrams": [1]}, "word_ngrams"),
    ],
)
def test_options_without_meaning(options, message):
    with pytest.raises(InputError, match=message):
        HashingEncoder(**options)
