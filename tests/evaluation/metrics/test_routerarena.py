import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.metrics import arena_score


def test_a_published_score():
    # R2-Router: 71.23 % at $0.061 per 1,000, published as 71.60
    assert arena_score(0.7123, 0.00006) == pytest.approx(0.716093, abs=5e-7)
    assert 100 * arena_score(0.7123, 0.000061) == pytest.approx(71.60, abs=0.05)


@given(st.floats(0.01, 1), st.floats(0.0044, 200), st.floats(0.01, 5))
def test_it_is_the_weighted_harmonic_mean(quality, price, beta):
    thrift = (math.log2(200) - math.log2(price)) / (math.log2(200) - math.log2(0.0044))
    if thrift > 1e-6:
        harmonic = (1 + beta) / (1 / quality + beta / thrift)
        assert arena_score(quality, price / 1000, beta) == pytest.approx(harmonic, rel=1e-6)


def test_costs_beyond_the_ends_are_clamped():
    assert arena_score(0.5, 0) == arena_score(0.5, 0.0000044) == pytest.approx(1.1 * 0.5 / 1.05)
    assert arena_score(0.5, 0.2) == arena_score(0.5, 7) == 0
    assert arena_score(0, 7) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1.1, 0.1), "quality"), ((math.nan, 0.1), "quality"), ((0.5, -1), "cost"), ((0.5, 1, 0), "beta")],
)
def test_what_has_no_score_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        arena_score(*arguments)
