"""Route or decline: what is calibrated, chosen and scored on which split."""

from dataclasses import replace

import numpy as np
import pytest

from routerbench.errors import InputError
from routerbench.evaluation.metrics import ece
from routerbench.policy import select
from routerbench.routers.base import Prediction
from routerbench.sequences.base import Scene
from routerbench.sequences.decline import Decline
from tests.conftest import make_examples


def make_scene(num_prompts, seed, bend=1.0):
    examples, quality, cost = make_examples(num_prompts, seed)
    return Scene(examples.table, Prediction(quality**bend, cost), examples.embeddings)


def play(val, test, **options):
    return Decline(num_resamples=50, **options).abstain(val, test, np.random.default_rng(0))


@pytest.fixture(scope="module")
def val():
    return make_scene(600, seed=1)


@pytest.fixture(scope="module")
def test():
    return make_scene(900, seed=2)


@pytest.mark.parametrize("lambda_", [0.0, 0.005, np.inf])
def test_the_answers_are_those_of_the_models_that_lambda_chooses(val, test, lambda_):
    found = play(val, test, willingness_to_pay=lambda_, transform="none")
    chosen = select(test.prediction.quality, test.prediction.cost, lambda_)
    rows = np.arange(len(chosen))
    assert found.error.value == pytest.approx(1 - test.table.quality[rows, chosen].mean())
    surest = np.argsort(-test.prediction.quality[rows, chosen], kind="stable")[: int(0.8 * 900)]
    assert found.error_after.value == pytest.approx(1 - test.table.quality[surest, chosen[surest]].mean())
    chosen = select(val.prediction.quality, val.prediction.cost, lambda_)
    confidence = val.prediction.quality[np.arange(600), chosen]
    assert (confidence >= found.threshold).mean() == 0.8


def test_declining_lowers_the_error_and_the_threshold_holds_on_test(val, test):
    found = play(val, test)
    assert found.interval.low > 0
    assert found.oracle_error_after < found.error_after.value < found.error.value
    assert found.realised_coverage == pytest.approx(0.8, abs=0.05)
    assert found.realised_error.value == pytest.approx(found.error_after.value, abs=0.03)


@pytest.mark.parametrize(("transform", "largest"), [("two_sided", 0.05), ("multiple_choice", 0.12)])
def test_the_confidence_is_calibrated_for_each_model(transform, largest):
    """Predictions that are far too low for one model, and right for the others; two-sided is made for such a p."""
    bend = np.array([1, 3, 1])
    bent = [make_scene(number, seed, bend) for number, seed in ((2000, 5), (3000, 6))]
    confidence = Decline(transform=transform).confidence(bent[0], bent[1].prediction)
    assert ece(bent[1].prediction.quality[:, 1], bent[1].table.quality[:, 1]) > 0.2
    for model in range(3):
        assert ece(confidence[:, model], bent[1].table.quality[:, model]) < largest


def test_certainty_is_no_infinity(val, test):
    """A predicted quality of 0 or 1 has an infinite transform; it counts as the largest finite one of validation."""
    sure = [
        scene._replace(prediction=scene.prediction._replace(quality=(scene.prediction.quality * 1.4 - 0.2).clip(0, 1)))
        for scene in (val, test)
    ]
    assert (sure[0].prediction.quality == 1).any()
    for transform in ("two_sided", "multiple_choice"):
        confidence = Decline(transform=transform).confidence(sure[0], sure[1].prediction)
        for model in range(3):  # it keeps the order, up to ties
            raw = sure[1].prediction.quality[:, model]
            assert (np.diff(confidence[np.argsort(raw, kind="stable"), model]) >= 0).all()
            assert np.ptp(confidence[:, model]) > 0.3
    assert ece(confidence, sure[1].table.quality) < 0.13
    all_sure = val._replace(prediction=val.prediction._replace(quality=np.ones_like(val.prediction.quality)))
    np.testing.assert_allclose(
        Decline().confidence(all_sure, all_sure.prediction), np.tile(val.table.quality.mean(axis=0), (600, 1))
    )


def test_the_outcomes_of_test_choose_nothing(val, test):
    wrong = test._replace(table=replace(test.table, quality=1 - test.table.quality))
    found, other = play(val, test), play(val, wrong)
    assert found.threshold == other.threshold
    assert found.realised_coverage == other.realised_coverage
    assert other.error.value == pytest.approx(1 - found.error.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [("willingness_to_pay", -1), ("transform", "logit"), ("abstention", 0), ("abstention", 1), ("num_resamples", -1)],
)
def test_an_option_that_is_none_is_refused(option, value):
    with pytest.raises(InputError, match=f"abstention.decline.{option}"):
        Decline(**{option: value})
