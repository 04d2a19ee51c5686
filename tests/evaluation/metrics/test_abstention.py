"""Risk-coverage curves against single thresholds, random orders, and examples worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.evaluation.abstention import abstain
from routerbench.evaluation.metrics import aurc, hcma_multiple_choice, hcma_two_sided, risk_coverage

# Dyadic numbers: many ties, and exact sums.
ANSWERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=30).map(
    lambda cells: (np.array(cells) / [8, 4]).T
)


@pytest.mark.parametrize(
    ("p", "multiple_choice", "two_sided"),
    [(0.9, 2.302585, 1.609438), (0.1, 0.105361, -1.609438), (0.5, 0.693147, 0.0), (0.0, 0.0, -np.inf)],
)
def test_the_transforms_of_hcma(p, multiple_choice, two_sided):
    assert hcma_multiple_choice(p) == pytest.approx(multiple_choice, abs=1e-6)
    assert hcma_two_sided(p) == pytest.approx(two_sided, abs=1e-6)


def test_the_transforms_rise_and_are_infinite_at_certainty():
    p = np.linspace(0, 1, 101)
    for transform in (hcma_multiple_choice, hcma_two_sided):
        values = transform(p)
        assert (np.diff(values) > 0).all()
        assert values[-1] == np.inf
    np.testing.assert_allclose(hcma_two_sided(p[1:-1]), -hcma_two_sided(1 - p[1:-1]), atol=1e-12)


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_a_transform_refuses_what_is_no_probability(p):
    for transform in (hcma_multiple_choice, hcma_two_sided):
        with pytest.raises(ValueError, match="confidence"):
            transform([0.5, p])


@settings(deadline=None)
@given(ANSWERS)
def test_every_threshold_has_its_point(answers):
    confidence, quality = answers
    curve = risk_coverage(confidence, quality)
    assert curve.threshold.tolist() == sorted(set(confidence))
    assert curve.coverage[0] == 1
    for threshold, coverage, error in zip(curve.threshold, curve.coverage, curve.error, strict=True):
        answered = confidence >= threshold
        assert coverage == answered.mean()
        assert error == pytest.approx(1 - quality[answered].mean())
        assert curve.at(coverage) == pytest.approx(error)


def test_ties_are_declined_at_random():
    """Against 20,000 random orders of the tied prompts."""
    rng = np.random.default_rng(0)
    confidence, quality = np.array([3, 1, 1, 1, 2, 2, 0, 1.0]), np.array([1, 0, 1, 0.5, 0, 1, 0, 1.0])
    orders = np.lexsort((rng.random((20_000, 8)), np.tile(-confidence, (20_000, 1))))
    errors = (1 - quality[orders]).cumsum(axis=1) / np.arange(1, 9)
    curve = risk_coverage(confidence, quality)
    np.testing.assert_allclose(curve.at(np.arange(1, 9) / 8), errors.mean(axis=0), atol=0.01)
    assert aurc(confidence, quality) == pytest.approx(errors.mean(), abs=0.005)


@settings(deadline=None)
@given(ANSWERS)
def test_no_order_has_less_area_than_the_measured_quality_and_a_blind_one_is_flat(answers):
    confidence, quality = answers
    best = aurc(quality, quality)
    assert best <= aurc(confidence, quality) + 1e-12
    assert aurc(confidence, quality) <= aurc(-quality, quality) + 1e-12
    flat = risk_coverage(np.zeros_like(quality), quality)
    np.testing.assert_allclose(flat.at([0.1, 0.5, 1.0]), 1 - quality.mean(), atol=1e-12)


@settings(deadline=None)
@given(ANSWERS)
def test_only_the_order_of_the_confidence_counts(answers):
    confidence, quality = answers
    assert aurc(np.exp(confidence) * 7, quality) == aurc(confidence, quality)


@pytest.mark.parametrize("coverage", [0, -1, 1.1])
def test_a_coverage_that_is_none_is_refused(coverage):
    with pytest.raises(ValueError, match="coverage must be"):
        risk_coverage([0.5], [1.0]).at(coverage)


def answers(num_prompts, seed, skill=1.0):
    """Confidence that is calibrated at a skill of 1, and pure noise at 0."""
    rng = np.random.default_rng(seed)
    chance = rng.random(num_prompts)
    quality = (rng.random(num_prompts) < chance).astype(float)
    return skill * chance + (1 - skill) * rng.random(num_prompts), quality


def test_the_record_holds_what_its_parts_say():
    confidence, quality = answers(500, seed=0)
    val_confidence = answers(200, seed=1)[0]
    found = abstain(confidence, quality, val_confidence, np.random.default_rng(0), abstention=0.3)
    curve = risk_coverage(confidence, quality)
    assert found.error.value == pytest.approx(1 - quality.mean())
    surest = np.argsort(-confidence)[:350]
    assert found.error_after.value == pytest.approx(1 - quality[surest].mean())
    assert found.reduction == pytest.approx(found.error.value - found.error_after.value)
    assert found.oracle_error_after == pytest.approx(max(0, (1 - quality).sum() - 150) / 350)
    assert found.aurc.value == aurc(confidence, quality)
    assert found.oracle_aurc == aurc(quality, quality)
    np.testing.assert_array_equal(found.curve.error, curve.error)
    # The threshold answers just 70 % of validation.
    assert (val_confidence >= found.threshold).sum() == 140
    answered = confidence >= found.threshold
    assert found.realised_coverage == answered.mean()
    assert found.realised_error.value == pytest.approx(1 - quality[answered].mean())
    assert found.interval.low > 0
    assert found.interval.p_value < 0.05


def test_the_intervals_are_those_of_resampled_prompts():
    confidence, quality = answers(300, seed=2)
    confidence = np.round(confidence, 1)  # ties
    found = abstain(confidence, quality, confidence, np.random.default_rng(0), num_resamples=500)
    rng, plain = np.random.default_rng(0), []
    for _ in range(500):
        rows = rng.integers(300, size=300)
        curve = risk_coverage(confidence[rows], quality[rows])
        answered = rows[confidence[rows] >= found.threshold]
        plain.append(
            (curve.error[0], curve.at(0.8), aurc(confidence[rows], quality[rows]), 1 - quality[answered].mean())
        )
    plain = np.array(plain)
    figures = (found.error, found.error_after, found.aurc, found.realised_error)
    for figure, draws in zip(figures, plain.T, strict=True):
        low, high = np.quantile(draws, [0.025, 0.975])
        # Both stretch as far from the value, the basic interval to the other side.
        assert figure.low == pytest.approx(2 * figure.value - high, abs=0.008)
        assert figure.high == pytest.approx(2 * figure.value - low, abs=0.008)
    low, high = np.quantile(plain[:, 0] - plain[:, 1], [0.025, 0.975])
    assert found.interval.low == pytest.approx(2 * found.reduction - high, abs=0.008)
    assert found.interval.high == pytest.approx(2 * found.reduction - low, abs=0.008)
    # Paired: much narrower than if both errors were drawn apart.
    apart = np.quantile(plain[:, 0] - np.roll(plain[:, 1], 1), [0.025, 0.975])
    assert found.interval.high - found.interval.low < 0.8 * np.diff(apart).item()


def test_a_confidence_without_skill_gains_nothing():
    confidence, quality = answers(1000, seed=3, skill=0)
    found = abstain(confidence, quality, confidence, np.random.default_rng(0))
    assert found.interval.low < 0 < found.interval.high


def test_a_threshold_that_nobody_reaches_leaves_no_error():
    found = abstain([0.1, 0.2], [1.0, 0.0], [0.9], np.random.default_rng(0), num_resamples=20)
    assert found.realised_coverage == 0
    assert found.realised_error.value is None


@pytest.mark.parametrize("abstention", [0, 1, -0.5, np.nan])
def test_a_share_that_is_none_is_refused(abstention):
    with pytest.raises(ValueError, match="abstention must be a share"):
        abstain([0.5], [1.0], [0.5], np.random.default_rng(0), abstention=abstention)
