import numpy as np
import pytest

from routerbench.routers.base import Choices, Prediction


def choices(lambdas, chosen):
    return Choices(np.array(lambdas), np.array(chosen))


def test_a_decision_holds_up_to_its_knot_and_from_just_above_the_one_before():
    steps = choices([0.0, 1.0, 3.0, np.inf], [[0, 1, 2, 1], [3, 3, 0, 0]])
    asked = np.array([0.0, 1e-300, 1.0, 1.0000001, 3.0, 4.0, np.inf])
    assert steps.at(asked).tolist() == [[0, 1, 1, 2, 2, 1, 1], [3, 3, 3, 0, 0, 0, 0]]
    assert steps.at(np.float64(2.0)).tolist() == [[2], [0]]


@pytest.mark.parametrize(
    ("lambdas", "shape", "message"),
    [
        ([1.0, 1.0, np.inf], (2, 3), "ascend"),
        ([2.0, 1.0, np.inf], (2, 3), "ascend"),
        ([0.0, 1.0], (2, 2), "infinity"),
        ([-1.0, np.inf], (2, 2), "at least 0"),
        ([np.nan, np.inf], (2, 2), "at least 0"),
        ([1.0, np.inf], (2, 3), r"\(2,\) and \(2, 3\)"),
        ([1.0, np.inf], (2,), "models"),
        ([], (2, 0), "knots"),
    ],
)
def test_choices_that_leave_a_lambda_open_are_refused(lambdas, shape, message):
    with pytest.raises(ValueError, match=message):
        Choices(np.array(lambdas), np.zeros(shape, int))


def test_joined_choices_are_those_of_each_group():
    first, second = choices([1.0, 3.0, np.inf], [[0, 1, 2], [2, 1, 0]]), choices([0.0, 2.0, np.inf], [[1, 0, 1]])
    joined = Choices.concatenate([first, second])
    asked = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, np.inf])
    assert joined.at(asked).tolist() == [*first.at(asked).tolist(), *second.at(asked).tolist()]


@pytest.mark.parametrize("has_std", [True, False])
@pytest.mark.parametrize("has_choices", [True, False])
def test_predictions_are_taken_apart_and_joined_again(has_std, has_choices):
    rng = np.random.default_rng(0)
    whole = Prediction(
        *rng.random((2, 7, 3)),
        quality_std=rng.random((7, 3)) if has_std else None,
        scale="ranking",
        choices=choices([1.0, np.inf], rng.integers(3, size=(7, 2))) if has_choices else None,
    )
    order = np.array([4, 0, 6, 1, 2, 5, 3])
    joined = Prediction.concatenate([whole.take(order[:3]), whole.take(order[3:])]).take(np.argsort(order))
    for ours, theirs in zip(joined[:3], whole[:3], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert joined.scale == "ranking"
    if has_choices:
        np.testing.assert_array_equal(joined.choices.chosen, whole.choices.chosen)
        np.testing.assert_array_equal(whole.take(whole.cost[:, 0] > 0.5).choices.chosen,
                                      whole.choices.chosen[whole.cost[:, 0] > 0.5])  # fmt: skip
    else:
        assert joined.choices is None
