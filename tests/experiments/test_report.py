"""What a study's files say: numbers that agree with the study, dots and rows where there are runs, dashes elsewhere."""

import json
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from routerbench.data.outcomes import Parts
from routerbench.evaluation.results import Difference, Interval
from routerbench.experiments import scoring
from routerbench.experiments.picture import write_picture
from routerbench.experiments.report import benchmark_table, findings, study_table, write_study
from routerbench.experiments.study import Condition
from routerbench.report.formatting import difference, share
from routerbench.report.pictures import PALETTE
from routerbench.routers.base import Prediction
from tests.experiments.conftest import make_world

CONDITIONS = (Condition("none"), Condition("1 %", 10.0), Condition("10 %", 100.0), Condition("all", 1000.0))
KNOWN, UNSEEN = Condition("known"), Condition("unseen")


def study_of(routers, conditions, baseline, has_cost=True, **options):
    """Runs that see more of the truth with each condition; "linear" takes only the first and the last of them."""
    table, embeddings = make_world(200)
    if not has_cost:
        table.cost[:] = np.nan
    parts, rng = Parts.of(table, embeddings), np.random.default_rng(0)
    measured = parts.test.table
    runs = {
        (router, condition.label): Prediction(
            (0.2 + 0.1 * number) * measured.quality + 0.5 * rng.random(measured.quality.shape), measured.cost
        )
        for router in routers
        for number, condition in enumerate(conditions)
        if router != "linear" or condition in (conditions[0], conditions[-1])
    }
    return scoring.score(runs, parts, conditions, baseline, rng, title="A title | of sorts", **options)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "NUM_RESAMPLES", 40)
        yield


def along_axis(routers=("mlp", "knn", "linear"), conditions=CONDITIONS, **options):
    baseline = conditions[-1].label
    return study_of(
        routers, conditions, baseline, axis="prompts", log_axis=True, notes=["linear is unable."], **options
    )


def by_benchmark(**options):
    return study_of(("mlp", "knn"), (KNOWN, UNSEEN), "known", by_benchmark=True, notes=["A note."], **options)


