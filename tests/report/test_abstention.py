"""The table shows the figures, and the picture has the colour of every router."""

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from routerbench.evaluation.abstention import abstain
from routerbench.report.abstention import abstention_table, draw_abstention
from routerbench.report.pictures import PALETTE


def make(seed, num_resamples=20, skill=1.0):
    rng = np.random.default_rng(seed)
    chance = rng.random(400)
    confidence = skill * chance + (1 - skill) * rng.random(400)
    quality = (rng.random(400) < chance).astype(float)
    return abstain(confidence, quality, confidence, rng, num_resamples=num_resamples)


@pytest.fixture(scope="module")
def found():
    return {"blind|$ router": make(1, skill=0.0), "sure": make(2)}


def test_a_row_of_figures(found):
    lines = abstention_table(found).splitlines()
    header, _, sure, blind = ([cell.strip() for cell in line.split(" | ")] for line in lines)
    assert sure[0] == "| sure"
    assert blind[0].startswith("| blind")
    cells = dict(zip(header, sure, strict=True))
    one = found["sure"]
    assert cells["declined"] == "20 %"
    assert cells["error then"].startswith(f"{one.error_after.value:.3f}".lstrip("0"))
    assert cells["reduction"].startswith(f"{one.reduction:.3f}".lstrip("0") + " (")
    assert "p = " in cells["reduction"]
    assert float(cells["of oracle"].split()[0]) == pytest.approx(
        100 * one.reduction / (one.error.value - one.oracle_error_after), abs=0.6
    )
    assert cells["realised coverage"] == "80 %"


def test_without_resamples_there_are_no_intervals():
    assert "(" not in abstention_table({"sure": make(2, num_resamples=0)})


def test_where_all_answers_are_right_there_is_nothing_to_decline(tmp_path):
    perfect = abstain([0.5, 0.6], [1.0, 1.0], [0.5], np.random.default_rng(0), num_resamples=0)
    assert abstention_table({"perfect": perfect}).splitlines()[-1].split(" | ")[5].strip() == "-"
    draw_abstention({"perfect": perfect}, tmp_path / "picture.png")


def test_the_picture(found, tmp_path):
    draw_abstention(found, tmp_path / "picture.png")
    picture = matplotlib.image.imread(tmp_path / "picture.png")[..., :3]
    assert picture.shape == (800, 1440, 3)
    for colour, is_drawn in zip(PALETTE, [True, True, False], strict=False):
        near = np.abs(picture - np.array(to_rgb(colour))).max(axis=2) < 0.02
        assert (near.sum() > 1000) == is_drawn
    # The sure router's line falls to the right: lower there than on the left.
    rows, columns = np.nonzero(np.abs(picture - np.array(to_rgb(PALETTE[1]))).max(axis=2) < 0.02)
    assert np.median(rows[(columns > 850) & (columns < 1000)]) > np.median(rows[(columns > 120) & (columns < 250)]) + 50
