import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.encoders.readable import FEATURES, ReadableEncoder


def features(text):
    return dict(zip(FEATURES, ReadableEncoder().encode([text])[0].tolist(), strict=True))


def test_counts_by_hand():
    found = features("Why is 3.5 > 2?\nA) yes\nB) it is not")
    counts = {"numbers": 2, "question_marks": 1, "options": 2, "equations": 1, "negations": 1, "asks_why": 1, "code": 0}
    for name, count in counts.items():
        np.testing.assert_allclose(found[name], np.log1p(count), rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(found["lines"], np.log1p(3), rtol=1e-6)
    np.testing.assert_allclose(found["last_line"], np.log1p(len("B) it is not")), rtol=1e-6)


def test_code_mathematics_and_other_alphabets_are_seen():
    plain = features("Name a poet.")
    assert features("def f(x): return x")["code"] > plain["code"] == 0
    assert features("Let $x \\in R$.")["math"] > plain["math"] == 0
    assert features("Назови поэта.")["foreign_letters"] > plain["foreign_letters"] == 0


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_finite_features_that_are_its_own(text):
    encoder = ReadableEncoder()
    vectors = encoder.encode([text, "another"])
    assert vectors.shape == (2, encoder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    np.testing.assert_array_equal(vectors[:1], encoder.encode([text]))


def test_no_prompts_are_no_rows():
    assert ReadableEncoder().encode([]).shape == (0, len(FEATURES))
