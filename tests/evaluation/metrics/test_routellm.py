import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.evaluation.metrics import apgr, cpt, normalised_cost, pgr

# Ten prompts in order of the router's wish for the strong model, which is right on 8 of them, the weak one on 5.
WEAK = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 0])
STRONG = np.array([1, 1, 1, 1, 1, 1, 0, 1, 1, 0])
FRACTION = np.arange(11) / 10
# The strong model takes over from the last prompt backwards; at a share of 0.4 it loses one on the way.
QUALITY = np.array([(WEAK[: 10 - k].sum() + STRONG[10 - k :].sum()) / 10 for k in range(11)])
ENDS = {"weak_quality": 0.5, "strong_quality": 0.8}


def test_reference_vector():
    assert QUALITY.tolist() == [0.5, 0.5, 0.6, 0.7, 0.6, 0.7, 0.7, 0.8, 0.8, 0.8, 0.8]
    assert apgr(FRACTION, QUALITY, **ENDS) == pytest.approx((0.685 - 0.5) / 0.3)
    shares = [cpt(FRACTION, QUALITY, **ENDS, share=share) for share in (0.2, 0.5, 0.8)]
    assert shares == pytest.approx([0.16, 0.25, 0.64])


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=8), st.integers(1, 12))
def test_cpt_is_the_first_place_where_a_fine_walk_along_the_curve_is_high_enough(points, eighths):
    fraction, quality = np.array(points).T / 8
    share = eighths / 8
    stops = [(0.0, 0.0)] * bool(fraction[0] > 0) + list(zip(fraction, quality, strict=True))
    walk = [
        (a + t * (c - a), b + t * (d - b))
        for (a, b), (c, d) in zip(stops, [*stops[1:], stops[-1]], strict=True)
        for t in np.linspace(0, 1, 1001)
    ]
    places = [place for place, height in walk if height >= share - 1e-9]
    found = cpt(fraction, quality, weak_quality=0.0, strong_quality=1.0, share=share)
    if places:
        assert found == pytest.approx(min(places), abs=1.01e-3)
    else:
        assert found is None


def test_cpt_starts_from_the_weak_model_alone():
    # Half of the way from (0, 0.5) to (0.4, 0.8)
    assert cpt([0.4, 1.0], [0.8, 0.8], **ENDS, share=0.5) == pytest.approx(0.2)
    assert cpt([0.4], [0.8], **ENDS, share=1) == 0.4
    assert cpt([0.4, 1.0], [0.6, 0.7], **ENDS, share=0.8) is None


def test_a_random_router_recovers_half_and_needs_what_it_recovers():
    assert apgr([0, 1], [0.5, 0.8], **ENDS) == pytest.approx(0.5)
    assert apgr([0.5, 1], [0.65, 0.8], **ENDS) == pytest.approx(0.5)
    for share in (0.2, 0.5, 0.8):
        assert cpt([0, 1], [0.5, 0.8], **ENDS, share=share) == pytest.approx(share)


def test_pgr():
    assert pgr([0.5, 0.65, 0.8, 0.95, 0.35], **ENDS) == pytest.approx([0, 0.5, 1, 1.5, -0.5])
    for strong in (0.5, 0.4, np.nan):
        with pytest.raises(ValueError, match="no gap to recover"):
            pgr(0.5, weak_quality=0.5, strong_quality=strong)
    with pytest.raises(ValueError, match="no gap to recover"):
        cpt([0.0], [0.5], weak_quality=0.5, strong_quality=0.5, share=0.5)
    with pytest.raises(ValueError, match="shapes differ"):
        cpt([0.0, 1.0], [0.5], **ENDS, share=0.5)


def test_normalised_cost_of_two_flat_prices_is_the_share_of_strong_calls():
    strong_calls = np.array([0, 3, 10])
    cost = ((10 - strong_calls) * 0.002 + strong_calls * 0.05) / 10
    assert normalised_cost(cost, 0.002, 0.05) == pytest.approx([0, 0.3, 1])
    with pytest.raises(ValueError, match="two ends"):
        normalised_cost(cost, 0.002, 0.002)


def test_many_models_by_hand():
    """Cheapest: 1 USD, 0.2. Best single: 3 USD, 0.6. Dearest: 5 USD. The router reaches 0.4, half the gap, at 2 USD."""
    fraction = normalised_cost([1.0, 2.0, 4.0], 1, 5)
    gap = {"weak_quality": 0.2, "strong_quality": 0.6}
    assert cpt(fraction, [0.2, 0.4, 0.8], **gap, share=0.5) == pytest.approx(0.25)
    # PGR over normalised cost: 0 to .5 on a quarter, .5 to 1.5 on a half, 1.5 on the last quarter
    assert apgr(fraction, [0.2, 0.4, 0.8], **gap) == pytest.approx(0.25 * 0.25 + 0.5 * 1 + 0.25 * 1.5)
