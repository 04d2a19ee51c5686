"""What a leaderboard's files say: numbers that agree with the evaluation, and claims that survive the correction."""

import csv
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from routerbench.__main__ import main
from routerbench.errors import InputError
from routerbench.evaluation.results import Difference, Interval
from routerbench.experiments.leaderboard_picture import COLOURS, write_picture
from routerbench.experiments.leaderboard_report import findings, leaderboard_table, merged_table, write_leaderboard
from routerbench.experiments.standings import Entry, Standings
from routerbench.report.formatting import share
from tests.report.conftest import build
from tests.report.records import bare

# Differences to linear and their p-values; "a" and "b" are significant alone, and after the correction only "a".
FOUND = {"a": (0.05, 0.01), "b": (0.03, 0.03), "c": (-0.04, 0.012), "d": (-0.01, 0.4)}


@pytest.fixture(scope="module")
def make():
    return build


@pytest.fixture(scope="module")
def standings(make):
    noise = {name: 0.1 * number for number, name in enumerate([*FOUND, "linear"])}
    evaluation = make(noise=noise, source="/somewhere/my|logs.parquet")
    routers = dict(evaluation.routers)
    for name, (value, p) in FOUND.items():
        interval = Interval(value - 0.02, value + 0.02, p)
        differences = routers[name].differences | {"linear": Difference(value, interval, None)}
        routers[name] = replace(routers[name], differences=differences)
    entries = {name: Entry((0, 1, 2), 12.34, 5678.9, "", 1) for name in routers}
    entries["c"] = Entry((0,), 0.5, 0.123, "router.k=[5]", 4)
    return Standings(replace(evaluation, routers=routers), entries, {"smoothie": "needs <responses>"})


