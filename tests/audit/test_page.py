"""The page lists the findings at the right level, and escapes all names."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from routerbench.audit.audit import audit
from routerbench.audit.findings import findings, summary
from routerbench.audit.headroom import Headroom, Luck
from routerbench.audit.leakage import Leakage
from routerbench.audit.page import audit_text, benchmark_rows, model_rows, write_audit
from tests.conftest import make_table


def build(num_prompts=400, models=("small", "vendor/large", "extra"), **columns):
    """Three models of which the last one is the second, dearer and a little worse."""
    rng = np.random.default_rng(0)
    quality = (rng.random((num_prompts, 3)) < [0.5, 0.8, 0]).astype(float)
    quality[:, 2] = np.where(rng.random(num_prompts) < 0.02, 0, quality[:, 1])
    cost = rng.lognormal(0, 0.2, (num_prompts, 3)) * [1e-4, 1e-3, 9e-3]
    names = np.array(["x", "y"] * num_prompts, object)[:num_prompts]
    return make_table(quality, cost, **({"models": models, "benchmark": names} | columns))


def run(table):
    signs = {"x": [1.0, 0], "y": [0, 1]}
    return audit(table, lambda part: np.array([signs.get(name, [0, 0]) for name in part.benchmark], np.float32), "e", 0)


@pytest.fixture(scope="module")
def found():
    return run(build())


def titles(audit, level, remarks=()):
    return [finding.title for finding in findings(audit, remarks) if finding.level == level]


def text_of(audit, start):
    (finding,) = [finding for finding in findings(audit) if finding.title.startswith(start)]
    return f"{finding.text} {finding.advice}"


def test_urgent_findings_come_first(found):
    audit = replace(found, resolution=0.01, costs=replace(found.costs, num_zero=3))
    levels = [finding.level for finding in findings(audit)]
    assert levels == sorted(levels, key=["act", "mind", "fine"].index)
    assert set(levels) == {"act", "mind", "fine"}
    assert titles(audit, "act") == ["3 costs of 0"]


def test_headroom_in_words(found):
    quality = Headroom(blind=0.8, benchmark_oracle=0.85, oracle=1.0)
    text = text_of(replace(found, quality=quality, aiq=None), "At most +.200")
    assert "(vendor/large) reaches a quality of .800" in text
    assert "25 % of the way lies between benchmarks, 75 % within" in text
    assert "AIQ" not in text
    loses = replace(found, quality=Headroom(0.8, 0.78, 1.0), aiq=Headroom(0.7, 0.75, 0.8))
    assert "knowing the benchmark loses 10 % of the way" in text_of(loses, "At most")
    assert "zero_router .700, benchmark_oracle .750, oracle .800: 50 % of the way" in text_of(loses, "At most")


@pytest.mark.parametrize(("gap", "level"), [(0.03, "act"), (0.05, "mind")])
def test_a_headroom_below_the_noise_asks_for_more_prompts(found, gap, level):
    headroom = Headroom(0.8, 0.8, 0.8 + gap)
    audit = replace(found, quality=headroom, aiq=headroom, resolution=0.02)
    assert any(title.startswith("At most") for title in titles(audit, level))


def test_luck_in_words(found):
    title = "The oracle is flattered by chance"
    even = replace(found, no_routing=Luck(500, 0.95, 0.96))
    assert "still read .960; here it reads .950 on the same 500 prompts" in text_of(even, title)
    assert "no evidence that anything can be routed" in text_of(even, title)
    assert "complement each other" in text_of(replace(found, no_routing=Luck(500, 0.95, 0.90)), title)
    none = replace(found, no_routing=None)
    assert "cannot be estimated" in text_of(none, title)
    for pairs, is_told in ((19, False), (20, True)):
        repeats = replace(none, copies=replace(found.copies, repeats=Luck(pairs, 0.9, 0.7)))
        assert (".900 there and .700 on the other copy" in text_of(repeats, title)) is is_told


def test_resolution_in_words(found):
    text = text_of(replace(found, resolution=0.0123), "Differences below .012")
    assert "known to ±.012" in text
    assert "one of .025 is almost always found" in text
    assert "2 of 2 benchmarks have fewer than 100 test prompts: x, y" in text
    assert titles(replace(found, resolution=0.0), "act") == ["All models have the same outcomes on test"]


def test_gaps_in_words():
    table = build()
    quality = table.quality.copy()
    quality[:4, 0] = np.nan
    audit = run(replace(table, quality=quality))
    assert "small (quality 4, cost 0)" in text_of(audit, "4 prompts (1.0 %) cannot be scored")
    quality[:40, 0] = np.nan
    assert "40 prompts (10 %) cannot be scored" in titles(run(replace(table, quality=quality)), "act")


def test_copies_in_words():
    prompts = np.array([f"p{number % 390}" for number in range(400)], object)
    audit = run(build(prompts=prompts, split=np.array(["train"] * 200 + ["test"] * 200, object)))
    text = text_of(audit, "The published split leaks: 10 test prompts and 0 of val")
    assert "10 prompts (2.5 %) repeat another" in text
    assert "not used (10 prompts)" in text
    assert "10 prompts repeated, none across splits" in titles(run(build(prompts=prompts)), "mind")


def test_leakage_in_words(found):
    assert found.leakage == Leakage(400, 2, 1.0, 0.5, 1.0)
    assert "(e) of an unseen prompt" in text_of(
        found, "The embedding gives the benchmark away (balanced accuracy 1.000)"
    )
    weak = replace(found, leakage=Leakage(400, 4, 0.5, 0.4, 0.6))
    assert "The embedding does not give the benchmark away" in titles(weak, "fine")


def test_models_in_words(found):
    assert "extra (by vendor/large)" in text_of(found, "1 of 3 models are dominated")
    assert "extra (0.0 %)" in text_of(found, "1 of 3 models are hardly ever needed")
    share = f"{100 * found.models.differing[2]:.1f} %"
    assert f"vendor/large and extra ({share})" in text_of(found, "1 pair of models with nearly the same outcomes")


def test_costs_in_words():
    table = build()
    cost = table.cost.copy()
    cost[3, 1] = 5.0
    text = text_of(run(replace(table, cost=cost)), "1 cost far out of line")
    assert re.search(r"prompt p3, vendor/large, 5,000 USD per 1,000 prompts where (0\.9|1\.0)\d* is usual", text)
    uneven = run(replace(table, cost=cost))
    assert f"1 % of the prompts cost {100 * uneven.costs.top_share:.0f} % of all money" in titles(uneven, "mind")
    same = replace(table, cost=np.ones_like(cost))
    assert "All models cost the same" in titles(run(same), "act")


def test_labels_in_words():
    table = build()
    quality = table.quality.copy()
    quality[::2] /= 2
    audit = run(replace(table, quality=quality))
    assert "halves: x; 0/1: y" in text_of(audit, "2 scales of labels")
    quality[::2] = 0
    assert "data.benchmarks=[...]" in text_of(run(replace(table, quality=quality)), "2 scales of labels")


def test_ties_in_words(found):
    assert f"{found.ties.mean_best:.1f} in the mean" in text_of(
        found, f"Best models are tied on {100 * found.ties.tied:.0f} %"
    )
    few = replace(found, ties=replace(found.ties, tied=0.3))
    assert "Best models are tied on 30 % of the prompts" in titles(few, "fine")


def test_the_reader_is_quoted(found):
    assert "Noticed while reading the file" not in titles(found, "mind")
    quoted = [f.text for f in findings(found, ["columns not used: a", "b"]) if f.title.startswith("Noticed")]
    assert quoted == ["columns not used: a. b."]


def test_summary(found):
    assert summary(found).startswith("400 prompts, 3 models, 2 benchmarks; train 2")
    assert "the table has no split" in summary(found)
    assert "the table's own split" in summary(replace(found, size=replace(found.size, is_published=True)))


def test_the_text_has_every_finding_and_fits_a_terminal(found):
    text = audit_text(found)
    places = [text.index(finding.title) for finding in findings(found)]
    assert places == sorted(places)
    assert max(map(len, text.split("\n"))) <= 100
    assert text.startswith("Audit of test table\n")


def test_tables(found):
    models = model_rows(found)
    assert [row[0] for row in models.groups[0]] == ["vendor/large", "extra", "small"]
    assert models.groups[0][1][-1] == "vendor/large"
    assert [row[:2] for row in benchmark_rows(found).groups[0]] == [("x", "200"), ("y", "200")]
    free = run(replace(build(60), cost=np.full((60, 3), np.nan)))
    assert model_rows(free).header == ("model", "quality", "oracle calls", "alone best")


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def page(audit, tmp_path, remarks=()):
    write_audit(audit, tmp_path / "audit.html", remarks)
    return (tmp_path / "audit.html").read_text(encoding="utf-8")


def test_the_page_is_whole(found, tmp_path):
    text = page(found, tmp_path)
    tags = [tag for tag, _ in Tags(text).found]
    assert tags.count("section") == len(findings(found))
    assert (tags.count("svg"), tags.count("table")) == (2, 2)
    assert 'name="viewport"' in text
    assert "@media print" in text
    assert page(found, tmp_path) == text


def test_nothing_comes_from_the_net(found, tmp_path):
    tags = Tags(page(found, tmp_path)).found
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "base", "a"}
    targets = [value for _, attrs in tags for name, value in attrs.items() if name in ("src", "href", "xlink:href")]
    assert all(target.startswith("#") for target in targets)


def test_names_are_text(tmp_path):
    bad = "<script>alert(1)</script>"
    benchmark = np.array([bad, "<b>y"] * 30, object)
    table = build(60, models=("a", bad, "<img src=x>"), benchmark=benchmark, source=bad)
    text = page(run(table), tmp_path, [bad])
    assert "&lt;script&gt;alert(1)" in text
    assert not {tag for tag, _ in Tags(text).found} & {"script", "img", "b"}


def test_a_page_without_cost_and_without_test(found, tmp_path):
    audit = run(replace(build(60), cost=np.full((60, 3), np.nan)))
    assert "The table has no cost" in titles(audit, "act")
    assert "dominated by" not in page(audit, tmp_path)
    blind = replace(found, quality=None, aiq=None, resolution=None)
    assert titles(blind, "act") == ["No prompt of test can be scored"]
    assert page(blind, tmp_path).count("<svg") == 1
