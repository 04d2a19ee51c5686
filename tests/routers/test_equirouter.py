import numpy as np
import pytest
import torch
from torch.nn.functional import gelu

from routerbench.errors import InputError
from routerbench.routers.equirouter import EquiRouter
from routerbench.training.objectives import Ranking
from tests.conftest import make_examples
from tests.routers.networks import randomised
from tests.training.test_gradient import training


def test_scores_are_film_and_one_head_for_every_model():
    router = randomised(EquiRouter(6, 3, hidden=[5], dim=4))
    inputs = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    found = router.scores(inputs)
    z = torch.nn.functional.layer_norm(
        gelu(router.trunk[0](inputs)), (5,), router.trunk[2].weight, router.trunk[2].bias
    )
    for model in range(3):
        vector = router.models[model]
        film, place = router.film(vector), router.place(vector)
        modulated = film[:5] * z + film[5:]
        for prompt in range(2):
            m = modulated[prompt]
            seen = torch.cat([m, place, m * place, (m - place).abs()])
            assert found[prompt, model].item() == pytest.approx(router.head(seen).item(), abs=1e-4)


def test_exchanging_two_models_vectors_exchanges_their_scores():
    router = randomised(EquiRouter(6, 3, hidden=[5], dim=4))
    inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    before = router.scores(inputs)
    with torch.no_grad():
        router.models[[0, 2]] = router.models[[2, 0]].clone()
    torch.testing.assert_close(router.scores(inputs), before[:, [2, 1, 0]])


def test_starts_from_the_mean_quality_and_not_from_its_logit(train):
    router = EquiRouter(8, 3, hidden=[5], dim=4)
    router.prepare(train)
    np.testing.assert_allclose(router.quality_bias, train.table.quality.mean(axis=0), atol=1e-3)


def test_learns_the_order_of_the_models(tmp_path, train, val):
    torch.manual_seed(0)
    router = EquiRouter(8, 3, hidden=[32], dim=8)
    training(tmp_path, epochs=15, objective=Ranking(50.0, "cost")).fit(router, train, val)
    test, quality, _ = make_examples(2000, seed=2)
    prediction = router.predict(test.embeddings)
    assert prediction.scale == "ranking"
    clear = abs(quality[:, 0] - quality[:, 1]) > 0.3
    agrees = (prediction.quality[:, 0] > prediction.quality[:, 1]) == (quality[:, 0] > quality[:, 1])
    assert agrees[clear].mean() > 0.85


@pytest.mark.parametrize(("hidden", "dim"), [([], 4), ([0], 4), ([5], 0)])
def test_refuses_wrong_options(hidden, dim):
    with pytest.raises(InputError, match=r"router\.hidden must be widths"):
        EquiRouter(6, 3, hidden, dim)
