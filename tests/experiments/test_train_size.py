import numpy as np
import pytest

from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.experiments.train_size import TrainSize
from tests.experiments.conftest import constant, knn, make_world

pytestmark = pytest.mark.usefixtures("few_resamples")


def run(fractions=(0.05, 0.5, 1.0), seed=0, **fits):
    return TrainSize(fractions).run(fits, Parts.of(*make_world()), np.random.default_rng(seed))


def test_shares_are_nested_and_validation_shrinks_down_to_a_floor():
    fit = constant()
    study = run(mlp=fit)
    assert [condition.position for condition in study.conditions] == [10, 100, 200]
    assert [len(train.table) for train, _, _ in fit.lessons] == [10, 100, 200]
    assert [len(val.table) for _, val, _ in fit.lessons] == [20, 40, 80]
    for part in (0, 1):
        rows = [set(lesson[part].table.rows) for lesson in fit.lessons]
        assert rows[0] < rows[1] < rows[2]
    for train, val, _ in fit.lessons:
        assert set(train.table.split) == {"train"}
        assert set(val.table.split) == {"val"}
        np.testing.assert_array_equal(train.embeddings[:, 0], train.table.rows)


def test_the_whole_is_the_baseline_and_the_other_runs_are_paired_with_it():
    study = run(knn=knn(), constant=constant())
    assert study.routers == ("knn", "constant")
    assert study.baseline == "100 %"
    assert set(study.evaluation.routers) == {f"{name}, {s}" for name in study.routers for s in ("5 %", "50 %", "100 %")}
    for router in study.routers:
        base = study.scored(router, "100 %").aiq.value
        for condition in ("5 %", "50 %"):
            change = study.changes[f"{router}, {condition}"][None]
            assert change.value == pytest.approx(study.scored(router, condition).aiq.value - base, abs=1e-12)
        assert f"{router}, 100 %" not in study.changes


def test_the_same_seed_gives_the_same_study_and_another_seed_other_prompts():
    first, again, other = constant(), constant(), constant()
    one, two = run(mlp=first, seed=1), run(mlp=again, seed=1)
    run(mlp=other, seed=2)
    assert one.changes == two.changes
    rows = [fit.lessons[0][0].table.rows.tolist() for fit in (first, again, other)]
    assert rows[0] == rows[1] != rows[2]


def test_the_references_do_not_depend_on_the_share():
    aiq = [
        run((fraction, 1.0), mlp=constant()).evaluation.references["benchmark_oracle"].aiq for fraction in (0.1, 0.5)
    ]
    assert aiq[0].value == aiq[1].value


@pytest.mark.parametrize("fractions", [[], [1.0], [0, 1], [0.5, 1.5]])
def test_refuses_what_is_no_list_of_shares(fractions):
    with pytest.raises(InputError, match=r"experiment\.fractions must list"):
        TrainSize(fractions)


def test_refuses_a_share_of_too_few_prompts():
    with pytest.raises(InputError, match=r"0\.5 % of 200 train prompts are fewer than 2"):
        run((0.005, 1.0), mlp=constant())


def test_refuses_a_share_without_outcomes_of_a_model():
    table, embeddings = make_world()
    table.quality[np.flatnonzero(table.split == "train")[5:], 2] = np.nan
    fit = constant()
    with pytest.raises(InputError, match="2 % of the train prompts leaves no quality of 'model-2'"):
        TrainSize((0.02, 1.0)).run({"mlp": fit}, Parts.of(table, embeddings), np.random.default_rng(0))
    assert not fit.lessons  # before any work
