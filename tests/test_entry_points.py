"""Every option of ``conf/``, found by globbing, is composed and run: train, then evaluate."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from safetensors.numpy import save_file

import evaluate
import routerbench
import train
from routerbench.data.demo import make_world
from routerbench.data.outcomes import OutcomeTable
from routerbench.data.split import assign_split, prompt_keys
from tests.conftest import write_bert

ROOT = Path(__file__).parent.parent
# What conf/sweep holds is for W&B, not for Hydra; tests/test_sweeps.py runs it.
FILES = sorted((p.parent.name, p.stem) for p in (ROOT / "conf").glob("*/*.yaml") if p.parent.name != "sweep")
POLICIES = [(group, option) for group, option in FILES if group in ("cascade", "budget")]
ABSTENTIONS = [option for group, option in FILES if group == "abstention"]
OPTIONS = [choice for choice in FILES if choice not in POLICIES and choice[0] != "abstention"]


def write_wide(table: OutcomeTable, path: Path, **columns) -> Path:
    columns = {
        "sample_id": list(table.ids),
        "prompt": list(table.prompts),
        "eval_name": list(table.benchmark),
    } | columns
    columns |= dict(zip(table.models, table.quality.T, strict=True))
    columns |= {f"{model}|total_cost": cost for model, cost in zip(table.models, table.cost.T, strict=True)}
    pq.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A table, embeddings for it and a tiny encoder with random weights."""
    folder = tmp_path_factory.mktemp("files")
    table = make_world(200, seed=5).table
    write_wide(table, folder / "table.parquet")
    np.save(folder / "vectors.npy", np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32))
    np.save(folder / "demo.npy", np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32))
    write_bert(folder / "bert", table.prompts)
    (folder / "static").mkdir()
    shutil.copy(folder / "bert" / "tokenizer.json", folder / "static")
    vectors = np.random.default_rng(0).normal(size=(2000, 6)).astype(np.float32)
    save_file({"embeddings": vectors}, folder / "static" / "model.safetensors")
    return folder


def run(entry, config, tmp_path, *overrides):
    """Compose ``config`` as the command line would and call ``main`` with it."""
    overrides = [f"output_dir={tmp_path}", f"cache_dir={tmp_path / 'cache'}", *overrides]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        HydraConfig.instance().set_config(compose(config, overrides, return_hydra_config=True))
        return entry.main(compose(config, overrides))


QUICK = ("data.num_prompts=300", "encoder=hashing", "encoder.dim=32", "trainer.max_epochs=1", "trainer.accelerator=cpu")


# Ways to train that not every router can take.
NEEDS_ROUTER = {
    "closed_form": "constant",
    "contrastive": "routerdc",
    "regret": "rm_softmax",
    "three_classes": "bert_classifier",
}


END_TO_END = [("finetune", "full"), ("finetune", "lora"), ("router", "encoder"), ("router", "bert_classifier")]


