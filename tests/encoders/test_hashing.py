import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils import murmurhash3_32

from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.murmur import murmur3
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


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=60), min_size=1, max_size=5),
    st.sampled_from([(1, 1), (3, 5), (2, 9)]),
    st.sampled_from([(1, 2), (1, 1), (2, 4)]),
    st.booleans(),
)
def test_the_same_as_scikit_learn(texts, chars, words, lowercase):
    common = {"n_features": 32, "norm": "l2", "lowercase": lowercase, "dtype": np.float64}
    halves = [
        HashingVectorizer(analyzer="char_wb", ngram_range=chars, **common),
        HashingVectorizer(analyzer="word", token_pattern=r"(?u)\b\w+\b", ngram_range=words, **common),
    ]
    expected = normalize(np.hstack([half.transform(texts).toarray() for half in halves]))
    encoder = HashingEncoder(64, chars, words, lowercase)
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-6)


def test_hashes_are_scikit_learns():
    terms = [bytes(range(length)) for length in range(40)] + ["日本語 ".encode() * n for n in range(9)]
    assert murmur3(terms).tolist() == [murmurhash3_32(term, seed=0) for term in terms]


def test_blocks_make_no_difference():
    texts = [f"text {i} of {'many ' * (i % 7)}" for i in range(600)]
    embeddings = HashingEncoder().encode(texts)
    np.testing.assert_array_equal(embeddings[599], HashingEncoder().encode(texts[599:])[0])
    assert embeddings.shape == (600, 1024)


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
