"""Without costs, or with equal costs, all reports compare quality only: no AIQ, no savings, no empty cells."""

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.text import Text
from plotly.offline import get_plotlyjs

from routerbench import artefact
from routerbench.artefact.model_card import repository_card
from routerbench.artefact.reading import read
from routerbench.audit.audit import audit
from routerbench.audit.page import audit_text, write_audit
from routerbench.data.outcomes import Parts
from routerbench.encoders.hashing import HashingEncoder
from routerbench.evaluation.deployment import Validation
from routerbench.evaluation.evaluate import evaluate, validation_aiq
from routerbench.evaluation.operating import OperatingPoints
from routerbench.evaluation.results import Targets
from routerbench.experiments import scoring
from routerbench.experiments.baselines import BASELINES
from routerbench.experiments.leaderboard_report import merged_table, write_leaderboard
from routerbench.experiments.report import write_study
from routerbench.experiments.standings import Entry, Standings
from routerbench.experiments.study import Condition
from routerbench.online import replay
from routerbench.online.report import write_served
from routerbench.report import write_report
from routerbench.report.tables import results_table
from routerbench.tracking import Tracker
from tests.conftest import make_examples
from tests.online.conftest import DIM, make_bandit, make_parts

COSTS = {
    "different costs": lambda cost: cost,
    "no cost": lambda cost: np.full_like(cost, np.nan),
    # Costs differ between prompts but not between models, so resampled means are equal only up to rounding.
    "equal costs": lambda cost: np.repeat(cost[:, :1], cost.shape[1], axis=1),
    "all free": np.zeros_like,
}
KINDS = list(COSTS)[1:]
WORDS = re.compile(r"\b(AIQ|QNC|saves?|saved|saving|never)\b")
REASON = re.compile(r"no costs?\b|cost the same", re.IGNORECASE)
EMPTY_CELL = re.compile(r"\|\s+-\s+(?=\|)|>-<")


class Run:
    """Fake W&B run that records its summary and logs."""

    offline = True

    def __init__(self):
        self.summary, self.logged = {}, {}

    def log(self, found):
        self.logged |= found


def repriced(parts, kind):
    def part(examples):
        return replace(examples, table=replace(examples.table, cost=COSTS[kind](examples.table.cost)))

    return Parts(*map(part, parts))


def make_world(kind):
    """Make splits of 300, 100 and 150 prompts from six benchmarks."""
    names = np.array([f"benchmark {number}" for number in range(6)], object)
    parts = (make_examples(number, seed=seed)[0] for seed, number in enumerate((300, 100, 150)))
    return repriced((replace(e, table=replace(e.table, benchmark=np.resize(names, len(e.table)))) for e in parts), kind)


