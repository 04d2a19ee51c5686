import csv
import itertools
import re

import numpy as np
import pytest

import train
from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import evaluate, validation_aiq
from routerbench.experiments.base import Recipe
from routerbench.experiments.leaderboard import Leaderboard
from routerbench.experiments.standings import Comparison, holm
from routerbench.routers.base import Prediction
from tests.experiments.conftest import make_world
from tests.test_entry_points import QUICK, run

WORDS = ["good", "linear", "lucky", "refuses"]


class Guess:
    """A router that sees the truth under some noise: only its row numbers tell it which prompts it is asked for."""

    def __init__(self, table, noise, seed):
        self.table, self.noise, self.seed = table, noise, seed

    def predict(self, embeddings):
        rows = embeddings[:, 0].astype(int)
        rng = np.random.default_rng(self.seed)
        quality = self.table.quality + self.noise * rng.normal(size=self.table.quality.shape)
        return Prediction(quality[rows], np.broadcast_to(np.nanmean(self.table.cost, axis=0), quality.shape)[rows])


class Kitchen:
    """Recipes by name: "good" and "linear" draw nothing, "lucky" does, "refuses" refuses every table."""

    def __init__(self, table):
        self.table = table
        self.cooked = []
        self.noise = {"good": 0.2, "linear": 0.6, "lucky": 0.9}

    def recipe(self, name, options):
        noise = float(options[0].removeprefix("noise=")) if options else self.noise.get(name)

        def fit(train, val, seed, label):
            assert set(train.table.split) == {"train"}
            assert set(val.table.split) == {"val"}
            self.cooked.append((name, tuple(options), seed, label))
            if name == "refuses":
                raise InputError("this table has no responses")
            return Guess(self.table, noise, seed)

        return Recipe(fit, draws=name != "good" and name != "linear")


@pytest.fixture
def world():
    table, embeddings = make_world()
    return Parts.of(table, embeddings), Kitchen(table)


def stand(world, routers=None, seeds=(3, 4, 5), resamples=40, grids=None):
    parts, kitchen = world
    return Leaderboard(routers, seeds, resamples, grids or {}).run(WORDS, kitchen.recipe, parts, 0)


def test_a_router_that_draws_is_trained_with_every_seed_and_one_that_does_not_once(world):
    standings = stand(world, ["good", "lucky"])
    assert [(name, seed) for name, _, seed, _ in world[1].cooked] == [
        ("good", 3),
        ("lucky", 3),
        ("lucky", 4),
        ("lucky", 5),
    ]
    assert {name: entry.seeds for name, entry in standings.entries.items()} == {"good": (3,), "lucky": (3, 4, 5)}
    lucky = standings.evaluation.routers["lucky"]
    assert len(set(lucky.seed_aiq)) == 3
    assert lucky.aiq.value == pytest.approx(np.mean(lucky.seed_aiq))
    assert len({label for *_, label in world[1].cooked}) == 4  # a folder for each


def test_all_routers_are_evaluated_together_on_the_predictions_for_test(world):
    (train_, _, test), kitchen = world
    standings = stand(world, ["good", "lucky", "linear"])
    predictions = {
        name: [Guess(kitchen.table, kitchen.noise[name], seed).predict(test.embeddings) for seed in seeds]
        for name, seeds in {"good": [3], "lucky": [3, 4, 5], "linear": [3]}.items()
    }
    expected = evaluate(predictions, test.table, train_.table, num_resamples=40)
    for name, scored in expected.routers.items():
        assert standings.evaluation.routers[name].aiq == scored.aiq
        assert standings.evaluation.routers[name].differences == scored.differences
    assert standings.evaluation.cost_interval == expected.cost_interval


def test_linear_is_there_to_compare_with_even_if_nobody_asked_for_it(world):
    standings = stand(world, ["good"])
    assert "linear" in standings.evaluation.references
    assert "linear" in standings.evaluation.routers["good"].differences
    assert "linear" not in standings.entries


