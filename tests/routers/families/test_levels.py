import numpy as np
import pytest

from routerbench.routers.families.levels import levels, logit


def test_the_level_of_a_complete_table_is_the_mean_of_each_prompt():
    quality = np.random.default_rng(0).random((30, 4))
    np.testing.assert_allclose(levels(quality), quality.mean(axis=1))


def test_a_prompt_that_only_weak_models_saw_is_not_called_hard():
    """Model 0 always succeeds, model 1 half of the time; so it does where it is alone."""
    quality = np.array([[1, 1], [1, 0], [1, 1], [1, 0], [np.nan, 1], [np.nan, 0], [np.nan, np.nan]])
    found = levels(quality)
    assert found[4:6].mean() == pytest.approx(0.75)
    assert found[6] == pytest.approx(0.75)


def test_logits_stay_finite():
    assert np.abs(logit(np.array([-0.2, 0.0, 1.0, 1.3]))).max() == pytest.approx(np.log(99))
