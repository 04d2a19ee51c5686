import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss
from torch import from_numpy
from torchmetrics.functional.classification import binary_calibration_error

from routerbench.evaluation.metrics import brier, calibration_by, ece, nll, reliability

# Dyadic numbers: sums of them are exact in any order. Bins of a fifth have no edge in common with them but 0 and 1.
CELLS = st.lists(st.tuples(st.integers(0, 16), st.integers(0, 4)), min_size=1, max_size=40).map(
    lambda cells: (np.array(cells) / [16, 4]).T
)


@pytest.fixture
def binary():
    """Predictions with ties, as those of kNN, and labels that are right less often than predicted."""
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, 41, 2000) / 40
    return predicted, (rng.random(2000) < predicted**2).astype(float)


@pytest.mark.parametrize("equal_mass", [False, True])
def test_the_diagram_is_that_of_scikit_learn(binary, equal_mass):
    predicted, measured = binary
    strategy = "quantile" if equal_mass else "uniform"
    expected = calibration_curve(measured, predicted, n_bins=7, strategy=strategy)
    diagram = reliability(predicted, measured, num_bins=7, equal_mass=equal_mass)
    assert diagram.measured == pytest.approx(expected[0])
    assert diagram.predicted == pytest.approx(expected[1])
    assert diagram.num_cells.sum() == 2000


def test_errors_of_binary_labels_are_those_of_other_libraries(binary):
    predicted, measured = binary
    assert {0.0, 1.0} <= set(predicted)
    assert brier(predicted, measured) == pytest.approx(brier_score_loss(measured, predicted))
    assert nll(predicted, measured) == pytest.approx(log_loss(measured, predicted))
    other = binary_calibration_error(from_numpy(predicted), from_numpy(measured).long(), n_bins=7)
    assert ece(predicted, measured, num_bins=7) == pytest.approx(other.item(), abs=1e-6)


@given(CELLS, st.sampled_from([1, 5, 7]))
def test_ece_of_grades_equals_its_definition(cells, num_bins):
    predicted, measured = cells
    total = 0.0
    for index in range(num_bins):
        low, high = index / num_bins, (index + 1) / num_bins
        inside = [i for i, p in enumerate(predicted) if low < p <= high or (p == 0 and index == 0)]
        total += abs(sum(predicted[i] - measured[i] for i in inside))
    assert ece(predicted, measured, num_bins) == pytest.approx(total / len(predicted))


@given(CELLS)
def test_a_grade_is_so_many_right_and_so_many_wrong_answers(cells):
    """The likelihood of 3/4 is that of three right answers and a wrong one; the squared error keeps their variance."""
    predicted, measured = cells
    answers = np.concatenate([[i < round(4 * y) for i in range(4)] for y in measured]).astype(float)
    four_times = predicted.repeat(4)
    assert nll(predicted, measured) == pytest.approx(nll(four_times, answers))
    assert ece(predicted, measured) == pytest.approx(ece(four_times, answers))
    variance = (measured * (1 - measured)).mean()
    assert brier(predicted, measured) == pytest.approx(brier(four_times, answers) - variance)


def test_equal_masses_are_equal_and_ties_stay_together():
    rng = np.random.default_rng(0)
    assert set(reliability(rng.beta(1, 9, 1000), np.zeros(1000), num_bins=8, equal_mass=True).num_cells) == {125}
    tied = reliability([0.1] * 90 + [0.9] * 10, [0.0] * 100, num_bins=10, equal_mass=True)
    assert tied.num_cells.tolist() == [90, 10]
    assert tied.predicted == pytest.approx([0.1, 0.9])


def test_order_does_not_matter(binary):
    order = np.random.default_rng(1).permutation(2000)
    shuffled = [values[order] for values in binary]
    for equal_mass in (False, True):
        assert ece(*binary, equal_mass=equal_mass) == pytest.approx(ece(*shuffled, equal_mass=equal_mass))


def test_the_constant_mean_is_calibrated_and_still_costs():
    measured = np.array([0.0, 1.0, 1.0, 0.5])
    assert ece(np.full(4, measured.mean()), measured) == 0
    assert brier(np.full(4, measured.mean()), measured) == measured.var()


def test_sure_and_wrong_is_dear_and_finite():
    assert 36 < nll([1.0], [0.0]) < 37
    assert nll([1.0, 0.0], [1.0, 0.0]) == pytest.approx(0, abs=1e-12)


def test_groups_are_models_or_benchmarks():
    rng = np.random.default_rng(0)
    predicted, measured = rng.random((2, 60, 3))
    benchmark = np.array(["b", "a"] * 30, dtype=object)
    models = calibration_by(("large", "small", "mid"), predicted, measured, num_bins=5)
    assert list(models) == ["large", "mid", "small"]
    mid = predicted[:, 2], measured[:, 2]
    assert models["mid"] == (ece(*mid, num_bins=5), brier(*mid), nll(*mid), 60)
    benchmarks = calibration_by(benchmark[:, None], predicted, measured)
    odd = predicted[1::2], measured[1::2]
    assert benchmarks["a"] == pytest.approx((ece(*odd), brier(*odd), nll(*odd), 90))


def test_what_cannot_be_calibrated_is_refused():
    for metric in (ece, brier, nll):
        with pytest.raises(ValueError, match="predicted has nan in it"):
            metric([np.nan], [1.0])
        with pytest.raises(ValueError, match=r"predicted quality must lie in \[0, 1\], got 0.5 to 1.5"):
            metric([1.5, 0.5], [1.0, 1.0])
        with pytest.raises(ValueError, match="measured quality must lie"):
            metric([0.5], [-1.0])
        with pytest.raises(ValueError, match="shapes differ"):
            metric([0.5], [1.0, 1.0])
        with pytest.raises(ValueError, match="empty"):
            metric([], [])
    with pytest.raises(ValueError, match="num_bins"):
        ece([0.5], [0.5], num_bins=0)
    assert ece([1 + 1e-15], [1.0]) == pytest.approx(0, abs=1e-12)
