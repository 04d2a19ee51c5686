from dataclasses import replace

import numpy as np

from routerbench.data.outcomes import Examples
from routerbench.routers.constant import ConstantRouter


def test_predicts_the_means_of_what_was_observed(train, val):
    quality = train.table.quality.copy()
    quality[::2, 1] = np.nan
    router = ConstantRouter(8, 3)
    router.fit(Examples(replace(train.table, quality=quality), train.embeddings), val, lambda prediction, table: 0.0)
    expected = [quality[:, 0].mean(), quality[1::2, 1].mean(), quality[:, 2].mean()]
    np.testing.assert_allclose(router.predict(val.embeddings).quality, np.tile(expected, (len(val.table), 1)))
