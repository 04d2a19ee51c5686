from dataclasses import replace

import numpy as np
import pytest

from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.experiments import ood_leave_one_benchmark_out as protocol
from routerbench.experiments.ood_leave_one_benchmark_out import KNOWN, UNSEEN, LeaveOneBenchmarkOut
from tests.experiments.conftest import constant, knn, make_world

pytestmark = pytest.mark.usefixtures("few_resamples")


def run(fit, table=None, **options):
    world = make_world()
    return LeaveOneBenchmarkOut(**options).run(
        {"mlp": fit}, Parts.of(table or world[0], world[1]), np.random.default_rng(0)
    )


def test_each_benchmark_is_absent_once_from_train_and_val():
    fit = constant()
    run(fit)
    everything = {"a", "b-1", "b-2", "c"}
    missing = [[everything - set(part.table.benchmark) for part in lesson[:2]] for lesson in fit.lessons]
    assert missing == [[set()] * 2] + [[{name}] * 2 for name in sorted(everything)]


def test_each_prompt_is_routed_by_the_router_that_never_saw_its_benchmark(monkeypatch):
    fit, runs = knn(), {}
    monkeypatch.setattr(protocol, "score", lambda found, *args, **options: runs.update(found))
    run(fit)
    table, embeddings = make_world()
    test = table.part("test")
    for row, query in enumerate(embeddings[table.split == "test"]):
        assert test.benchmark[row] in ("a", "b-1", "b-2", "c")
        (lesson,) = (le for le in fit.lessons if test.benchmark[row] not in le[0].table.benchmark)
        router = fit.make(lesson[0])
        router.fit(lesson[0], lesson[1], lambda prediction, table: 0.0)
        alone = router.predict(query[None])
        np.testing.assert_allclose(runs["mlp", UNSEEN].quality[row], alone.quality[0])
        np.testing.assert_allclose(runs["mlp", UNSEEN].cost[row], alone.cost[0])
    assert (runs["mlp", UNSEEN].quality != runs["mlp", KNOWN].quality).any()


def test_the_loss_is_paired_overall_and_on_each_benchmark():
    study = run(knn())
    known, unseen = study.scored("mlp", KNOWN), study.scored("mlp", UNSEEN)
    changes = study.changes[f"mlp, {UNSEEN}"]
    assert changes[None].value == pytest.approx(unseen.aiq.value - known.aiq.value, abs=1e-12)
    assert set(changes) == {None, "a", "b-1", "b-2", "c"}
    for name in ("a", "b-1", "b-2", "c"):
        expected = unseen.per_benchmark[name]["aiq"].value - known.per_benchmark[name]["aiq"].value
        assert changes[name].value == pytest.approx(expected, abs=1e-12)


def test_a_family_is_held_out_as_one():
    fit = constant()
    study = run(fit, families=["b"])
    assert [set(train.table.benchmark) for train, _, _ in fit.lessons[1:]] == [{"b", "c"}, {"a", "c"}, {"a", "b"}]
    assert set(study.evaluation.benchmark_counts) == {"a", "b", "c"}
    assert "b stands for 2 benchmarks, held out together." in study.notes


def test_chosen_benchmarks_alone_are_held_out_and_scored():
    fit = constant()
    study = run(fit, benchmarks=["c"])
    table = make_world()[0].part("test")
    assert study.evaluation.benchmark_counts == {"c": int((table.benchmark == "c").sum())}
    assert len(fit.lessons) == 2


def test_a_benchmark_that_train_never_had_is_not_scored():
    table = make_world()[0]
    table = replace(table, split=np.where(table.benchmark == "c", "test", table.split))
    assert "c" not in run(constant(), table).evaluation.benchmark_counts


def test_refusals():
    table = make_world()[0]
    with pytest.raises(InputError, match=r"no benchmark 'd' .* there are a, b-1, b-2, c"):
        run(constant(), benchmarks=["d"])
    one = replace(table, benchmark=np.full(len(table), "a", dtype=object))
    with pytest.raises(InputError, match="at least two of them in train, and test prompts of one, but train has a"):
        run(constant(), one)
    with pytest.raises(InputError, match=r"train has b; .* leave out experiment\.families"):
        run(constant(), replace(table, benchmark=np.resize(["b-1", "b-2"], len(table)).astype(object)), families=["b"])
    only_a = replace(table, split=np.where((table.split == "val") & (table.benchmark != "a"), "", table.split))
    fit = constant()
    with pytest.raises(InputError, match="without a no validation prompt is left"):
        run(fit, only_a)
    assert not fit.lessons
    table.quality[table.benchmark != "c", 1] = np.nan
    with pytest.raises(InputError, match="holding out c leaves no quality of 'model-1'"):
        run(constant(), table)
