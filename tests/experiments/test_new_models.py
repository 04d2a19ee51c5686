import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerbench.data.outcomes import Parts
from routerbench.errors import InputError
from routerbench.experiments.new_models import ALL, SEEN, NewModels, never_new
from routerbench.policy import select
from routerbench.routers.base import Choices, Prediction
from routerbench.routers.constant import ConstantRouter
from tests.experiments.conftest import Recorder, constant, knn, make_world

pytestmark = pytest.mark.usefixtures("few_resamples")


class Spy(ConstantRouter):
    """Remembers, in a list that copies share, what it was given."""

    def __init__(self, embedding_dim, num_models, log):
        super().__init__(embedding_dim, num_models)
        self.log = log

    def __deepcopy__(self, memo):
        twin = Spy(self.embedding_dim, self.num_models, self.log)
        twin.quality, twin.cost = self.quality.copy(), self.cost.copy()
        return twin

    def add_model(self, embeddings, quality, cost):
        self.log.append((self.num_models, embeddings[:, 0].astype(int), quality, cost))
        super().add_model(embeddings, quality, cost)


class Stubborn(ConstantRouter):
    """A router that cannot take in a model."""

    add_model = None


def run(num_prompts=(5, 20), world=None, **fits):
    return NewModels(num_prompts).run(fits, Parts.of(*(world or make_world(num_models=6))), np.random.default_rng(0))


def test_a_third_is_unseen_and_each_is_added_from_the_same_nested_train_prompts():
    log, table = [], make_world(num_models=6)[0]
    fit = Recorder(lambda train: Spy(8, train.table.num_models, log))
    study = run(mlp=fit)
    seen, everything = (train.table.models for train, _, _ in fit.lessons)
    assert set(everything) == set(table.models)
    assert everything[:4] == seen == fit.lessons[0][1].table.models
    assert study.evaluation.models == everything
    assert [(place, len(rows)) for place, rows, _, _ in log] == [(4, 5), (5, 5), (4, 20), (5, 20)]
    small, large = log[0][1].tolist(), log[2][1].tolist()
    assert large[:5] == small == log[1][1].tolist()
    assert set(table.split[large]) == {"train"}
    for place, rows, quality, cost in log:
        model = table.models.index(everything[place])
        np.testing.assert_array_equal(quality, table.quality[rows, model])
        np.testing.assert_array_equal(cost, table.cost[rows, model])


def test_conditions_run_from_seen_only_over_k_to_all():
    study = run(knn=knn())
    assert [(condition.label, condition.position) for condition in study.conditions] == [
        (SEEN, None), ("5 prompts", 5), ("20 prompts", 20), (ALL, None)
    ]  # fmt: skip
    assert study.baseline == ALL
    assert len(study.evaluation.routers) == 4
    new = study.evaluation.models[4:]
    assert study.notes[0].startswith(f"New models: {new[0]}, {new[1]}; 2 of 6")
    place = "new" if study.evaluation.best_single in new else "seen"
    assert f"{study.evaluation.best_single}, is one of the {place} models; by chance" in study.notes[1]


def test_the_seen_only_run_calls_no_new_model():
    for curve in run(mlp=constant()).evaluation.routers[f"mlp, {SEEN}"].sweeps:
        assert not curve.call_share([0, 1e-4, 1e-2, 1, np.inf])[:, 4:].any()


def test_a_router_that_cannot_take_in_a_model_has_no_run_and_a_note(monkeypatch):
    monkeypatch.setattr("routerbench.experiments.new_models.Onboarding", ())
    study = run(mlp=constant())
    assert set(study.names) == {("mlp", SEEN), ("mlp", ALL)}
    assert study.scored("mlp", "5 prompts") is None
    assert "mlp is unable to take in a model: it would have to be trained anew." in study.notes


def test_prompts_on_which_a_new_model_is_unknown_are_not_scored():
    table, embeddings = make_world(num_models=6)
    train = np.flatnonzero(table.split == "train")
    table.quality[train[:100]] = np.nan
    table.cost[train[100:150]] = np.nan
    log = []
    fit = Recorder(lambda train: Spy(8, train.table.num_models, log))
    run((50,), (table, embeddings), mlp=fit)
    assert set(log[0][1]) == set(train[150:])
    with pytest.raises(InputError, match=r"cannot score 51 prompts .* 50 train prompts .* experiment\.num_prompts"):
        run((51,), (table, embeddings), mlp=constant())


def test_works_without_cost():
    table, embeddings = make_world(num_models=6)
    table.cost[:] = np.nan
    study = run(world=(table, embeddings), knn=knn())
    assert study.scored("knn", SEEN).aiq.value is None
    assert 0 < study.scored("knn", SEEN).peak_quality.value < 1


def test_refusals():
    with pytest.raises(InputError, match=r"take at least 3 models, two to train on .* it has model-0, model-1"):
        run(world=make_world(num_models=2), mlp=constant())
    for num_prompts in ([], [0, 10]):
        with pytest.raises(InputError, match=r"experiment\.num_prompts must list"):
            NewModels(num_prompts)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 1e-6, 0.1, 1e6, np.inf]))
def test_never_new_chooses_as_the_small_router_does(seed, willingness_to_pay):
    rng = np.random.default_rng(seed)
    quality, cost = rng.integers(0, 3, (20, 3)) / 2, rng.integers(0, 3, (20, 3)) * 1e-3
    padded = never_new(Prediction(quality, cost), 5)
    assert padded.quality.shape == padded.cost.shape == (20, 5)
    assert ((padded.quality >= 0) & (padded.quality <= 1)).all()
    assert (padded.quality[:, 3:] < padded.quality[:, :3].min(axis=1, keepdims=True)).all()
    assert (padded.cost[:, 3:] > padded.cost[:, :3].max(axis=1, keepdims=True)).all()
    np.testing.assert_array_equal(
        select(padded.quality, padded.cost, willingness_to_pay), select(quality, cost, willingness_to_pay)
    )


def test_never_new_leaves_the_choices_of_a_router_alone():
    choices, cells = Choices(np.array([1.0, np.inf]), np.array([[0, 2]])), np.ones((1, 3))
    assert never_new(Prediction(cells, cells, choices=choices), 5).choices is choices
