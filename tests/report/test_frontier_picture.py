"""The picture has the right size and every router's colour, and its labels do not overlap."""

from dataclasses import replace

import matplotlib.image
import numpy as np
from matplotlib.colors import to_rgb

from routerbench.report.frontier_picture import write_frontier
from routerbench.report.labels import place, spread
from routerbench.report.pictures import PALETTE
from tests.report.records import bare, rich


def draw(evaluation, tmp_path):
    write_frontier(evaluation, tmp_path / "frontier.png")
    return matplotlib.image.imread(tmp_path / "frontier.png")[..., :3]


def num_pixels(picture, colour):
    return int((np.abs(picture - np.array(to_rgb(colour))).max(axis=2) < 0.02).sum())


def test_frontier(evaluation, tmp_path):
    picture = draw(evaluation, tmp_path)
    assert picture.shape == (900, 1440, 3)
    assert 0.02 < (picture.min(axis=2) < 0.9).mean() < 0.3
    assert num_pixels(picture, PALETTE[0]) > 1000
    assert num_pixels(picture, PALETTE[1]) > 1000
    assert num_pixels(picture, PALETTE[2]) == 0


def test_band_and_deployed_points_are_drawn_quietly(evaluation, tmp_path):
    plain, full = bare(rich(evaluation, ["mlp"])), rich(evaluation, ["mlp"])
    without = draw(plain, tmp_path)
    only_points = replace(full, routers={"mlp": replace(full.routers["mlp"], band=None)})
    only_band = replace(full, routers={"mlp": replace(full.routers["mlp"], deployed={})})
    colour = np.array(to_rgb(PALETTE[0]))

    def num_tinted(picture):  # between the background and a tenth of the colour
        return int((np.abs(picture - (0.9 + 0.1 * colour)).max(axis=2) < 0.04).sum())

    assert num_tinted(draw(only_band, tmp_path)) > num_tinted(without) + 5000
    more = num_pixels(draw(only_points, tmp_path), PALETTE[0]) - num_pixels(without, PALETTE[0])
    assert 50 < more < 2000


def test_the_picture_holds_the_whole_band(evaluation, tmp_path):
    drawn = rich(evaluation, ["mlp"])
    band = drawn.routers["mlp"].band
    deep = replace(drawn.routers["mlp"], band=band._replace(low=band.low - 0.5))
    # The axis grows downwards: the best router's line stands higher in the picture.
    rows = [
        np.argwhere(np.abs(draw(each, tmp_path) - np.array(to_rgb(PALETTE[0]))).max(axis=2) < 0.02)[:, 0].mean()
        for each in (drawn, replace(drawn, routers={"mlp": deep}))
    ]
    assert rows[1] < rows[0] - 50


def test_quality_only_bars(without_cost, tmp_path):
    picture = draw(without_cost, tmp_path)
    assert num_pixels(picture, PALETTE[0]) > 5000
    assert num_pixels(picture, "#c9c9c9") > 5000


def test_a_free_model(make, tmp_path):
    free = make(num_prompts=60, cost_of=lambda cost: cost * np.array([0.0, 1, 1, 1]))
    assert num_pixels(draw(free, tmp_path), PALETTE[0]) > 100


def test_odd_names_and_many(make, tmp_path):
    models = ("$x_1$ $", "x" * 300, "a/b", "c/b", *(f"model-{number}" for number in range(26)))
    evaluation = make(models, {f"router_{number} $": 0.1 for number in range(9)}, num_prompts=60)
    assert draw(evaluation, tmp_path).shape == (900, 1440, 3)


def test_no_router(evaluation, tmp_path):
    assert num_pixels(draw(replace(evaluation, routers={}), tmp_path), PALETTE[0]) == 0


def test_placed_labels_do_not_overlap():
    points = np.random.default_rng(0).uniform(0, 300, (40, 2))
    sizes = np.tile([60.0, 10.0], (40, 1))
    corners = place(points, sizes, points, (0, 0, 300, 300), gap=5, num_needed=3)
    boxes = np.array([[*corner, corner[0] + 60, corner[1] + 10] for corner in corners if corner is not None])
    assert len(boxes) > 15
    assert boxes.min() >= 0
    assert boxes.max() <= 300
    for number, box in enumerate(boxes):
        others = np.delete(boxes, number, axis=0)
        apart = (others[:, :2] >= box[2:]).any(axis=1) | (others[:, 2:] <= box[:2]).any(axis=1)
        assert apart.all()


def test_spread_keeps_order_gap_and_bounds():
    heights = np.array([0.9, 0.901, 0.2, 0.902, 0.95])
    moved = spread(heights, gap=0.05, low=0, high=1)
    assert np.array_equal(np.argsort(moved), np.argsort(heights))
    assert np.diff(np.sort(moved)).min() >= 0.05 - 1e-12
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert moved[2] == 0.2
    assert len(spread(np.empty(0), gap=1, low=0, high=1)) == 0