def end_to_end(files, *overrides):
    """The overrides of a run that trains the tiny encoder, too."""
    encoder = ["encoder=huggingface", f"encoder.name={files / 'bert'}", "encoder.device=cpu"]
    return [QUICK[0], *QUICK[3:], *encoder, *overrides, "finetune.max_epochs=1"]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_trains_and_evaluates(group, option, files, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    overrides = {
        ("data", "table"): ["data=table", f"data.path={files / 'table.parquet'}", *QUICK[1:]],
        ("data", "routerbench"): ["data=routerbench", *QUICK[1:]],
        ("encoder", "precomputed"): ["encoder=precomputed", f"encoder.path={files / 'demo.npy'}"],
        ("encoder", "huggingface"): ["encoder=huggingface", f"encoder.name={files / 'bert'}"],
        ("encoder", "minilm"): ["encoder=minilm"],
        ("encoder", "readable"): ["encoder=readable"],
        ("encoder", "static"): ["encoder=static", f"encoder.name={files / 'static'}"],
        ("encoder", "combined"): ["encoder=combined", "encoder.parts=[{encoder:hashing,dim:32},{encoder:readable}]"],
        ("experiment", "new_models"): [*QUICK, "router=knn", "experiment=new_models", "experiment.num_prompts=[10,30]"],
        ("experiment", "leaderboard"): [
            *QUICK,
            "experiment=leaderboard",
            "experiment.routers=[constant,mlp]",
            "experiment.seeds=[0,1]",
            "experiment.resamples=20",
        ],
        **{
            ("training", option): [*QUICK, f"router={router}", f"training={option}", "finetune=none"]
            for option, router in NEEDS_ROUTER.items()
        },
        **{
            choice: [*QUICK, f"online={choice[1]}", "online.num_orders=2"]
            for choice in OPTIONS
            if choice[0] == "online"
        },
        ("training", "distill"): [*QUICK, "training=distill", f"training.teacher={tmp_path / 'teacher' / 'router'}"],
        **{choice: end_to_end(files, f"{choice[0]}={choice[1]}") for choice in END_TO_END},
    }.get((group, option), [*QUICK, f"{group}={option}"])
    if option == "distill":
        run(train, "train", tmp_path / "teacher", *QUICK, "router=linear")
    if (group, option) == ("data", "routerbench"):
        serve_routerbench(files, monkeypatch)
    if group == "encoder" and option != "hashing":
        overrides = [QUICK[0], *QUICK[3:], *overrides]
    aiq = run(train, "train", tmp_path / "train", *overrides)
    if group == "experiment":
        name = "leaderboard" if option == "leaderboard" else "experiment"
        assert {f"{name}.md", f"{name}.png", "report.html"} <= {path.name for path in (tmp_path / "train").iterdir()}
        return
    if group == "online":
        assert {"online.md", "online.png", "report.html"} <= {path.name for path in (tmp_path / "train").iterdir()}
    assert 0 < aiq <= 1
    run(evaluate, "evaluate", tmp_path / "evaluate", f"routers=[{tmp_path / 'train' / 'router'}]", "resamples=20")
    metrics = json.loads((tmp_path / "evaluate" / "metrics.json").read_text())
    (name,) = metrics["routers"]
    assert name == (option if group in ("router", "online") else NEEDS_ROUTER.get(option, "mlp"))
    assert 0 < metrics["routers"][name]["aiq"]["value"] <= metrics["references"]["oracle"]["aiq"]["value"]


@pytest.mark.parametrize(("group", "option"), POLICIES)
def test_every_policy_plays(group, option, trained, tmp_path):
    overrides = [f"routers=[{trained / 'knn' / 'router'}]", f"{group}={option}", "resamples=20", "baselines=[]"]
    run(evaluate, "evaluate", tmp_path, *overrides)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    routers = metrics["routers"]
    assert {name.partition("+")[2].partition(" ")[0] for name in routers} == {"", option}
    assert all(0 < figures["aiq"]["value"] < 1 for figures in routers.values())
    assert {metrics["information"][name] for name in routers if "+" not in name} == {"prompt only"}
    for name, figures in routers.items():
        spent = [one["cost"]["value"] for one in figures["realised"]]
        assert (len(spent) > 1) == ("+" in name)
        assert not spent or spent[0] < spent[-1], "from the thriftiest on"


@pytest.mark.parametrize("option", ABSTENTIONS)
def test_every_abstention_is_reported(option, trained, tmp_path):
    overrides = [f"routers=[{trained / 'knn' / 'router'}]", f"abstention={option}", "resamples=0", "baselines=[]"]
    run(evaluate, "evaluate", tmp_path, *overrides)
    assert "| knn " in (tmp_path / "abstention.md").read_text()
    assert (tmp_path / "abstention.png").stat().st_size > 1000


def serve_routerbench(files, monkeypatch):
    """Let the download return a small table in RouterBench's layout, with its own checksum."""
    import hashlib

    import huggingface_hub
    import pandas as pd

    from routerbench.data import routerbench as reader

    columns = pq.read_table(files / "table.parquet").to_pydict()
    columns["eval_name"] = np.resize(["mmlu-anatomy", "mmlu-law", "mbpp", "chinese_idioms"], 200).tolist()
    columns["prompt"] = [repr([prompt]) for prompt in columns["prompt"]]
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    frame.columns = pd.Index(list(columns), dtype=object)
    path = files / "routerbench_0shot.pkl"
    frame.to_pickle(path)
    monkeypatch.setitem(reader.SHA256, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    for name in ("hf_hub_download", "try_to_load_from_cache"):
        monkeypatch.setattr(huggingface_hub, name, lambda *args, **options: str(path))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An MLP and a kNN router on the demo world, evaluated together: what ``make demo`` does, but smaller."""
    folder = tmp_path_factory.mktemp("trained")
    quick = ("data.num_prompts=600", "encoder=hashing", "encoder.dim=256", "trainer.accelerator=cpu")
    for router in ("mlp", "knn"):
        run(train, "train", folder / router, f"router={router}", *quick)
    run(evaluate, "evaluate", folder / "both", f"routers=[{folder / 'mlp' / 'router'},{folder / 'knn' / 'router'}]")
    return folder


def test_the_report_is_complete_and_consistent(trained):
    folder = trained / "both"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["routers"]) == {"mlp", "knn"}
    assert set(metrics["references"]) == {
        "zero_router", "best_single", "benchmark_oracle", "oracle", "random", "linear"
    }  # fmt: skip
    curves = pq.read_table(folder / "curves.parquet")
    assert {"router", "lambda", "cost", "quality"} <= set(curves.column_names)
    for name, figures in metrics["routers"].items():
        of_router = curves.filter(pa.compute.equal(curves["router"], name))
        assert of_router["quality"].to_numpy().max() <= figures["peak_quality"]["value"] + 1e-12
        zero = metrics["references"]["zero_router"]["aiq"]["value"]
        assert figures["delta_aiq_zero"]["value"] == pytest.approx(figures["aiq"]["value"] - zero)
    for name in ("table.md", "frontier.png", "report.html"):
        assert (folder / name).stat().st_size > 500


@pytest.mark.parametrize("name", ["mlp", "knn"])
def test_a_loaded_router_agrees_with_what_evaluate_wrote(trained, name):
    written = pq.read_table(trained / "both" / "predictions" / f"{name}.parquet")
    table = make_world(600, seed=0).table
    prompts = dict(zip(table.ids, table.prompts, strict=True))
    loaded = routerbench.load(trained / name / "router")
    prediction = loaded.predict([prompts[id_] for id_ in written["sample_id"].to_pylist()])
    for m, model in enumerate(loaded.models):
        np.testing.assert_allclose(prediction.quality[:, m], written[model].to_numpy(), atol=1e-5)
        np.testing.assert_allclose(prediction.cost[:, m], written[f"{model}|total_cost"].to_numpy(), rtol=1e-5)


def test_seeds_of_one_router_are_pooled_and_other_options_get_a_number(trained, tmp_path):
    quick = ("data.num_prompts=600", "encoder=hashing", "encoder.dim=256", "trainer.accelerator=cpu")
    run(train, "train", tmp_path / "seed", "router=mlp", *quick, "seed=1", "trainer.max_epochs=3")
    folders = [trained / "mlp" / "router", tmp_path / "seed" / "router"]
    options = ("resamples=50", "baselines=[]")
    run(evaluate, "evaluate", tmp_path / "two", f"routers=[{folders[0]},{folders[1]}]", *options)
    assert set(json.loads((tmp_path / "two" / "metrics.json").read_text())["routers"]) == {"mlp-1", "mlp-2"}
    run(train, "train", tmp_path / "same", "router=mlp", *quick, "seed=1")
    run(evaluate, "evaluate", tmp_path / "one", f"routers=[{folders[0]},{tmp_path / 'same' / 'router'}]", *options)
    (name, figures), *others = json.loads((tmp_path / "one" / "metrics.json").read_text())["routers"].items()
    assert (name, others) == ("mlp", [])
    assert figures["aiq"]["value"] == pytest.approx(np.mean(figures["seed_aiq"]))
    assert len(set(figures["seed_aiq"])) == 2
    assert (tmp_path / "one" / "predictions" / "mlp-1.parquet").exists()


def test_seeds_of_a_fine_tuned_router_are_pooled_each_with_its_own_encoder(files, tmp_path):
    for seed in (0, 1):
        run(train, "train", tmp_path / str(seed), *end_to_end(files, "finetune=full", f"seed={seed}"))
    folders = [tmp_path / str(seed) / "router" for seed in (0, 1)]
    run(evaluate, "evaluate", tmp_path, f"routers=[{folders[0]},{folders[1]}]", "resamples=0", "baselines=[]")
    ((name, figures),) = json.loads((tmp_path / "metrics.json").read_text())["routers"].items()
    assert (name, len(figures["seed_aiq"])) == ("mlp", 2)
    for seed, folder in enumerate(folders):
        written = pq.read_table(tmp_path / "predictions" / f"mlp-{seed}.parquet")
        loaded = routerbench.load(folder)
        prompts = dict(zip((table := make_world(300, seed=0).table).ids, table.prompts, strict=True))
        prediction = loaded.predict([prompts[id_] for id_ in written["sample_id"].to_pylist()])
        np.testing.assert_allclose(prediction.quality[:, 0], written[loaded.models[0]].to_numpy(), atol=1e-5)


def test_other_data_can_be_evaluated_without_the_prompts_a_router_learned_from(trained, files, tmp_path):
    routers, *quick = f"routers=[{trained / 'knn' / 'router'}]", "resamples=0", "baselines=[]"
    run(evaluate, "evaluate", tmp_path, routers, *quick, "data=table", f"data.path={files / 'table.parquet'}")
    assert json.loads((tmp_path / "metrics.json").read_text())["source"].endswith("table.parquet")
    table = make_world(600, seed=0).table
    path = write_wide(table, tmp_path / "same.parquet")
    seen = set(routerbench.load(trained / "knn" / "router").seen.tolist())
    split = assign_split(table, seed=1).part("test").prompts
    leaked = sum(int(key) in seen for key in prompt_keys(split))
    assert leaked > len(split) / 2
    with pytest.raises(
        SystemExit, match=rf"another split of .* learned from {leaked} of its {len(split)} test prompts"
    ):
        run(evaluate, "evaluate", tmp_path, routers, "data=table", f"data.path={path}", "data.seed=1")
    # A table of its own that shares some prompts: those are left out, and counted.
    other = write_wide(table.take(np.arange(500)), tmp_path / "other.parquet")
    run(evaluate, "evaluate", tmp_path, routers, *quick, "data=table", f"data.path={other}", "data.seed=1")
    split = assign_split(table.take(np.arange(500)), seed=1).part("test").prompts
    scored = json.loads((tmp_path / "metrics.json").read_text())["num_scored"]
    assert scored == sum(int(key) not in seen for key in prompt_keys(split)) < len(split) / 2
    fewer = write_wide(table.select_models(table.models[:4]), tmp_path / "fewer.parquet")
    with pytest.raises(SystemExit, match=r"other models than.*mixtral-8x7b"):
        run(evaluate, "evaluate", tmp_path, routers, "data=table", f"data.path={fewer}")


def test_routers_of_different_data_need_to_be_told_which(trained, tmp_path):
    run(train, "train", tmp_path / "other", "router=constant", *QUICK)
    routers = f"routers=[{trained / 'mlp' / 'router'},{tmp_path / 'other' / 'router'}]"
    with pytest.raises(SystemExit, match=r"different data.*data=\.\.\."):
        run(evaluate, "evaluate", tmp_path / "evaluate", routers)


@pytest.mark.parametrize("entry", ["train", "evaluate"])
def test_an_unknown_option_of_any_group_ends_the_program(entry):
    """None is ignored, so that no other job runs than the one that was meant."""
    listed = re.findall(r"^  - (\w+): ", (ROOT / "conf" / f"{entry}.yaml").read_text(), re.MULTILINE)
    groups = [group for group in listed if (ROOT / "conf" / group).is_dir()]
    assert len(groups) > 5
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for group in groups:
            for word in ("nope", "[nope]") if group in ("cascade", "budget", "abstention") else ("nope",):
                with pytest.raises(MissingConfigException, match=f"{group}/nope"):
                    compose(entry, [f"{group}={word}"])


def test_a_card_cannot_name_a_function_to_call(trained, tmp_path):
    shutil.copytree(trained / "knn" / "router", tmp_path / "router")
    card = json.loads((tmp_path / "router" / "router.json").read_text())
    card["data"]["config"] = {"_target_": "os.system", "command": f"touch {tmp_path / 'hacked'}"}
    (tmp_path / "router" / "router.json").write_text(json.dumps(card))
    with pytest.raises(SystemExit, match=r"refuses to call 'os\.system'"):
        run(evaluate, "evaluate", tmp_path, f"routers=[{tmp_path / 'router'}]")
    assert not (tmp_path / "hacked").exists()


def test_a_table_without_cost_gives_quality_only_results(files, tmp_path):
    table = make_world(200, seed=5).table
    columns = {"prompt": list(table.prompts)} | dict(zip(table.models, table.quality.T, strict=True))
    pq.write_table(pa.table(columns), tmp_path / "free.parquet")
    data = ("data=table", f"data.path={tmp_path / 'free.parquet'}")
    for router in ("mlp", "knn"):
        run(train, "train", tmp_path / router, f"router={router}", *data, *QUICK[1:])
    run(evaluate, "evaluate", tmp_path, f"routers=[{tmp_path / 'mlp' / 'router'},{tmp_path / 'knn' / 'router'}]")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["cost_interval"] is None
    assert metrics["routers"]["mlp"]["aiq"]["value"] is None
    assert 0 < metrics["routers"]["mlp"]["peak_quality"]["value"] <= 1
    assert "no cost" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sed=1"], "sed"),
        (["router.hiddn=[3]"], "hiddn"),
        (["router=nope"], "nope"),
        (["trainer.max_epoch=3"], "max_epoch"),
        (["training.monitor=val/acc"], "val/acc"),
        (["data=table", "data.path=nowhere.csv"], "nowhere.csv"),
        (["encoder=precomputed", "encoder.path=nowhere.npy"], "nowhere.npy"),
        (["seed=abc"], "seed"),
        (["data=table"], "data.path"),
        (["seed=-1"], "seed must be from 0"),
        (["data.num_prompts=0"], "num_prompts"),
        (["training.batch_size=0"], "training.batch_size must be at least 1"),
        (["trainer.precision=bogus"], "bogus"),
        (["calibration=bogus"], "calibration must be one of"),
        (["policy.guard=-1"], "policy.guard must be"),
    ],
)
def test_mistakes_die_before_work_starts_with_one_clear_message(overrides, message, tmp_path):
    command = [sys.executable, ROOT / "train.py", f"hydra.run.dir={tmp_path}", *overrides]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "router").exists()


@pytest.mark.parametrize("override", ["trainer.precision=bf16-mixed", "router.hidden=[]", "training.monitor=val/aiq"])
def test_values_that_the_readme_suggests_work_with_the_defaults(override, tmp_path):
    assert 0 < run(train, "train", tmp_path, *QUICK, override) < 1


def test_multirun_trains_every_combination(tmp_path):
    command = [sys.executable, ROOT / "train.py", "-m", "router=knn,linear", "seed=0,1", *QUICK]
    places = [f"hydra.sweep.dir={tmp_path / 'sweep'}", f"cache_dir={tmp_path / 'cache'}"]
    subprocess.run([*command, *places], check=True, capture_output=True)
    cards = [json.loads(path.read_text()) for path in sorted((tmp_path / "sweep").glob("*/router/router.json"))]
    assert [card["name"] for card in cards] == ["knn", "knn", "linear", "linear"]
    assert len({card["data"]["split_digest"] for card in cards}) == 1  # seeds share one split


@pytest.mark.parametrize(("entry", "word"), [("train.py", "router"), ("evaluate.py", "data")])
def test_help_lists_the_options(entry, word):
    done = subprocess.run([sys.executable, ROOT / entry, "--help"], capture_output=True, text=True, check=True)
    for option in sorted(path.stem for path in (ROOT / "conf" / word).glob("*.yaml")):
        assert option in done.stdout


def test_two_processes_train_as_one(files, tmp_path):
    """DDP over two processes takes the same batches, and comes to the same weights."""
    from safetensors.numpy import load_file

    # Dropout would be drawn by each process for itself.
    shutil.copytree(files / "bert", tmp_path / "bert")
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "bert" / "config.json").write_text(json.dumps(config))
    arguments = [
        *end_to_end(tmp_path, "router=encoder"),
        *("finetune.batch_tokens=1500", "finetune.warm_start=false", f"cache_dir={tmp_path / 'cache'}"),
    ]
    for name, number, more in (("one", 1, []), ("two", 2, ["trainer=ddp", "trainer.devices=2"])):
        command = [sys.executable, str(ROOT / "train.py"), *arguments, *more, f"hydra.run.dir={tmp_path / name}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{number} processes" in done.stdout
    original = load_file(tmp_path / "bert" / "model.safetensors")
    for file in ("weights.safetensors", "encoder/model.safetensors"):
        one, two = (load_file(tmp_path / name / "router" / file) for name in ("one", "two"))
        assert one.keys() == two.keys()
        for key in one:
            np.testing.assert_allclose(two[key], one[key], atol=1e-5, err_msg=key)
    assert any((one[key] != original[key]).any() for key in original), "the encoder has learned"
