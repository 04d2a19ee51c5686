"""self_knowledge.md and .png, and the command that writes them."""

import math
from dataclasses import replace

import pytest

from routerbench import artefact
from routerbench.__main__ import main
from routerbench.adjustment import Adjustment
from routerbench.data.demo import load
from routerbench.data.outcomes import Examples
from routerbench.data.split import prompt_keys
from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.linear import LinearRouter
from routerbench.self_knowledge.report import findings, self_knowledge_text, write_self_knowledge
from tests.self_knowledge.test_self_knowledge import audit, make_world

CONFIG = {"_target_": "routerbench.data.demo.load", "num_prompts": 700, "seed": 0}


@pytest.fixture(scope="module")
def found():
    return audit(*make_world(bias=0.8))


def section(text, heading):
    return text.split(f"## {heading}\n")[1].split("\n## ")[0]


def test_the_verdict(found):
    size, known, *rounds = findings(found)
    assert size.startswith("600 validation and 900 test prompts, 3 models;")
    assert known.startswith("Another predictor knows of errors that the router does not: with ")
    assert len(rounds) == 2
    assert "by benchmark (benchmark id) is called for: on test the squared error changes by -." in rounds[1]
    assert "AIQ by +." in rounds[1]


def test_what_is_said_if_nothing_is_known(found):
    weak = [replace(a, overall=replace(a.overall, low=-1.0)) for a in found.advantages]
    rounds = [replace(found.rounds[0], is_called_for=False), replace(found.rounds[1], prior=math.inf)]
    _, known, first, second = findings(replace(found, advantages=tuple(weak), rounds=tuple(rounds)))
    assert known == "No other predictor knows more of the router's loss than the router itself, beyond chance."
    assert "is not called for:" in first
    assert "but validation chose to change nothing:" in second
    assert findings(replace(found, num_resamples=0))[1] == "Without resamples nothing is said about chance."


def test_tables(found):
    text = self_knowledge_text(found)
    losses = section(text, "The loss, predicted by another predictor").strip().splitlines()
    assert [line.split("|")[1].strip() for line in losses[2:]] == [a.features for a in found.advantages]
    assert "for model-2 on hard, q in " in section(text, "Calibration by groups")
    routed = section(text, "What it buys on test")
    assert [routed.count(f"| {name}") for name in found.routed] == [1] * 5
    assert f"z = {found.guards['guard, one error per model']:g} " in routed
    assert "zero_router ." in routed


def test_files(found, tmp_path):
    write_self_knowledge(replace(found, graded=("hard",)), tmp_path / "new", ["A note."])
    text = (tmp_path / "new" / "self_knowledge.md").read_text()
    assert text.startswith("# Does mlp know where it errs? test table\n")
    assert "\n- A note.\n" in text
    assert "Not all outcomes of hard are 0 or 1" in text
    assert all(f"| {model} " in section(text, "Models") for model in found.models)
    assert (tmp_path / "new" / "self_knowledge.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A calibrated and guarded linear router on the demo world."""
    monkeypatch.setenv("ROUTERBENCH_CACHE", str(tmp_path / "cache"))
    table, encoder = load(num_prompts=700, seed=0), HashingEncoder(dim=32)
    embeddings = encoder.embed(table, EmbeddingStore(tmp_path / "cache"))
    train, val = (Examples(table.part(name), embeddings[table.split == name]) for name in ("train", "val"))
    router = LinearRouter(32, table.num_models, [10.0])
    router.fit(train, val, validation_aiq)
    adjusted = Adjustment("isotonic", 8.0).apply(router, train.table, val, validation_aiq)
    data = {"config": CONFIG, "digest": table.digest(), "split_digest": table.split_digest()}
    seen = prompt_keys(train.table.prompts)
    artefact.save(tmp_path / "run" / "router", adjusted, encoder, train.table, data, {}, seen)
    return tmp_path / "run" / "router"


def test_command(trained, capsys):
    main(["self-knowledge", str(trained), "--resamples", "50"])
    printed = capsys.readouterr().out
    assert printed.startswith("# Does linear know where it errs? ")
    assert printed.endswith(f"report: {trained.parent / 'self_knowledge.md'}\n")
    text = (trained.parent / "self_knowledge.md").read_text()
    assert "calibration=isotonic was learned on the same validation prompts" in text
    assert (trained.parent / "self_knowledge.png").is_file()


def test_it_looks_at_the_prediction_before_the_guard(trained, tmp_path, monkeypatch):
    captured = {}

    def spy(name, train, val, test, predictions, **options):
        captured.update(predictions, embeddings=test.embeddings)
        raise KeyboardInterrupt

    monkeypatch.setattr("routerbench.self_knowledge.self_knowledge.self_knowledge", spy)
    with pytest.raises(KeyboardInterrupt):
        main(["self-knowledge", str(trained)])
    router = artefact.load(trained).router
    assert (captured["test"].quality >= router.predict(captured["embeddings"]).quality).all()
    assert (captured["test"].quality != router.predict(captured["embeddings"]).quality).any()


def test_mistakes_are_one_line(trained, tmp_path):
    with pytest.raises(SystemExit, match="no router there"):
        main(["self-knowledge", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="--resamples must be at least 0, got -1"):
        main(["self-knowledge", str(trained), "--resamples", "-1"])
    card = trained / "router.json"
    card.write_text(card.read_text().replace('"num_prompts": 700', '"num_prompts": 600'))
    with pytest.raises(SystemExit, match=r"changed since .* was trained on it"):
        main(["self-knowledge", str(trained)])
