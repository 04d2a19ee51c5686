import numpy as np
import pytest
import torch

from routerbench.errors import InputError
from routerbench.routers.families.clusters import Clusters
from routerbench.routers.routerdc import RouterDCRouter
from routerbench.training.objectives import Contrastive
from tests.conftest import make_examples
from tests.training.test_gradient import training

OPTIONS = {"hidden": 16, "dim": 8, "temperature": 0.5, "num_clusters": 4, "seed": 0}


def test_scores_are_cosines_over_the_temperature(train):
    torch.manual_seed(0)
    router = RouterDCRouter(8, 3, **OPTIONS)
    router.prepare(train)
    prompt = router.projector((torch.from_numpy(train.embeddings[:1]) - router.mean) / router.std).detach().numpy()[0]
    model = router.models.detach().numpy()
    cosine = model @ prompt / np.linalg.norm(model, axis=1) / np.linalg.norm(prompt)
    np.testing.assert_allclose(
        router.eval()(torch.from_numpy(train.embeddings[:1])).quality_logit[0].detach(), cosine / 0.5, rtol=1e-4
    )


def test_a_prompts_cluster_is_that_of_k_means(train):
    router = RouterDCRouter(8, 3, **OPTIONS)
    router.prepare(train)
    expected = Clusters.fit(train, 4, 0).similarity(train.embeddings).argmax(axis=1)
    found = router(torch.from_numpy(train.embeddings)).cluster.numpy()
    assert (found == expected).mean() > 0.999
    assert len(np.unique(found)) == 4


def test_fewer_prompts_than_clusters_are_as_many_clusters():
    few = make_examples(3, seed=0)[0]
    router = RouterDCRouter(8, 3, **OPTIONS)
    router.prepare(few)
    assert torch.isfinite(router(torch.from_numpy(few.embeddings)).quality_logit).all()


def test_learns_which_models_are_good(tmp_path, train, val):
    torch.manual_seed(0)
    router = RouterDCRouter(8, 3, **OPTIONS)
    objective = Contrastive(num_models=1, success=0.5, cost_rate=0.0, num_negatives=3, sample_weight=1.0)
    training(tmp_path, epochs=15, objective=objective).fit(router, train, val)
    test, quality, _ = make_examples(2000, seed=2)
    prediction = router.predict(test.embeddings)
    assert prediction.scale == "ranking"
    gap, expected = prediction.quality[:, 0] - prediction.quality[:, 1], quality[:, 0] - quality[:, 1]
    assert np.corrcoef(gap, expected)[0, 1] > 0.8


@pytest.mark.parametrize("options", [{"hidden": 0}, {"temperature": 0.0}, {"num_clusters": 0}])
def test_refuses_wrong_options(options):
    with pytest.raises(InputError, match=r"router\.temperature above 0"):
        RouterDCRouter(8, 3, **(OPTIONS | options))
