"""A world of 4 prompts and 3 models (cheap, mid, dear), small enough to evaluate by hand."""

import numpy as np
import pytest
from hypothesis import settings

from routerbench.routers.base import Prediction
from tests.conftest import make_table

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")

# What the router predicts, and where its lines cross:
#   p0: cheap -> mid at 1 / (1/2) = 2, mid -> dear at 2 / (1/4) = 8
#   p1: cheap -> dear at 3 / (1/2) = 6; mid is dearer and worse than cheap, so never
#   p2: cheap, mid and dear meet in one point, at 1 / (1/4) = 2 / (1/2) = 4: cheap -> dear
#   p3: mid is cheapest; mid -> cheap at 1 / (1/4) = 4; dear never
PREDICTED_QUALITY = [[0, 1 / 2, 3 / 4], [1 / 2, 1 / 4, 1], [1 / 4, 1 / 2, 3 / 4], [3 / 4, 1 / 2, 1 / 4]]
PREDICTED_COST = [[1, 2, 4], [1, 2, 4], [1, 2, 3], [2, 1, 4]]
QUALITY = [[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1 / 2, 0]]
COST = [[1, 2, 4]] * 4


@pytest.fixture
def table():
    """Single models: costs 1, 2, 4; qualities 1/2, 3/8, 3/4."""
    benchmark = np.array(["a", "a", "b", "b"], dtype=object)
    return make_table(QUALITY, COST, benchmark=benchmark, models=("cheap", "mid", "dear"))


@pytest.fixture
def prediction():
    return Prediction(np.array(PREDICTED_QUALITY), np.array(PREDICTED_COST, float))
