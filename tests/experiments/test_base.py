import logging
import re

import numpy as np
import pytest

from routerbench.data.outcomes import Examples, Parts
from routerbench.errors import InputError
from routerbench.experiments.base import Lesson, check_models, fit_each
from tests.conftest import make_table
from tests.experiments.conftest import constant, make_world


def test_parts_keep_embeddings_beside_their_prompts():
    table, embeddings = make_world()
    for name, part in Parts.of(table, embeddings)._asdict().items():
        assert (part.table.split == name).all()
        np.testing.assert_array_equal(part.embeddings[:, 0], part.table.rows)
    some = part.take(np.array([4, 1]))
    np.testing.assert_array_equal(some.embeddings[:, 0], some.table.rows)


def test_every_router_learns_every_lesson_and_each_fit_is_logged(caplog):
    train, val, _ = Parts.of(*make_world())
    fits = {"a/b": constant(), "two": constant()}
    lessons = [Lesson(f"{n} % of: all/that", train.take(np.arange(n)), val) for n in (10, 20)]
    with caplog.at_level(logging.INFO, "routerbench"):
        done = [(name, condition, router.quality) for name, condition, router in fit_each(fits, iter(lessons), 2)]
    assert [(name, condition) for name, condition, _ in done] == [
        (name, lesson.condition) for lesson in lessons for name in fits
    ]
    for (_, _, quality), lesson in zip(done[::2], lessons, strict=True):
        np.testing.assert_allclose(quality, lesson.train.table.quality.mean(axis=0))
    labels = [label for fit in fits.values() for _, _, label in fit.lessons]
    assert len(set(labels)) == 4
    assert all(re.fullmatch(r"[\w.-]+", label) for label in labels)
    assert [message.split(":")[0] for message in caplog.messages] == [f"fit {number} of 4" for number in (1, 2, 3, 4)]
    assert caplog.messages[-1].endswith("about 0 s remain")


@pytest.mark.parametrize(("cells", "what"), [("quality", "quality"), ("cost", "cost")])
def test_a_model_without_outcomes_is_refused(cells, what):
    arrays = {"quality": np.full((5, 2), 0.5), "cost": np.full((5, 2), 0.1)}
    examples = Examples(make_table(**arrays), np.zeros((5, 3), np.float32))
    check_models(examples, "this", "advice")
    arrays[cells][:, 1] = np.nan
    with pytest.raises(InputError, match=f"this leaves no {what} of 'model-1' to learn from; advice"):
        check_models(Examples(make_table(**arrays), examples.embeddings), "this", "advice")


def test_a_table_without_any_cost_is_not_refused():
    table = make_table(np.full((5, 2), 0.5), np.full((5, 2), np.nan))
    check_models(Examples(table, np.zeros((5, 3), np.float32)), "this", "advice")
