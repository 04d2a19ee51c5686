import numpy as np
import pytest

from routerbench.evaluation.metrics import mean_chosen_quality, v_b, v_r

QUALITY = [[1, 0, 0.5], [0, 1, 0.5], [0, 1, 0.5], [0, 0, 0.5]]  # means 0.25, 0.5, 0.5


def test_by_hand():
    assert mean_chosen_quality(QUALITY, [0, 1, 1, 2]) == 0.875
    assert v_b(QUALITY, [0, 1, 1, 2]) == 1.75
    assert v_b(QUALITY, [1, 1, 1, 1]) == 1
    assert v_r(QUALITY, [0, 0, 0, 0], reference_quality=0.5) == 0.5


def test_against_loops():
    rng = np.random.default_rng(0)
    quality, chosen = rng.random((50, 4)), rng.integers(4, size=50)
    mu = sum(quality[n][chosen[n]] for n in range(50)) / 50
    best = max(sum(quality[n][m] for n in range(50)) / 50 for m in range(4))
    assert mean_chosen_quality(quality, chosen) == pytest.approx(mu)
    assert v_b(quality, chosen) == pytest.approx(mu / best)
    assert v_r(quality, chosen, 0.7) == pytest.approx(mu / 0.7)


@pytest.mark.parametrize(
    ("quality", "chosen", "message"),
    [
        (QUALITY, [0, 1, 2], r"\(N, M\)"),
        (QUALITY, [0, 1, 2, 3], "integers from 0 to 2"),
        (QUALITY, [0, 1, 2, -1], "integers from 0 to 2"),
        (QUALITY, [0.0, 1.0, 2.0, 0.0], "integers from 0 to 2"),
        ([[np.nan, 1]], [0], "nan"),
        ([1.0], [0], r"\(N, M\)"),
    ],
)
def test_choices_that_do_not_fit_are_refused(quality, chosen, message):
    with pytest.raises(ValueError, match=message):
        mean_chosen_quality(quality, chosen)


def test_a_reference_without_quality_is_refused():
    with pytest.raises(ValueError, match="reference_quality"):
        v_b([[0.0, 0.0]], [0])