def test_a_router_that_refuses_the_table_is_left_out_with_its_reason(world, caplog):
    caplog.set_level("INFO")
    standings = stand(world, ["refuses", "good"])
    assert list(standings.entries) == list(standings.evaluation.routers) == ["good"]
    assert standings.absent == {"refuses": "this table has no responses"}
    assert world[1].cooked[0][0] == "refuses"
    assert len(world[1].cooked) == 2  # no second seed of what has failed
    assert "refuses is left out: this table has no responses" in caplog.text
    assert "fit 4 of 4: good, seed 3" in caplog.text
    assert "about 0 s remain" in caplog.text


def test_a_router_that_predicts_no_number_does_not_spoil_the_evaluation_of_the_others(world):
    world[1].noise["lucky"] = np.nan
    standings = stand(world, ["good", "lucky"])
    assert list(standings.entries) == ["good"]
    assert "predicts a quality of nan" in standings.absent["lucky"]


def test_refuses_if_every_router_does(world):
    with pytest.raises(InputError, match="refuses: this table has no responses"):
        stand(world, ["refuses"])


def test_a_grid_is_tried_on_validation_with_the_first_seed_and_the_best_gets_the_others(world):
    parts, kitchen = world
    standings = stand(world, ["lucky", "good"], grids={"lucky": {"noise": [2.0, 0.1, 1.0], "list": [[1, 2], None]}})
    tried = [(options, seed) for name, options, seed, _ in kitchen.cooked if name == "lucky"]
    every = [(f"noise={noise}", f"list={word}") for noise in (2.0, 0.1, 1.0) for word in ("[1, 2]", "null")]
    assert [options for options, seed in tried if seed == 3] == every
    aiq = [
        validation_aiq(Guess(kitchen.table, noise, 3).predict(parts.val.embeddings), parts.val.table)
        for noise in (2.0, 0.1, 1.0)
    ]
    assert np.argmax(aiq) == 1
    assert tried[6:] == [(every[2], 4), (every[2], 5)]
    entry = standings.entries["lucky"]
    assert (entry.options, entry.num_tried, entry.seeds) == ("noise=0.1, list=[1, 2]", 6, (3, 4, 5))
    assert (standings.entries["good"].options, standings.entries["good"].num_tried) == ("", 1)


def test_times_are_of_one_training_and_of_one_prompt(world, monkeypatch):
    (parts, _), clock = world, itertools.chain([0, 7, 7.5], [10, 11, 19], [20, 22, 23])
    monkeypatch.setattr("routerbench.experiments.leaderboard.time.perf_counter", lambda: next(clock))
    entry = stand(world, ["lucky"]).entries["lucky"]
    assert entry.fit_seconds == 2  # the median of 7, 1 and 2
    assert entry.predict_microseconds == pytest.approx(1e6 / len(parts.test.table))  # of .5, 8 and 1 s


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"routers": ["good", "nope"]}, r"experiment\.routers: no router 'nope'; there are good, linear"),
        ({"routers": []}, r"experiment\.routers is empty"),
        ({"grids": {"nope": {"noise": [1]}}}, r"experiment\.grids: no router 'nope'"),
        ({"grids": {"good": {"noise": []}}}, r"experiment\.grids\.good must list values"),
        ({"seeds": []}, r"experiment\.seeds must list"),
        ({"seeds": [1, 1]}, r"experiment\.seeds must list"),
        ({"seeds": [-1]}, r"experiment\.seeds must list"),
        ({"resamples": -1}, r"experiment\.resamples must be"),
    ],
)
def test_mistakes_are_refused_before_any_training(options, message, world):
    with pytest.raises(InputError, match=message):
        stand(world, **options)
    assert not world[1].cooked


def test_holm_is_the_closed_test_of_bonferroni():
    rng = np.random.default_rng(0)
    for number in range(1, 6):
        p_values = (rng.random(number) ** 3).tolist()
        subsets = [s for size in range(1, number + 1) for s in itertools.combinations(range(number), size)]
        expected = [
            max(min(1.0, len(s) * min(p_values[j] for j in s)) for s in subsets if i in s) for i in range(number)
        ]
        assert holm(p_values) == pytest.approx(expected)
    assert holm([]) == []