def write_all(kind, folder):
    """Write all reports for one kind of table."""
    parts = make_world(kind)
    train, val, test = parts
    routers = {name: fit(train, val, name) for name, fit in BASELINES.items()}
    on_val, on_test = ({name: [r.predict(e.embeddings)] for name, r in routers.items()} for e in (val, test))
    evaluation = evaluate(
        {"mine": on_test["linear"] * 2}, test.table, train.table, baselines=on_test, num_resamples=40,
        validation=Validation(val.table, {"mine": on_val["linear"] * 2}, Targets(0.002, 0.9)),
    )  # fmt: skip
    points = OperatingPoints.of(on_val["linear"][0], val.table, 0)
    score, nothing_seen = {"val/aiq": validation_aiq(on_val["linear"][0], val.table)}, np.empty(0, np.uint64)
    encoder = HashingEncoder(dim=8)
    artefact.save(folder / "router", routers["linear"], encoder, train.table, {}, score, nothing_seen, {}, points)
    digest = artefact.load(folder / "router").digest
    origin = {"data_digest": "d", "split_digest": "s", "routers": {"mine": [digest]}}
    write_report(evaluation, folder / "report", origin)
    (folder / "terminal.md").write_text(results_table(evaluation))
    card = read(folder / "router")
    (folder / "validated.md").write_text(repository_card(card, "owner/name", None, None))
    (folder / "tested.md").write_text(repository_card(card, "owner/name", folder / "report", None))

    board = evaluate({"knn": on_test["knn"], "linear": on_test["linear"]}, test.table, train.table, num_resamples=400)
    entries = dict.fromkeys(board.routers, Entry((0,), 1.0, 1.0, "", 1))
    write_leaderboard(Standings(board, entries, {}), folder / "board")
    (folder / "boards.md").write_text(merged_table([folder / "board", folder / "board"]))

    knn, linear = on_test["knn"][0], on_test["linear"][0]
    for name, labels in {"axis": {"1 %": 1.0, "all": 100.0}, "benchmarks": {"seen": None, "unseen": None}}.items():
        first, last = labels
        runs = {(router, label): p for router, p in (("a", knn), ("b", linear)) for label in labels}
        runs["a", first] = linear
        study = scoring.score(
            runs, parts, [Condition(*each) for each in labels.items()], last, np.random.default_rng(0), title="Study",
            axis="share", by_benchmark=name == "benchmarks",
        )  # fmt: skip
        write_study(study, folder / name)

    if kind != "no cost":
        stream = repriced(make_parts(300), kind)
        bandit = make_bandit("linucb", embedding_dim=DIM)
        served, _ = replay.Replay(bandit, 2, None).run("linucb", stream, np.random.default_rng(0))
        write_served(served, folder / "online")

    found = audit(replace(test.table, split=None), lambda part: np.ones((len(part), 2), np.float32), "e", 0)
    write_audit(found, folder / "audit.html")
    (folder / "audit.md").write_text(" ".join(audit_text(found).split()))

    run = Run()
    Tracker(run).evaluated(evaluation, folder / "report", [])
    tables = {name: [each.columns, *each.data] for name, each in run.logged.items() if hasattr(each, "columns")}
    (folder / "wandb.json").write_text(json.dumps({"summary": run.summary, "keys": list(run.logged), "tables": tables}))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write all reports to a folder per kind of table, with the text of each plot in ``picture-*.txt``."""
    found = {kind: tmp_path_factory.mktemp(kind.replace(" ", "_")) for kind in COSTS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "NUM_RESAMPLES", 40)
        patch.setattr(replay, "NUM_RESAMPLES", 40)
        save, drawn = matplotlib.figure.Figure.savefig, []

        def savefig(figure, *arguments, **options):
            drawn.append("\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible()))
            save(figure, *arguments, **options)

        patch.setattr(matplotlib.figure.Figure, "savefig", savefig)
        for kind, folder in found.items():
            drawn.clear()
            write_all(kind, folder)
            for number, text in enumerate(drawn):
                (folder / f"picture-{number}.txt").write_text(text)
    return found


def texts(folder):
    """Read all reports and the texts of the plots, by file, without the source of plotly.js."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".md", ".html", ".txt", ".csv", ".json") and path.name != "router.json":
            found[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8").replace(get_plotlyjs(), "")
    return found


def keys(found):
    """Reduce nested objects to their keys."""
    if isinstance(found, dict):
        return {key: keys(value) for key, value in found.items()}
    return None


def test_with_different_costs_every_page_has_an_aiq(folders):
    without = {name for name, text in texts(folders["different costs"]).items() if not re.search("AIQ|aiq", text)}
    assert without <= {"boards.md"} | {name for name in without if name.startswith("picture")}


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_speaks_of_what_there_is_not(folders, kind):
    # A sentence may state that there is no AIQ.
    pages = {name: re.sub(r"[^.\n>]*\bno AIQ\b", "", text) for name, text in texts(folders[kind]).items()}
    assert {name: found for name, text in pages.items() if (found := WORDS.findall(text))} == {}
    assert {name for name, text in pages.items() if EMPTY_CELL.search(text)} == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_names_the_measure_and_says_why(folders, kind):
    pages = {name: text for name, text in texts(folders[kind]).items() if name.endswith((".md", ".html"))}
    audits = {"audit.md", "audit.html"}
    assert {name for name, text in pages.items() if not re.search("peak[ _]quality", text, re.I)} == audits
    assert {name for name, text in pages.items() if not REASON.search(text)} <= {"terminal.md", "boards.md"}
    reason = "no costs?" if kind == "no cost" else "cost the same"
    assert re.search(reason, pages["report/table.md"])
    assert re.search(reason, texts(folders[kind])["picture-0.txt"])


@pytest.mark.parametrize("kind", KINDS)
def test_no_picture_has_an_axis_of_cost(folders, kind):
    pictures = {name: text for name, text in texts(folders[kind]).items() if name.startswith("picture")}
    assert {name for name, text in pictures.items() if re.search(r"USD per 1,000|\bcost in\b", text)} == set()
    page = texts(folders[kind])["report/report.html"]
    assert 'id="frontier"' not in page
    assert 'id="shares"' not in page


@pytest.mark.parametrize("kind", KINDS)
def test_files_for_programs_keep_their_form(folders, kind):
    ours, normal = (
        json.loads((folders[each] / "report" / "metrics.json").read_text()) for each in (kind, "different costs")
    )
    for found in (ours, normal):
        for scored in found["routers"].values():
            scored["deployed"] = {}
    assert keys(ours) == keys(normal)
    for scored in (ours["routers"] | ours["references"]).values():
        for figure in ("aiq", "area", "qnc", "gain", "aiq_original_code"):
            assert scored.get(figure, {"value": None})["value"] is None
        assert {part[figure]["value"] for part in scored["per_benchmark"].values() for figure in ("aiq", "qnc")} == {
            None
        }
    assert (ours["models"]["model-0"]["cost"] is None) == (kind == "no cost")
    headers = [
        (folders[each] / "board" / "leaderboard.csv").read_text().split("\n")[0] for each in (kind, "different costs")
    ]
    assert headers[0] == headers[1]


def test_all_three_tables_are_scored_alike(folders):
    """The tables differ only in the reason and in the costs of the models."""
    scored = [json.loads((folders[kind] / "report" / "metrics.json").read_text()) for kind in KINDS]
    for name in ("mine", "knn", "benchmark_oracle", "zero_router"):
        peaks = {json.dumps((one["routers"] | one["references"])[name].get("peak_quality")) for one in scored}
        assert len(peaks) == 1
    tables = {(folders[kind] / "terminal.md").read_text() for kind in KINDS}
    assert len(tables) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_tracking_tells_quality_alone(folders, kind):
    told = json.loads((folders[kind] / "wandb.json").read_text())
    assert {name.split("/")[1] for name in told["summary"] if name.startswith("test/")} == {"peak_quality"}
    assert told["tables"]["test/results"][0] == ["router", "peak quality", "sees"]
    assert list(told["tables"]) == ["test/results"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_on_the_hub_has_no_figure_that_does_not_exist(folders, kind):
    names = [line.split(": ")[1] for line in (folders[kind] / "tested.md").read_text().split("\n") if "name: " in line]
    assert "peak quality" in names
    assert "frontier.png" not in (folders[kind] / "validated.md").read_text()


def test_rows_of_a_leaderboard(folders):
    for kind in KINDS:
        with (folders[kind] / "board" / "leaderboard.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert Counter(row["aiq"] for row in rows) == {"": len(rows)}
        assert all(float(row["peak_quality"]) for row in rows)
    assert Path(folders["no cost"] / "boards.md").read_text().endswith("do not differ: test table, test table.")
