import numpy as np
import pytest

from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.experiments.label_noise import LabelNoise
from tests.experiments.conftest import constant, make_world

pytestmark = pytest.mark.usefixtures("few_resamples")


def run(fit, table=None, rates=(0.0, 0.1, 0.4)):
    world = make_world()
    return LabelNoise(rates).run({"mlp": fit}, Parts.of(table or world[0], world[1]), np.random.default_rng(0))


def test_flips_the_share_it_says_nested_in_train_and_val_alike():
    fit = constant()
    run(fit)
    clean = make_world()[0]
    for part, split in enumerate(("train", "val")):
        truth = clean.part(split).quality
        flipped = [lesson[part].table.quality != truth for lesson in fit.lessons]
        assert not flipped[0].any()
        for cells, rate in zip(flipped[1:], (0.1, 0.4), strict=True):
            assert abs(cells.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / cells.size)
        assert (flipped[1] <= flipped[2]).all()
        np.testing.assert_array_equal(fit.lessons[2][part].table.quality[flipped[2]], 1 - truth[flipped[2]])
        np.testing.assert_array_equal(fit.lessons[2][part].table.cost, clean.part(split).cost)


def test_test_and_references_stay_clean():
    study = run(constant())
    table = make_world()[0]
    np.testing.assert_allclose(study.evaluation.model_quality, table.part("test").quality.mean(axis=0))
    assert study.baseline == "0 % flipped"
    assert [condition.position for condition in study.conditions] == [0, 0.1, 0.4]


def test_a_missing_cell_stays_missing_and_a_partial_score_is_mirrored():
    table = make_world()[0]
    table.quality[:100:2] = 0.25
    table.quality[1:100:2, 0] = np.nan
    fit = constant()
    run(fit, table)
    noisy, truth = fit.lessons[2][0].table.quality, table.part("train").quality
    np.testing.assert_array_equal(np.isnan(noisy), np.isnan(truth))
    assert set(noisy[truth == 0.25]) == {0.25, 0.75}


@pytest.mark.parametrize("rates", [[], [0.1], [0, 0.6], [-0.1, 0]])
def test_refuses_what_is_no_list_of_rates(rates):
    with pytest.raises(InputError, match=r"experiment\.rates must list"):
        LabelNoise(rates)
