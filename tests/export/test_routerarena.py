"""RouterArena's prediction file, checked by the rules of RouterArena's own checker."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routerbench import artefact
from routerbench.__main__ import main
from routerbench.data.outcomes import Examples
from routerbench.encoders.hashing import HashingEncoder
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.routers.knn import KNNRouter
from tests.conftest import make_table

PROMPTS = [f"What is {i} + {i}?\n " for i in range(6)] + ["Prove Fermat's theorem, größer als 2."]
DATA = [{"global index": f"AIME_{i}", "prompt": f"raw {i}", "prompt_formatted": p} for i, p in enumerate(PROMPTS)]
NAMES = {"model-0": "gpt-4o-mini", "model-1": "claude-3-haiku-20240307"}
FIELDS = ["global index", "prompt", "prediction", "generated_result", "cost", "accuracy", "for_optimality"]


def problems(predictions, config, data):
    """What their checker would say: sizes, indices, prompts and models; entries for optimality are passed over."""
    models, expected = set(config["pipeline_params"]["models"]), {entry["global index"]: entry for entry in data}
    regular = [entry for entry in predictions if not entry.get("for_optimality", False)]
    found = [] if len(regular) == len(data) else [f"size {len(regular)}"]
    for entry in regular:
        index, prompt = entry.get("global index"), entry.get("prompt")
        if index not in expected:
            found.append(f"index {index!r}")
        elif prompt != (expected[index].get("prompt_formatted") or expected[index].get("prompt")):
            found.append(f"prompt of {index}")
        elif entry.get("prediction") not in models:
            found.append(f"prediction {entry.get('prediction')!r}")
    return found


@pytest.fixture
def router(tmp_path):
    """The first model is cheap and fails at proofs."""
    encoder, prompts = HashingEncoder(dim=64), np.array(PROMPTS, object)
    quality = [[1, 1, 1]] * 6 + [[0, 1, 0]]
    table = make_table(quality, [[1e-4, 1e-2, 1e-3]] * 7, prompts=prompts)
    examples = Examples(table, encoder.encode(PROMPTS))
    router = KNNRouter(64, 3, 1, "uniform")
    router.fit(examples, examples, validation_aiq)
    artefact.save(tmp_path / "router", router, encoder, table, {}, {}, np.empty(0, np.uint64))
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    return tmp_path


def run(folder, prompts, *more):
    words = f"export {folder}/router --to routerarena --prompts {prompts} --willingness-to-pay 0.1"
    main([*words.split(), "--output", str(folder / "ours.json"), *map(str, more)])
    return json.loads((folder / "ours.json").read_text()), json.loads((folder / "ours.config.json").read_text())


def array(folder):
    path = folder / "router_data.json"
    path.write_text(json.dumps(DATA, indent=1))
    return path


def lines(folder):
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in DATA))
    return path


def parquet(folder):
    pq.write_table(pa.Table.from_pylist(DATA), folder / "data.parquet")
    return folder / "data.parquet"


@pytest.mark.parametrize("write", [array, lines, parquet])
def test_their_checker_has_nothing_to_say(router, write, capsys):
    predictions, config = run(router, write(router), "--model-names", router / "names.json")
    assert problems(predictions, config, DATA) == []
    assert [list(entry) for entry in predictions] == [FIELDS] * 7
    assert [entry["prediction"] for entry in predictions] == ["gpt-4o-mini"] * 6 + ["claude-3-haiku-20240307"]
    assert {entry[field] for entry in predictions for field in ("generated_result", "cost", "accuracy")} == {None}
    assert config == {"pipeline_params": {"router_name": "ours", "models": [*NAMES.values(), "model-2"]}}
    assert "gpt-4o-mini 6, claude-3-haiku-20240307 1" in capsys.readouterr().out
    # The reading of the checker can fail.
    assert problems(predictions[1:], config, DATA) == ["size 6"]
    assert problems(predictions, {"pipeline_params": {"models": ["gpt-4o-mini"]}}, DATA) == [
        "prediction 'claude-3-haiku-20240307'"
    ]


def test_the_other_models_are_asked_on_the_tenth(router):
    tenth = router / "router_data_10.json"
    tenth.write_text(json.dumps([DATA[2], DATA[6], {"global index": "elsewhere", "prompt": "no"}]))
    predictions, config = run(router, array(router), "--optimality", tenth)
    assert problems(predictions, config, DATA) == []
    assert [entry["for_optimality"] for entry in predictions] == [False] * 7 + [True] * 4
    asked = [(entry["global index"], entry["prompt"], entry["prediction"]) for entry in predictions[7:]]
    assert asked == [
        ("AIME_2", PROMPTS[2], "model-1"),
        ("AIME_2", PROMPTS[2], "model-2"),
        ("AIME_6", PROMPTS[6], "model-0"),
        ("AIME_6", PROMPTS[6], "model-2"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "the array is empty"),
        ("[1]", "entry 1 is no JSON object"),
        ("[{", "is no JSON array"),
        ('[{"prompt": "a"}]', "no column 'global index'"),
        ('[{"global index": "a", "text": "b"}]', "no column 'prompt_formatted' or 'prompt'"),
        ('[{"global index": "a", "prompt": " "}]', "row 1: column 'prompt_formatted' or 'prompt' is empty"),
        ('{"global index": 7, "prompt": "b"}', "row 1: column 'global index' or 'global_index' is empty or no text: 7"),
        ('[{"global index": "a", "prompt": "b"}, {"global index": "a", "prompt": "c"}]', "row 2: global index 'a'"),
    ],
)
def test_wrong_prompts_are_one_line(router, content, message):
    (router / "data.json").write_text(content)
    assert message in refusal(router, "--prompts", router / "data.json", "--output", router / "ours.json")
    assert not (router / "ours.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "is no object of names"),
        ('{"model-0": ""}', "is no object of names"),
        ('{"gpt": "x"}', "no model 'gpt'"),
        ('{"model-0": "model-1"}', "two models are called 'model-1'"),
    ],
)
def test_wrong_names_are_one_line(router, content, message):
    (router / "names.json").write_text(content)
    more = ("--model-names", router / "names.json", "--output", router / "ours.json")
    assert message in refusal(router, "--prompts", lines(router), *more)


def test_options_that_are_missing_or_do_not_belong(router):
    assert "needs --prompts FILE" in refusal(router, "--output", router / "ours.json")
    assert "NAME.json" in refusal(router, "--prompts", lines(router), "--output", router / "ours.csv")
    assert "no such" in refusal(router, "--prompts", router / "none.json", "--output", router / "a.json").lower()
    with pytest.raises(SystemExit, match="--optimality is no option of --to vllm-semantic-router"):
        main(["export", str(router / "router"), "--to", "vllm-semantic-router", "--optimality", "x"])
    with pytest.raises(SystemExit, match="--keep is no option of --to onnx"):
        main(["export", str(router / "router"), "--keep", "0.9"])
    with pytest.raises(SystemExit, match="say one of willingness_to_pay"):
        main(["export", str(router / "router"), "--to", "vllm-semantic-router"])


def refusal(folder, *more):
    words = ["export", str(folder / "router"), "--to", "routerarena", "--willingness-to-pay", "0.1", *map(str, more)]
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert "\n" not in stop.value.code
    return stop.value.code
