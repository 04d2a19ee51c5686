import numpy as np
import pytest
from sklearn.linear_model import Ridge

from routerbench.routers.families.ridge import ridge

ALPHAS = np.array([100.0, 1.0, 0.01])


@pytest.fixture(scope="module")
def gaps():
    """Correlated inputs off the origin and targets of which some share their gaps and one is never known."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 5)) + 3
    targets = inputs @ rng.normal(size=(5, 4)) + rng.normal(size=(40, 4))
    targets[::3, 1:3] = np.nan
    targets[:, 3] = np.nan
    return inputs, targets


def test_ridge_agrees_with_scikit_learn_for_all_penalties_and_gaps(gaps):
    inputs, targets = gaps
    path = ridge(inputs, targets, ALPHAS)
    for i, alpha in enumerate(ALPHAS):
        for target in range(3):
            known = np.isfinite(targets[:, target])
            model = Ridge(alpha=alpha).fit(inputs[known], targets[known, target])
            np.testing.assert_allclose(path.weights[i, :, target], model.coef_, atol=1e-9)
            assert path.bias[i, target] == pytest.approx(model.intercept_)
            np.testing.assert_allclose(path.held_out[i, ~known, target], model.predict(inputs)[~known])
    assert np.isnan(path.bias[:, 3]).all()
    assert np.isnan(path.held_out[:, :, 3]).all()


def test_held_out_predictions_are_those_of_fits_without_the_prompt(gaps):
    inputs, targets = gaps
    path = ridge(inputs, targets, ALPHAS)
    for target in (0, 1):
        known = np.flatnonzero(np.isfinite(targets[:, target]))
        for row in known:
            others = known[known != row]
            for i, alpha in enumerate(ALPHAS):
                model = Ridge(alpha=alpha).fit(inputs[others], targets[others, target])
                assert path.held_out[i, row, target] == pytest.approx(model.predict(inputs[[row]])[0])