def cells(table):
    """A Markdown table as rows of stripped cells, without header and rule."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def picture_of(study, tmp_path):
    write_picture(study, tmp_path / "experiment.png")
    return matplotlib.image.imread(tmp_path / "experiment.png")[..., :3]


def num_pixels(picture, colour):
    return int((np.abs(picture - np.array(to_rgb(colour))).max(axis=2) < 0.02).sum())


def test_the_table_has_every_run_and_dashes_where_a_router_is_unable():
    study = along_axis()
    rows = {tuple(row[:2]): row[2:] for row in cells(study_table(study)) if row[0]}
    assert len(rows) == 3 * 4 + 4
    for router in study.routers:
        for condition in study.conditions:
            aiq, change, gain = rows[router, condition.label]
            scored = study.scored(router, condition.label)
            if scored is None:
                assert (router, [aiq, change, gain]) == ("linear", ["-"] * 3)
                continue
            assert aiq.startswith(share(scored.aiq.value))
            assert gain == difference(scored.delta_aiq_zero.value)
            if condition.label == study.baseline:
                assert change == ""
            else:
                found = study.changes[study.names[router, condition.label]][None]
                assert change.startswith(difference(found.value))
                assert difference(found.prompts.low) in change
    assert rows["zero_router", ""][0] == share(study.evaluation.references["zero_router"].aiq.value)


def test_findings_name_what_differs_significantly_and_nothing_else():
    study = along_axis()
    outcomes = {"none": (-0.04, -0.02), "1 %": (-0.02, 0.01), "10 %": (0.01, 0.03)}
    changes = {
        f"{router}, {label}": {None: Difference((low + high) / 2, Interval(low, high, 0.5), None)}
        for router in ("mlp", "knn", "linear")
        for label, (low, high) in outcomes.items()
        if router != "knn"
    } | {f"knn, {label}": {None: Difference(0.0, None, None)} for label in outcomes}
    mlp, knn, linear = findings(replace(study, changes=changes)).split("\n")
    aiq = share(study.scored("mlp", "all").aiq.value)
    assert mlp == f"mlp, all: AIQ {aiq}; significantly lower: none (-.030); significantly higher: 10 % (+.020)."
    assert knn.endswith("no other condition differs significantly.")
    assert linear.endswith("; significantly lower: none (-.030).")


def test_benchmarks_have_a_table_of_their_own():
    study = by_benchmark()
    rows = cells(benchmark_table(study))
    assert sorted(row[0] for row in rows) == ["a", "b-1", "b-2", "c"]
    for name, *_ in rows:
        (row,) = (row for row in rows if row[0] == name)
        assert row[1] == str(study.evaluation.benchmark_counts[name])
        assert row[2] == share(study.evaluation.references["zero_router"].per_benchmark[name]["aiq"].value)
        for router, known, change in (("mlp", *row[3:5]), ("knn", *row[5:7])):
            assert known == share(study.scored(router, "known").per_benchmark[name]["aiq"].value)
            assert change.startswith(difference(study.changes[f"{router}, unseen"][name].value))


def test_write_study_leaves_text_picture_and_the_standard_report(tmp_path):
    study = by_benchmark()
    write_study(study, tmp_path / "out")
    text = (tmp_path / "out" / "experiment.md").read_text()
    assert text.startswith("# A title \\| of sorts\n\n- mlp, known: AIQ ")
    assert study_table(study) in text
    assert benchmark_table(study) in text
    assert "- A note." in text
    assert matplotlib.image.imread(tmp_path / "out" / "experiment.png").shape[1] == 1440
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert set(metrics["routers"]) == set(study.names.values())


def test_a_study_along_an_axis_has_no_table_of_benchmarks(tmp_path, monkeypatch):
    monkeypatch.setattr("routerbench.experiments.report.write_report", lambda evaluation, folder: None)
    write_study(along_axis(), tmp_path)
    assert "## Benchmarks" not in (tmp_path / "experiment.md").read_text()


def test_the_picture_along_an_axis_has_every_router(tmp_path):
    picture = picture_of(along_axis(), tmp_path)
    assert picture.shape == (900, 1440, 3)
    counts = [num_pixels(picture, colour) for colour in PALETTE[:4]]
    assert min(counts[:2]) > 1500
    assert 150 < counts[2] < min(counts[:2])  # the unable one has two dots and no line
    assert counts[3] == 0


def test_a_change_without_interval_has_no_bar(tmp_path):
    study = along_axis(routers=("mlp",))
    bare = {name: {None: replace(scopes[None], prompts=None)} for name, scopes in study.changes.items()}
    with_bars = num_pixels(picture_of(study, tmp_path), PALETTE[0])
    assert num_pixels(picture_of(replace(study, changes=bare), tmp_path), PALETTE[0]) < with_bars


def test_the_picture_by_benchmark_grows_with_benchmarks(tmp_path):
    study = by_benchmark()
    picture = picture_of(study, tmp_path)
    assert min(num_pixels(picture, colour) for colour in PALETTE[:2]) > 300
    one = {"c": study.evaluation.benchmark_counts["c"]}
    fewer = picture_of(replace(study, evaluation=replace(study.evaluation, benchmark_counts=one)), tmp_path)
    assert fewer.shape[0] < picture.shape[0]


@pytest.mark.parametrize("build", [along_axis, by_benchmark])
def test_a_table_without_cost_is_compared_by_quality(build, tmp_path):
    study = build(has_cost=False)
    assert "peak quality" in study_table(study)
    assert "AIQ " not in findings(study)
    assert "nan" not in study_table(study)
    assert num_pixels(picture_of(study, tmp_path), PALETTE[0]) > 100


def test_conditions_without_a_position_stand_beside_the_axis_and_one_position_is_enough(tmp_path):
    study = along_axis(conditions=(Condition("none"), Condition("1 %", 10.0), Condition("all models known")))
    assert num_pixels(picture_of(study, tmp_path), PALETTE[0]) > 300


def test_odd_names(tmp_path):
    study = along_axis(routers=("$x_1$ $", "x" * 60))
    assert picture_of(study, tmp_path).shape == (900, 1440, 3)
