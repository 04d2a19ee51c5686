"""The page in a browser: all pictures are drawn, no errors are logged, and it fits a phone and a printer."""

import io
import os
import re
import shutil
from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from routerbench.report.html import write_html
from routerbench.report.pictures import PALETTE
from tests.report.browser import Browser
from tests.report.records import ODD_NAMES, bare, rich

SIZES = """[...document.querySelectorAll(".plot")].map((plot) => {
  const box = plot.querySelector(".main-svg").getBoundingClientRect();
  const traces = [...plot.querySelectorAll(".scatterlayer .trace")].filter((t) => t.getBoundingClientRect().height > 0);
  return [plot.id, Math.round(box.width), Math.round(box.height), traces.length];
})"""
OVERFLOWING = """[...document.querySelectorAll("main *")].filter((element) =>
  element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".wide, .plot")).map((e) => e.outerHTML)"""
LEGENDS = """Object.fromEntries([...document.querySelectorAll(".plot")].map((plot) => {
  const legend = plot.querySelector(".legend .bg").getBoundingClientRect();
  const area = plot.querySelector(".nsewdrag").getBoundingClientRect();
  const title = plot.querySelector(".xtitle").getBoundingClientRect();
  const entries = [...plot.querySelectorAll(".legend .traces")].map((entry) => entry.getBoundingClientRect().bottom);
  return [plot.id, { beside: legend.left >= area.right, below: legend.top >= title.bottom - 1, height: area.height,
                     width: area.width, whole: Math.max(...entries) <= legend.bottom + 1 }];
}))"""
DRAGMODE = 'document.getElementById("frontier")._fullLayout.dragmode'
SHOWN = """document.getElementById("frontier").data.filter((trace) => trace.legendgroup === "mlp")
  .map((trace) => trace.visible ?? true)"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    asked = os.environ.get("ROUTERBENCH_BROWSER")
    program = shutil.which(asked or "chromium")
    if asked and not program:
        pytest.fail(f"ROUTERBENCH_BROWSER is {asked}, which is no program")
    if not program:
        pytest.skip("no chromium; install it or set ROUTERBENCH_BROWSER to try the report in a browser")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(evaluation, tmp_path_factory):
    """A report of two routers that shows all there is to show."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_html(rich(evaluation), path)
    return path


def check(browser, path, pictures):
    """Nothing complains, nothing is fetched, and each picture is there with its traces."""
    assert browser.complaints == []
    assert browser.requests == [path.as_uri()]
    sizes = browser.run(SIZES)
    assert [name for name, *_ in sizes] == pictures
    for name, width, height, num_traces in sizes:
        assert width >= min(browser.run("innerWidth") - 40, 600), name
        assert height >= 350, name
        assert num_traces >= 1, name


def test_desktop(browser, page):
    browser.open(page, 1100, height=1400)
    check(browser, page, ["frontier", "shares", "reliability"])
    assert all(legend["beside"] and legend["whole"] for legend in browser.run(LEGENDS).values())
    assert browser.run(DRAGMODE) == "zoom"
    assert browser.run('getComputedStyle(document.querySelector(".modebar-group")).opacity') == "0"
    picture = matplotlib.image.imread(io.BytesIO(browser.screenshot()))[..., :3]
    assert picture.shape[:2] == (1400, 1100)
    assert 0.05 < (picture.min(axis=2) < 0.97).mean() < 0.6
    for colour in PALETTE[:2]:
        assert (np.abs(picture - np.array(to_rgb(colour))).max(axis=2) < 0.02).sum() > 500


def test_phone(browser, page):
    browser.open(page, 390, mobile=True)
    check(browser, page, ["frontier", "shares", "reliability"])
    assert browser.run("innerWidth") == 390
    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.run(OVERFLOWING) == []
    assert browser.run(DRAGMODE) is False  # a finger scrolls the page
    for name, legend in browser.run(LEGENDS).items():
        assert legend["below"], name
        assert legend["whole"], name
        assert legend["height"] >= 250, name
        assert legend["width"] >= 250, name


