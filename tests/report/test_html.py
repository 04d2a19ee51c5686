"""The page is one file, asks the net for nothing, and no name becomes markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from routerbench.report.html import write_html
from routerbench.report.interactive import benchmark_map, call_shares, frontier


def page(evaluation, tmp_path):
    """The page without the library that it embeds."""
    write_html(evaluation, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    library = get_plotlyjs()
    assert text.count(library) == 1
    return text.replace(library, "")


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_nothing_comes_from_the_net(evaluation, tmp_path):
    text = page(evaluation, tmp_path)
    assert "http" not in text
    assert text.count('"showSendToCloud": false') == 3
    tags = Tags(text).found
    assert not [tag for tag, _ in tags if tag in ("link", "img", "iframe", "a", "base")]
    assert not [attrs for _, attrs in tags if {"src", "href", "srcset"} & set(attrs)]


def test_the_verdict_comes_first_and_pictures_follow(evaluation, tmp_path):
    text = page(evaluation, tmp_path)
    places = [text.index(mark) for mark in ("mlp: AIQ .", 'id="frontier"', 'id="shares"', "<table>", 'id="benchmarks"')]
    assert places == sorted(places)


@pytest.mark.parametrize("has_cost", [True, False])
def test_names_are_text(make, tmp_path, has_cost):
    bad = "</script><script>alert(1)</script>"
    evaluation = make(("a", bad, "<img src=x onerror=alert(1)>", "d%{x}"), {bad: 0.1, "%{y}": 0.2}, source=bad)
    if not has_cost:
        evaluation = replace(evaluation, cost_interval=None)
    text = page(replace(evaluation, benchmark_counts={"<b>even": 5}), tmp_path)
    tags = [tag for tag, _ in Tags(text).found]
    assert "alert(1)" in text
    assert not {"img", "b"} & set(tags)
    assert not re.search(r"<script>\s*alert", text)
    assert "</script><script>" not in text


def test_quality_only(without_cost, tmp_path):
    text = page(without_cost, tmp_path)
    assert "This table has no cost: quality only" in text
    assert "Plotly.newPlot" not in text


def test_the_curve_is_thinned_and_keeps_its_ends(make):
    evaluation = make(num_prompts=4000, noise={"mlp": 0.1})
    sweep = evaluation.routers["mlp"].sweep
    assert len(sweep.lambdas) > 2000
    curve = next(trace for trace in frontier(evaluation).data if trace.showlegend is False)
    assert len(curve.x) == 2000
    assert (curve.x[0], curve.y[-1]) == (sweep.cost[0] * 1000, sweep.quality[-1])
    assert curve.customdata[-1].endswith(" to infinity")


def test_call_shares_sum_to_one(make):
    evaluation = make(tuple(f"m{number}" for number in range(15)), {"mlp": 0.1, "knn": 0.5})
    figure = call_shares(evaluation)
    first = [trace for trace in figure.data if trace.stackgroup == "router 0"]
    assert [trace.name for trace in first][-1] == "4 other models"
    assert np.allclose(np.sum([trace.y for trace in first], axis=0), 1)
    assert [button.args[0]["visible"].count(True) for button in figure.layout.updatemenus[0].buttons] == [12, 12]


def test_benchmark_map(evaluation):
    heat = benchmark_map(evaluation).data[0]
    mlp, zero = evaluation.routers["mlp"].per_benchmark, evaluation.references["zero_router"].per_benchmark
    assert heat.z[0][0] == pytest.approx(mlp["even"]["aiq"].value - zero["even"]["aiq"].value)


@pytest.mark.parametrize("factor", [[0.0, 1, 1, 1], [0.0, 0, 0, 0]])
def test_free_models(make, tmp_path, factor):
    assert 'id="frontier"' in page(make(cost_of=lambda cost: cost * np.array(factor)), tmp_path)


def test_no_router(make, tmp_path):
    assert 'id="shares"' not in page(make(noise={}), tmp_path)
