"""The page is one file, makes no network requests and escapes all names; its pictures show the results."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from routerbench.evaluation.results import Difference, Figure, Interval
from routerbench.report.formatting import share, with_interval
from routerbench.report.html import write_html
from routerbench.report.interactive.frontier import frontier
from routerbench.report.interactive.reliability import reliability_diagram
from routerbench.report.interactive.shares import call_shares
from routerbench.report.interactive.style import below
from routerbench.report.panels import benchmark_panels
from tests.report.records import ODD_NAMES, bare, rich


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
    text = page(rich(evaluation), tmp_path)
    assert "http" not in text
    assert text.count("showSendToCloud: false") == 1
    assert text.count("Plotly.newPlot(") == 1
    tags = Tags(text).found
    assert not [tag for tag, _ in tags if tag in ("link", "img", "iframe", "a", "base")]
    assert not [attrs for _, attrs in tags if {"src", "href", "srcset"} & set(attrs)]


def test_the_verdict_comes_first_and_the_rest_in_order(evaluation, tmp_path):
    text = page(rich(evaluation), tmp_path)
    marks = [
        'class="verdict"', "mlp (mean of 2 seeds)", 'id="frontier"', ">Deployed<", ">Results<", ">Differences<",
        'class="panel"', 'id="shares"', 'id="reliability"', ">Other figures<", ">Single models<", ">Definitions<",
    ]  # fmt: skip
    body = text[text.index("<body>") :]
    places = [body.index(mark) for mark in marks]
    assert places == sorted(places)


def test_what_is_not_there_has_no_section(evaluation, tmp_path):
    text = page(bare(evaluation), tmp_path)
    for mark in (">Deployed<", 'id="reliability"', "95 % intervals", "Shaded in its colour", "Diamond"):
        assert mark in page(rich(evaluation), tmp_path)
        assert mark not in text


@pytest.mark.parametrize("has_cost", [True, False])
def test_names_are_text(evaluation, tmp_path, has_cost):
    bad = ODD_NAMES[0]
    odd = rich(replace(evaluation, models=(*ODD_NAMES, "<img src=x onerror=alert(1)>"), source=bad), ODD_NAMES)
    counts = {"<b>even": 5}
    odd = replace(odd, best_single=bad, benchmark_counts=counts)
    text = page(odd if has_cost else replace(odd, cost_interval=None), tmp_path)
    tags = [tag for tag, _ in Tags(text).found]
    assert "alert(1)" in text
    assert not {"img", "b"} & set(tags)
    assert not re.search(r"<script>\s*alert", text)
    assert "</script><script>alert" not in text


def test_quality_only(without_cost, tmp_path):
    text = page(without_cost, tmp_path)
    assert "This table has no cost: quality only" in text
    assert 'id="frontier"' not in text
    assert "Peak quality on the prompts of each benchmark" in text
    peak = without_cost.routers["mlp"].per_benchmark["even"]["peak_quality"].value
    assert f"<td>{share(peak)}</td></tr>" in text


def test_intervals_stand_apart_from_their_figures(evaluation, tmp_path):
    text = page(rich(evaluation), tmp_path)
    figure, interval = with_interval(Figure(0.75, 0.73, 0.78), share).split(" ", 1)
    assert f'<td class="r">{figure} <small>{interval}</small></td>' in text


def test_a_p_value_stands_below_its_interval(evaluation, tmp_path):
    scored = rich(evaluation).routers["mlp"]
    sure = {"zero_router": Difference(0.03, Interval(0.01, 0.05, 0.01), None)}
    text = page(replace(evaluation, routers={"mlp": replace(scored, differences=sure)}), tmp_path)
    assert re.search(r'<td class="r">\+\.030 <small>\([^)]*\)<br>p = \.010</small></td>', text)


def test_no_router(evaluation, tmp_path):
    text = page(replace(evaluation, routers={}), tmp_path)
    assert 'id="frontier"' in text
    assert 'id="shares"' not in text
    assert 'id="reliability"' not in text


@pytest.mark.parametrize("num_benchmarks", [24, 25, 86])
def test_only_the_largest_benchmarks_are_open(evaluation, num_benchmarks):
    counts = {f"benchmark {number}": 10 + number for number in range(num_benchmarks)}
    part = evaluation.routers["mlp"].per_benchmark["even"]
    routers = {"mlp": replace(evaluation.routers["mlp"], per_benchmark=dict.fromkeys(counts, part))}
    text = benchmark_panels(replace(evaluation, routers=routers, benchmark_counts=counts))
    shown, _, rest = text.partition("<details")
    order = re.findall(r'<h3 title="(.*?)">', text)
    assert order == sorted(counts, key=lambda name: -counts[name])
    assert shown.count("<h3") == 24
    assert rest.count("<h3") == num_benchmarks - 24
    assert (f"{num_benchmarks - 24} smaller benchmark" in rest) == (num_benchmarks > 24)


def test_panel(evaluation):
    figures = {"mlp": Figure(0.7, 0.65, 0.8), "zero_router": Figure(0.675, 0.62, 0.72), "benchmark_oracle": Figure(0.9)}

    everyone = {**evaluation.routers, **evaluation.references}
    known = {name: replace(everyone[name], per_benchmark={"x": {"aiq": figure}}) for name, figure in figures.items()}
    drawn = replace(evaluation, benchmark_counts={"x": 1, "y": 1}, routers={"mlp": known["mlp"]}, references=known)
    first, second = re.findall(r"<section.*?</section>", benchmark_panels(drawn))
    assert "x</span> <small>1 prompt</small>" in first
    assert "<span>0.62</span><span>0.90</span>" in first  # the scale ends where the data do
    assert f'<circle cx="{(0.7 - 0.62) / 0.28:.1%}"' in first
    assert f'<line x1="{(0.65 - 0.62) / 0.28:.1%}" x2="{(0.8 - 0.62) / 0.28:.1%}" y1="50%"' in first
    assert first.count(f'<line x1="{(0.675 - 0.62) / 0.28:.1%}" x2="{(0.675 - 0.62) / 0.28:.1%}" y1="0"') == 3
    assert [float(x) for x in re.findall(r"<td>(\.\d+)</td></tr>", first)] == [0.7, 0.675, 0.9]
    assert "no AIQ" in second


def traces_of(figure, name):
    return [trace for trace in figure.data if trace.legendgroup == name]


def test_the_frontier_shows_all_of_a_router_and_one_name(evaluation):
    drawn = rich(evaluation, ["mlp"])
    scored = drawn.routers["mlp"]
    band, hull, *curves, budget, keep = traces_of(frontier(drawn), "mlp")
    assert [trace.showlegend for trace in (band, *curves, budget, keep)] == [False] * 5
    assert hull.name == ".750  mlp"
    assert np.allclose(hull.y, scored.hull.at(np.asarray(hull.x) / 1000))
    assert np.allclose(band.x, 1000 * np.append(scored.band.cost, scored.band.cost[::-1]))
    assert np.allclose(band.y, np.append(scored.band.low, scored.band.high[::-1]))
    assert len(curves) == 2
    assert (budget.x[0], budget.y[0]) == (1.5, 0.7)
    assert budget.error_x.array[0] == pytest.approx(0.3)
    assert budget.error_x.arrayminus[0] == pytest.approx(0.15)
    assert (budget.error_y.array[0], budget.error_y.arrayminus[0]) == (pytest.approx(0.01), pytest.approx(0.02))
    assert budget.marker.symbol != keep.marker.symbol
    assert "lambda 0.02, infinity, chosen on validation" in keep.hovertemplate


def test_the_best_router_lies_on_top_and_comes_first_in_the_legend(evaluation):
    hulls = [trace for trace in frontier(rich(evaluation)).data if trace.showlegend is None and trace.legendrank < 1000]
    assert [trace.name for trace in hulls] == [".740  knn", ".750  mlp"]
    assert [trace.legendrank for trace in hulls] == [1, 0]


def test_curves_are_thinned_and_keep_their_ends(evaluation):
    base = evaluation.routers["mlp"]
    lambdas = np.append(0.0, np.geomspace(1e-4, 1, 4999))
    rise = np.linspace(0.1, 0.9, 5000)
    long = replace(base.sweeps[0], lambdas=lambdas, cost=rise / 100, quality=rise)
    drawn = frontier(replace(evaluation, routers={"r": replace(base, sweeps=(long, long), deployed={}, band=None)}))
    curves = [trace for trace in traces_of(drawn, "r") if trace.customdata is not None]
    assert [len(curve.x) for curve in curves] == [1000, 1000]
    assert (curves[0].x[0], curves[0].y[-1]) == (pytest.approx(1.0), 0.9)
    assert curves[0].customdata[-1].endswith(" to infinity")
    assert "seed 2 of 2" in curves[1].hovertemplate


def test_call_shares_are_the_mean_of_the_seeds(evaluation):
    drawn = rich(evaluation, ["mlp"])
    figure = call_shares(drawn)
    grid = np.asarray(figure.data[0].x)
    for number, trace in enumerate(figure.data):
        seeds = [sweep.call_share(grid)[:, number] for sweep in drawn.routers["mlp"].sweeps]
        assert np.allclose(trace.y, (seeds[0] + seeds[1]) / 2)
    assert np.allclose(np.sum([trace.y for trace in figure.data], axis=0), 1)


def test_call_shares_of_many_models(make):
    evaluation = make(tuple(f"m{number}" for number in range(15)), {"mlp": 0.1, "knn": 0.5}, num_prompts=80)
    figure = call_shares(evaluation)
    first = [trace for trace in figure.data if trace.stackgroup == "router 0"]
    assert [trace.name for trace in first][-1] == "4 other models"
    assert np.allclose(np.sum([trace.y for trace in first], axis=0), 1)
    assert [button.args[0]["visible"].count(True) for button in figure.layout.updatemenus[0].buttons] == [12, 12]


def test_reliability_diagram(evaluation):
    diagonal, *routers = reliability_diagram(rich(evaluation)).data
    assert diagonal.x == diagonal.y == (0, 1)
    assert [trace.name for trace in routers] == [".031  knn", ".031  mlp"]
    assert list(routers[0].x) == [0.1, 0.5, 0.9]
    assert list(routers[0].y) == [0.2, 0.5, 0.7]
    areas = np.asarray(routers[0].marker.size)
    assert areas.tolist() == [40, 500, 60]
    assert np.sqrt(2 * areas.max() / routers[0].marker.sizeref) == pytest.approx(22)  # plotly's documented scaling


def test_the_legend_below_grows_the_picture(evaluation):
    few, many = (below(frontier(rich(evaluation, [f"r{n}" for n in range(number)]))) for number in (2, 10))
    assert few["legend"]["orientation"] == "h"
    assert few["legend"]["y"] < 0
    assert many["height"] - few["height"] == many["margin"]["b"] - few["margin"]["b"] > 8 * 15