def test_a_window_that_becomes_narrow(browser, page):
    browser.open(page, 1100)
    browser.resize(500)
    browser.wait_for('document.querySelector("#shares .main-svg").clientWidth === 468')
    assert all(legend["below"] for legend in browser.run(LEGENDS).values())
    browser.resize(1100)
    browser.wait_for('document.querySelector("#shares .main-svg").clientWidth === 1044')
    assert all(legend["beside"] for legend in browser.run(LEGENDS).values())


def test_a_click_on_a_name_hides_all_of_the_router(browser, page):
    browser.open(page, 1100)
    assert browser.run(SHOWN) == [True] * 6  # band, hull, two seeds, two deployed points
    x, y = browser.run("""(() => {
      const entry = [...document.querySelectorAll("#frontier .legend .traces")].find((e) => /mlp/.test(e.textContent));
      const box = entry.querySelector(".legendtoggle").getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    })()""")
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    browser.wait_for(f"({SHOWN}).every((visible) => visible === 'legendonly')")


def test_print(browser, page):
    browser.open(page, 1100)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 12
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.run('dispatchEvent(new Event("beforeprint"))')
    assert {width for _, width, *_ in browser.run(SIZES)} == {680}
    assert all(legend["below"] and legend["whole"] for legend in browser.run(LEGENDS).values())
    assert browser.run('[...document.querySelectorAll(".modebar")].every((bar) => !bar.checkVisibility())')
    browser.call("Emulation.setEmulatedMedia", media="")
    browser.run('dispatchEvent(new Event("afterprint"))')
    assert [width for _, width, *_ in browser.run(SIZES)] == [1044, 1044, 640]
    assert browser.complaints == []


def test_odd_names_are_text(browser, evaluation, tmp_path):
    odd = rich(replace(evaluation, models=(*ODD_NAMES, "huge"), source=ODD_NAMES[0], best_single="huge"), ODD_NAMES)
    write_html(odd, tmp_path / "report.html")
    for width in (1100, 390):
        browser.open(tmp_path / "report.html", width, mobile=width == 390)
        check(browser, tmp_path / "report.html", ["frontier", "shares", "reliability"])
        assert browser.run("document.documentElement.scrollWidth") == width
    legend = browser.run('document.querySelector("#reliability .legend").textContent')
    assert "</script><scrip…rt(1)</script>" in legend
    assert "%{x} <b>bold</b>" in legend
    assert "$a_1$ & 100%" in legend


def test_many_routers_and_benchmarks_on_a_phone(browser, evaluation, tmp_path):
    many = rich(evaluation, [f"router-{number}" for number in range(10)])
    counts = {f"a-benchmark-with-a-long-name-{number}": 100 - number for number in range(86)}
    parts = {name: many.routers["router-0"].per_benchmark["even"] for name in counts}
    routers = {name: replace(scored, per_benchmark=parts) for name, scored in many.routers.items()}
    write_html(replace(many, routers=routers, benchmark_counts=counts), tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 390, mobile=True)
    check(browser, tmp_path / "report.html", ["frontier", "shares", "reliability"])
    assert browser.run(OVERFLOWING) == []
    assert all(legend["below"] and legend["whole"] for legend in browser.run(LEGENDS).values())


def test_without_intervals(browser, evaluation, tmp_path):
    write_html(bare(evaluation), tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 390, mobile=True)
    check(browser, tmp_path / "report.html", ["frontier", "shares"])


def test_a_free_model(browser, make, tmp_path):
    write_html(make(num_prompts=60, cost_of=lambda cost: cost * np.array([0.0, 1, 1, 1])), tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 1100)
    check(browser, tmp_path / "report.html", ["frontier", "shares", "reliability"])


def test_no_router(browser, evaluation, tmp_path):
    write_html(replace(evaluation, routers={}), tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 390, mobile=True)
    check(browser, tmp_path / "report.html", ["frontier"])


def test_quality_only(browser, without_cost, tmp_path):
    write_html(without_cost, tmp_path / "report.html")
    browser.open(tmp_path / "report.html", 390, mobile=True)
    check(browser, tmp_path / "report.html", ["reliability"])
    assert browser.run(OVERFLOWING) == []
