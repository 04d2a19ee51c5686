import numpy as np

from routerbench.data.outcomes import Examples
from routerbench.routers.mlp import MLPRouter


def test_a_column_that_is_constant_on_train_cannot_drown_the_others(train, val):
    dead = train.embeddings.copy()
    dead[:, 3] = 0
    router = MLPRouter(8, 3, hidden=[16], dropout=0.1)
    router.prepare(Examples(train.table, dead))
    prediction = router.predict(val.embeddings)
    assert np.isfinite(prediction.cost).all()
    assert (prediction.cost < 100 * train.table.cost.max(axis=0)).all()
