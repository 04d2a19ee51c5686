import numpy as np
import torch

from routerbench.routers.encoder import EncoderRouter


def test_untrained_it_predicts_the_means(train, val):
    router = EncoderRouter(8, 3)
    router.prepare(train)
    prediction = router.predict(val.embeddings)
    np.testing.assert_allclose(prediction.quality, np.tile(train.table.quality.mean(axis=0), (400, 1)), atol=1e-6)
    np.testing.assert_allclose(prediction.cost, np.tile(train.table.cost.mean(axis=0), (400, 1)), rtol=1e-6)


def test_both_heads_are_linear():
    router = EncoderRouter(4, 2)
    torch.nn.init.normal_(router.linear.weight)
    a, b = torch.randn(2, 5, 4)
    for head in ("quality_logit", "cost_log_ratio"):
        together = getattr(router.heads(a + b), head)
        torch.testing.assert_close(together, getattr(router.heads(a), head) + getattr(router.heads(b), head))
