"""Cells are the figures, columns line up, and no name breaks a table."""

import re
from dataclasses import replace

import numpy as np

from routerbench.evaluation.results import Figure
from routerbench.report.formatting import difference, p_value, per_thousand, percent, share, with_interval
from routerbench.report.tables import (
    benchmark_rows,
    deployed_rows,
    difference_rows,
    markdown,
    model_rows,
    results_table,
    write_table,
)


def cells(text):
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


def test_cells_are_the_figures(evaluation):
    header, _, *rows = cells(results_table(evaluation))
    assert header == ["router", "AIQ", "as routed", "peak quality", "QNC", "gain", "sees"]
    found = {row[0]: row for row in rows}
    for name, scored in {**evaluation.routers, **evaluation.references}.items():
        reached = "never" if scored.qnc.value is None else with_interval(scored.qnc, percent)
        assert found[name] == [
            name, with_interval(scored.aiq, share), with_interval(scored.area, share),
            with_interval(scored.peak_quality, share), reached, with_interval(scored.gain, difference),
            scored.information,
        ]  # fmt: skip


def test_differences_have_a_row_for_each_router_and_unit(evaluation):
    table = difference_rows(evaluation)
    assert table.header == ("router", "resampled", "zero_router", "best_single", "benchmark_oracle", "knn")
    over_prompts, over_benchmarks = table.groups
    assert [row[:2] for row in over_prompts] == [("mlp", "prompts"), ("knn", "prompts")]
    assert [row[:2] for row in over_benchmarks] == [("mlp", "benchmarks"), ("knn", "benchmarks")]
    found = evaluation.routers["mlp"].differences["knn"]
    low, high, p = found.prompts
    assert over_prompts[0][-1] == f"{difference(found.value)} ({difference(low)}, {difference(high)}) {p_value(p)}"
    assert over_prompts[1][-1] == ""  # knn is not compared with itself


def test_no_deployed_points_no_table(evaluation):
    assert deployed_rows(evaluation) is None


def test_routers_by_aiq_then_an_empty_row_then_the_references(evaluation):
    names = [row[0] for row in cells(results_table(evaluation))[2:]]
    aiq = [evaluation.routers[name].aiq.value for name in names[:2]]
    assert aiq == sorted(aiq, reverse=True)
    assert names[2] == ""
    assert set(names[3:]) == set(evaluation.references)


def test_all_lines_are_equally_wide(evaluation):
    assert len({len(line) for line in results_table(evaluation).split("\n")}) == 1


def test_benchmarks_by_count(evaluation):
    header, _, *rows = cells(markdown(benchmark_rows(evaluation)))
    assert header[-3:] == ["zero_router", "benchmark_oracle", "oracle"]
    assert [row[0] for row in rows] == [r"odd\|x", "even"]
    assert rows[0][1] == str(evaluation.benchmark_counts["odd|x"])
    assert rows[1][header.index("mlp")] == with_interval(evaluation.routers["mlp"].per_benchmark["even"]["aiq"], share)


def test_models_by_quality(evaluation):
    rows = model_rows(evaluation).groups[0]
    assert [float(row[1]) for row in rows] == sorted((float(row[1]) for row in rows), reverse=True)
    huge = evaluation.models.index("huge")
    assert ("huge", share(evaluation.model_quality[huge]), per_thousand(evaluation.model_cost[huge])) in rows


def test_intervals_are_shown(evaluation):
    router = replace(evaluation.routers["mlp"], gain=Figure(0.03, -0.01, 0.07), qnc=Figure(0.4, 0.3, np.inf))
    table = results_table(replace(evaluation, routers={"mlp": router}))
    assert "+.030 (-.010, +.070)" in table
    assert "40 % (30 %, never)" in table


def test_the_file(evaluation, tmp_path):
    write_table(replace(evaluation, source="/home/someone/tables/outcomes.parquet"), tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert text.startswith("# Routers on outcomes.parquet\n\n- mlp could match ")
    assert "149 prompts scored, 1 left out" in text
    assert "USD per 1,000 prompts" in text
    assert "- QNC: " in text
    assert "/home" not in text


def test_quality_only(without_cost, tmp_path):
    write_table(without_cost, tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert "This table has no cost: quality only" in text
    assert "AIQ" not in text
    assert "USD" not in text
    assert cells(results_table(without_cost))[0] == ["router", "peak quality", "sees"]


def test_a_free_best_model_has_no_qnc_and_is_not_called_unreached(make):
    free = make(cost_of=lambda cost: cost * np.array([1.0, 1.0, 1.0, 0.0]))
    assert {row[4] for row in cells(results_table(free))[2:] if row[0] == "oracle"} == {"-"}


def test_odd_names(make, tmp_path):
    odd = ("a|b", "模型/ö", "x" * 300, "<script>\nalert(1)</script>", "$x_1$ *bold* `code`")
    evaluation = make(odd, {"r|1": 0.1, "vendor/r": 0.2}, source="a|table")
    write_table(evaluation, tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    table = text[text.index("## Single models") : text.index("## Definitions")]
    assert all(len(row) == 3 for row in cells(table))
    assert {row[0] for row in cells(table)[2:]} == {
        r"a\|b", "模型/ö", "x" * 300, r"\<script> alert(1)\</script>", r"$x_1$ \*bold\* \`code\`"
    }  # fmt: skip
    assert r"| r\|1 " in text
    assert re.search(r"(?<!\\)<script", text) is None


def test_numbers_in_words():
    assert [share(value) for value in (0.0, 0.9996, -0.25, None, np.nan)] == [".000", "1.000", "-.250", "-", "-"]
    assert [per_thousand(cost) for cost in (0.0183, 1.23e-9, 0, None)] == ["18.3", "0.00000123", "0", "-"]
    assert [percent(value) for value in (0.0994, 0.0996, 1.2)] == ["9.9 %", "10 %", "120 %"]