def rows(markdown):
    """A Markdown table as cells by the first of each row."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown.splitlines()]
    return {line[0]: line[1:] for line in lines if line[0]}


def read(path):
    with path.open(newline="") as stream:
        return {row["router"]: row for row in csv.DictReader(stream)}


def test_claims_are_corrected_for_the_number_of_comparisons(standings):
    lines = findings(standings).split("\n")
    (against,) = (line for line in lines if line.startswith("Against linear"))
    assert against == (
        "Against linear (Holm-corrected for 4 comparisons, level 0.05): better: a (+.050); "
        "not distinguishable: b (+.030), d (-.010); worse: c (-.040)."
    )
    best = max(standings.evaluation.routers, key=lambda name: standings.evaluation.routers[name].aiq.value)
    assert lines[0].startswith(f"{best} leads: AIQ {share(standings.evaluation.routers[best].aiq.value)} (")
    assert sum("5 comparisons" in line for line in lines) == 2  # of all routers with the two references


def test_the_table_has_all_routers_best_first_then_the_references(standings):
    table = rows(leaderboard_table(standings))
    names = list(table)[2:]
    routers = standings.evaluation.routers
    assert names[:5] == sorted(routers, key=lambda name: -routers[name].aiq.value)
    assert set(names[5:]) == set(standings.evaluation.references)
    header = table["router"]
    cells = dict(zip(header, table["a"], strict=True))
    assert cells["to linear"] == "+.050 (+.030, +.070) p = .010"
    assert cells["AIQ"].startswith(share(routers["a"].aiq.value))
    assert cells["to zero_router"].split(" ")[0].lstrip("+") == share(routers["a"].differences["zero_router"].value)
    assert (cells["train, s"], cells["predict, µs/prompt"], cells["seeds"]) == ("12.3", "5,679", "3")
    assert cells["sees"] == "prompt only"
    assert dict(zip(header, table["linear"], strict=True))["to linear"] == ""
    assert dict(zip(header, table["oracle"], strict=True))["train, s"] == ""


def test_the_files_hold_all_numbers_and_reasons(standings, tmp_path):
    write_leaderboard(standings, tmp_path)
    assert {"leaderboard.md", "leaderboard.csv", "leaderboard.png", "report.html", "metrics.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
    text = (tmp_path / "leaderboard.md").read_text()
    assert text.startswith("# Leaderboard: routers on my\\|logs\n")
    assert "- smoothie is left out: needs \\<responses>" in text
    assert "c 4 (router.k=\\[5\\])" in text
    table = read(tmp_path / "leaderboard.csv")
    for name, scored in standings.evaluation.routers.items():
        assert float(table[name]["aiq"]) == scored.aiq.value
        assert float(table[name]["to_benchmark_oracle"]) == scored.differences["benchmark_oracle"].value
        assert (table[name]["kind"], table[name]["table"]) == ("router", "my|logs")
    b = [float(table["b"][f"to_linear_{part}"]) for part in ("low", "high", "p", "p_holm")]
    assert b == pytest.approx([0.01, 0.05, 0.03, 0.06])
    assert (table["c"]["fit_seconds"], table["c"]["configurations"], table["a"]["seeds"]) == ("0.5", "4", "0 1 2")
    assert table["oracle"]["kind"] == "reference"
    assert table["oracle"]["fit_seconds"] == table["linear"]["to_linear"] == ""


def test_too_few_resamples_for_the_correction_are_pointed_out(standings, tmp_path):
    for number, is_told in ((199, True), (201, False)):  # 2 / (199 + 1) of 5 routers is just the level
        few = replace(standings, evaluation=replace(standings.evaluation, num_resamples=number))
        write_leaderboard(few, tmp_path)
        assert ("resamples must be above 200" in (tmp_path / "leaderboard.md").read_text()) == is_told


def test_the_picture_has_a_colour_for_what_may_be_said(standings, tmp_path):
    def pixels(found):
        write_picture(found, tmp_path / "leaderboard.png")
        picture = matplotlib.image.imread(tmp_path / "leaderboard.png")[..., :3]
        in_rows = picture[150:-170]  # without the legend
        return {
            relation: int((np.abs(in_rows - np.array(to_rgb(colour))).max(axis=2) < 0.02).sum())
            for relation, colour in COLOURS.items()
        }

    everyone = pixels(standings)
    assert min(everyone.values()) > 100
    some = {name: scored for name, scored in standings.evaluation.routers.items() if name in ("d", "linear")}
    few = pixels(replace(standings, evaluation=replace(standings.evaluation, routers=some)))
    assert few["better"] == few["worse"] == 0 < few["not distinguishable"]


def test_a_table_without_cost_is_ranked_by_quality(make, tmp_path):
    evaluation = make(
        noise={"mlp": 0.05, "linear": 0.6}, cost_of=lambda cost: np.full_like(cost, np.nan), source="free.csv"
    )
    entries = {name: Entry((0,), 1.0, 1.0, "", 1) for name in evaluation.routers}
    write_leaderboard(Standings(evaluation, entries, {}), tmp_path)
    quality = share(evaluation.routers["mlp"].peak_quality.value)
    assert f"mlp leads: peak quality {quality}" in (tmp_path / "leaderboard.md").read_text()
    assert read(tmp_path / "leaderboard.csv")["mlp"]["aiq"] == ""
    assert rows(merged_table([tmp_path]))["mlp"][0].startswith(quality)


def test_without_intervals_nothing_is_claimed(make, tmp_path):
    evaluation = bare(make(noise={"mlp": 0.05, "linear": 0.6}))
    routers = {
        name: replace(
            scored, differences={o: replace(d, prompts=None, benchmarks=None) for o, d in scored.differences.items()}
        )
        for name, scored in evaluation.routers.items()
    }
    entries = {name: Entry((0,), 1.0, 1.0, "", 1) for name in routers}
    found = Standings(replace(evaluation, routers=routers), entries, {})
    write_leaderboard(found, tmp_path)
    assert "Against" not in findings(found)
    assert "small differences may be noise" in findings(found)


def test_several_tables_become_one(standings, make, tmp_path, capsys):
    write_leaderboard(standings, tmp_path / "one")
    other = make(noise={"linear": 0.6, "a": 0.9}, source="other.csv")
    entries = {name: Entry((0,), 1.0, 1.0, "", 1) for name in other.routers}
    write_leaderboard(Standings(other, entries, {}), tmp_path / "two")
    main(["leaderboard", str(tmp_path / "one"), str(tmp_path / "two" / "leaderboard.csv")])
    printed = capsys.readouterr().out
    assert printed == merged_table([tmp_path / "one", tmp_path / "two"]) + "\n"
    table = rows(printed)
    assert table["router"] == [r"my\|logs", "other"]
    aiq = {name: share(scored.aiq.value) for name, scored in standings.evaluation.routers.items()}
    assert [table[name][0] for name in "abcd"] == [f"{aiq['a']} ↑", aiq["b"], f"{aiq['c']} ↓", aiq["d"]]
    assert table["b"][1] == "-"
    assert table["oracle"][1] == share(other.references["oracle"].aiq.value)
    names = [name for name in table if name in aiq]
    assert set(names[:2]) == {"a", "linear"}  # what has run everywhere comes first


@pytest.mark.parametrize("text", [None, "", "router,aiq\nmlp,1\n", b"\xff\xfe"])
def test_what_is_no_leaderboard_is_refused(text, tmp_path):
    path = tmp_path / "leaderboard.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=r"leaderboard\.csv"):
        merged_table([path])
