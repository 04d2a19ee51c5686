"""self_knowledge.md and .png, and the command that writes them."""

from dataclasses import replace

import pytest
from PIL import Image

from routerbench import artefact
from routerbench.__main__ import main
from routerbench.adjustment import Adjustment
from routerbench.data.demo import load
from routerbench.data.outcomes import Parts
from routerbench.data.split import prompt_keys
from routerbench.encoders.hashing import HashingEncoder
from routerbench.encoders.store import EmbeddingStore
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.results import Figure
from routerbench.routers.linear import LinearRouter
from routerbench.self_knowledge.report import verdict, write_self_knowledge
from tests.self_knowledge.test_self_knowledge import make_world, study

CONFIG = {"_target_": "routerbench.data.demo.load", "num_prompts": 700, "seed": 0}


@pytest.fixture(scope="module")
def found():
    return study(*make_world(bias=0.8))


def rows(text, heading):
    """The cells of a section's table, without header, rule and empty rows."""
    lines = [line for line in text.split(f"## {heading}\n")[1].split("\n## ")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [row for row in cells if any(row)]


def test_verdict(found):
    assert verdict(found).startswith("A second predictor with embedding (prompt only) explains ")
    weak = tuple(one._replace(value=Figure(0.1, 0.0, 0.2)) for one in found.advantages)
    assert verdict(replace(found, advantages=weak)).startswith("No second predictor is better")
    silent = tuple(one._replace(value=Figure(0.1)) for one in found.advantages)
    assert verdict(replace(found, advantages=silent)).startswith("Without resamples")
    one = (*weak[:3], found.advantages[3]._replace(share=Figure(0.02, 0.01, 0.03)))
    assert "with benchmark (benchmark id) explains 2.0 % (1.0 %, 3.0 %) of what" in verdict(
        replace(found, advantages=one)
    )


def test_files(found, tmp_path):
    text = write_self_knowledge(found, tmp_path / "new", ["A note."])
    assert (tmp_path / "new" / "self_knowledge.md").read_text() == f"{text}\n"
    assert text.startswith(
        "# Does mlp know where it errs? test table\n\n- 600 validation and 900 test prompts, 3 models."
    )
    assert "\n- A note.\n" in text
    losses = rows(text, "Advantage of a second predictor of the loss")
    assert [row[:2] for row in losses] == [[one.features, one.information] for one in found.advantages]
    assert losses[3][2].startswith(f"{1e4 * found.advantages[3].value.value:+.1f} (")
    calibration = rows(text, "Calibration by groups")
    assert [tuple(row[:2]) for row in calibration] == list(found.calibration)
    assert " for model-2 on hard, q in 0." in calibration[1][5]
    routed = rows(text, "Corrections on test")
    assert [row[0] for row in routed] == [one.name for one in found.routed]
    assert routed[0][2] == routed[0][4] == routed[3][3] == ""
    assert routed[2][3] == f"{found.routed[2].brier:.4f}"[1:]
    assert routed[2][4].startswith(f"{1e4 * found.routed[2].brier_change.value:+.1f} (")
    with Image.open(tmp_path / "new" / "self_knowledge.png") as picture:
        assert picture.width == 1440


@pytest.mark.parametrize(("measure", "name"), [("aiq", "AIQ"), ("peak_quality", "peak quality")])
def test_the_measure_is_named(found, tmp_path, measure, name):
    text = write_self_knowledge(replace(found, measure=measure), tmp_path)
    assert f" {name} |" in text
    assert ("AIQ" in text) == (measure == "aiq")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A calibrated and guarded linear router on the demo world."""
    monkeypatch.setenv("ROUTERBENCH_CACHE", str(tmp_path / "cache"))
    table, encoder = load(num_prompts=700, seed=0), HashingEncoder(dim=32)
    train, val, _ = Parts.of(table, encoder.embed(table, EmbeddingStore(tmp_path / "cache")))
    router = LinearRouter(32, table.num_models, [10.0])
    router.fit(train, val, validation_aiq)
    adjusted = Adjustment("isotonic", 8.0).apply(router, train.table, val, validation_aiq)
    data = {"config": CONFIG, "digest": table.digest(), "split_digest": table.split_digest()}
    seen = prompt_keys(train.table.prompts)
    artefact.save(tmp_path / "run" / "router", adjusted, encoder, train.table, data, {}, seen)
    return tmp_path / "run" / "router"


def test_command(trained, tmp_path, capsys):
    main(["self-knowledge", str(trained), "--resamples", "20"])
    printed = capsys.readouterr().out
    assert printed.startswith("# Does linear know where it errs? ")
    assert printed.endswith(f"report: {trained.parent / 'self_knowledge.md'}\n")
    text = (trained.parent / "self_knowledge.md").read_text()
    assert "calibration=isotonic was learned on the same validation prompts" in text
    assert (trained.parent / "self_knowledge.png").is_file()
    main(["self-knowledge", str(trained), "--resamples", "20", "--seed", "1", "--output", str(tmp_path / "other")])
    assert (tmp_path / "other" / "self_knowledge.md").read_text() != text


def test_it_studies_the_prediction_before_the_guard(trained, monkeypatch):
    captured = {}

    def spy(name, parts, predictions, **options):
        captured.update(predictions, embeddings=parts.test.embeddings)
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