def test_what_may_be_said_depends_on_the_corrected_p_value(world):
    assert Comparison(0.1, 0.049).relation == "better"
    assert Comparison(-0.1, 0.049).relation == "worse"
    assert Comparison(0.1, 0.05).relation == "not distinguishable"
    standings = stand(world, ["good", "lucky", "linear"])
    against = standings.against("linear")
    raw = {name: standings.evaluation.routers[name].differences["linear"].prompts.p_value for name in against}
    assert list(raw) == ["good", "lucky"]
    assert [one.p_value for one in against.values()] == pytest.approx(holm(list(raw.values())))
    assert len(standings.against("zero_router")) == 3
    assert stand(world, ["good"], resamples=0).against("linear") == {}


COMMAND = (*QUICK, "experiment=leaderboard", "experiment.resamples=20")


def test_each_router_is_trained_as_the_command_line_alone_would(tmp_path, caplog):
    caplog.set_level("INFO")
    shared = ["training.batch_size=64"]  # knn, in closed form, has no such option
    options = ["experiment.routers=[knn,mlp]", "experiment.seeds=[1,2]"]
    run(train, "train", tmp_path / "all", *COMMAND, *options, *shared)
    told = re.findall(r"fit \d of 3: (\w+), seed (\d), .* val/aiq ([\d.]+);", caplog.text)
    assert [line[:2] for line in told] == [("knn", "1"), ("mlp", "1"), ("mlp", "2")]
    for name, seed, val_aiq in (told[0], told[2]):
        typed = [f"router={name}", f"seed={seed}", *(shared if name == "mlp" else [])]
        alone = run(train, "train", tmp_path / f"{name}{seed}", *QUICK, *typed)
        assert val_aiq == f"{alone:.4f}"
    assert told[1][2] != told[2][2]
    losses = [tmp_path / "all" / "fits" / fit / "csv" / "metrics.csv" for fit in ("mlp-1", "mlp-2")]
    first, second = (path.read_text() for path in losses)
    assert first != second
    assert not (tmp_path / "all" / "csv").exists()


def test_processes_find_the_same(tmp_path, caplog):
    caplog.set_level("INFO")
    tables = []
    for jobs in (1, 2):
        options = ["experiment.routers=[constant,encoder,knn]", "experiment.seeds=[1]", f"experiment.jobs={jobs}"]
        run(train, "train", tmp_path / str(jobs), *COMMAND, *options)
        with (tmp_path / str(jobs) / "leaderboard.csv").open(newline="") as file:
            tables.append([{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)])
    assert {"constant", "knn"} <= {row["router"] for row in tables[0]}
    assert tables[0] == tables[1]
    assert caplog.text.count("encoder is left out: it trains the encoder") == 2
    assert "fit 3 of 3" in caplog.text


def test_a_grid_reaches_the_router_and_is_reported(tmp_path):
    options = ["experiment.routers=[mlp]", "experiment.seeds=[0]", "seed=5"]
    run(train, "train", tmp_path, *COMMAND, *options, "experiment.grids={mlp:{router.hidden:[[4],[8]]}}")
    assert len(list((tmp_path / "fits").iterdir())) == 2
    assert re.search(r"mlp 2 \(router\.hidden=\\\[[48]\\\]\)", (tmp_path / "leaderboard.md").read_text())


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["router=knn"], r"router=knn: a leaderboard takes experiment\.routers"),
        (["router.hidden=[3]"], r"router\.hidden=\[3\]: a leaderboard takes"),
        (["experiment.routers=[nope]"], "no router 'nope'; there are .*constant.*knn"),
        (
            ["experiment.grids={mlp:{router.hiddn:[1]}}", "experiment.routers=[mlp]"],
            r"router\.hiddn=1: .*router\.hiddn",
        ),
    ],
)
def test_a_wrong_command_ends_with_one_line(typed, message, tmp_path):
    with pytest.raises(SystemExit, match=message) as stop:
        run(train, "train", tmp_path, *COMMAND, *typed)
    assert "\n" not in stop.value.code
    assert not (tmp_path / "fits").exists()
