"""Routers on a hub that this file serves: up, down, and what is refused."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import routerbench
from routerbench import artefact
from routerbench.artefact.model_card import model_card
from routerbench.artefact.reading import read
from routerbench.data.split import prompt_keys
from routerbench.encoders.hashing import HashingEncoder
from routerbench.errors import InputError
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.operating import OperatingPoints
from routerbench.evaluation.references import best_single
from routerbench.routers.knn import KNNRouter
from routerbench.routers.linear import LinearRouter
from tests.conftest import make_examples, make_table, write_bert
from tests.encoders.test_hub import Hub

NAME, TOKEN = "owner/router", "hf_secret"
LICENCES = '"license" must be one of [apache-2.0, mit]'
PROMPTS = ["What is 2 + 2?", "Prove that there are infinitely many primes."]


class WritableHub(Hub):
    """The same with what a commit needs: a new repository, how to send each file, LFS, and the commit itself."""

    def do_GET(self):
        if self.server.status:
            return self.answer(b"{}", "", *self.server.status)
        if self.server.token and self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self.answer(b"{}", "", 401, "RepoNotFound")
        name = self.path.removeprefix("/api/models/")
        if name in self.server.created:
            return self.say({"id": name, "private": self.server.created[name].get("visibility") == "private"})
        return super().do_GET()

    def do_PUT(self):
        self.server.lfs[self.path.removeprefix("/lfs/")] = self.body()
        self.answer(b"", "")

    def do_POST(self):
        path, body = self.path.split("?")[0], self.body()
        self.server.requests.append(path)
        if path == "/api/validate-yaml":  # anyone may ask
            self.server.validated = json.loads(body)["content"]
            if "license: nonsense" in self.server.validated:
                return self.answer(f"- Error: {LICENCES}".encode(), "", 400)
            return self.say({})
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.say({"error": "no right to write"}, 403)
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            if name in self.server.created:
                return self.say({"error": "exists", "url": f"{self.server.url}/{name}"}, 409)
            self.server.created[name] = asked
            (self.server.store / name / "0").mkdir(parents=True)
            self.server.models[name] = (self.server.store / name / "0", "0" * 40)
            return self.say({"url": f"{self.server.url}/{name}"})
        if "/preupload/" in path:
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".onnx", ".png")) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self.say({"files": modes})
        if path.endswith("/info/lfs/objects/batch"):
            upload = lambda oid: {"upload": {"href": f"{self.server.url}/lfs/{oid}"}}  # noqa: E731
            return self.say({"objects": [one | {"actions": upload(one["oid"])} for one in json.loads(body)["objects"]]})
        name, _ = re.fullmatch(r"/api/models/(.+)/commit/(.+)", path).groups()
        return self.say(self.commit(name, [json.loads(line) for line in body.splitlines()]))

    def commit(self, name, operations):
        folder, _ = self.server.models[name]
        new = folder.with_name(str(int(folder.name) + 1))
        shutil.copytree(folder, new)
        for operation in operations:
            value = operation["value"]
            file = new / value.get("path", "")
            if operation["key"] == "deletedFile":
                file.unlink()
            elif operation["key"] != "header":
                is_lfs = operation["key"] == "lfsFile"
                content = self.server.lfs[value["oid"]] if is_lfs else base64.b64decode(value["content"])
                assert not is_lfs or hashlib.sha256(content).hexdigest() == value["oid"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        commit = hashlib.sha1(str(new).encode()).hexdigest()
        self.server.models[name] = (new, commit)
        return {"success": True, "commitUrl": f"{self.server.url}/{name}/commit/{commit}", "commitOid": commit}

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def say(self, answer, status=200):
        self.answer(json.dumps(answer).encode(), "", status)

    def answer(self, body, *rest):
        super().answer(body, *rest)
        if self.command not in ("GET", "HEAD"):
            self.wfile.write(body)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), WritableHub)
    server.models, server.requests, server.created, server.lfs, server.store = {}, [], {}, {}, tmp_path / "store"
    server.token = server.status = None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    # What the environment says counts when huggingface_hub is first imported, which other tests may have done.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def trained(tmp_path):
    """A router on hashed n-grams that knows what it came to on validation, saved and loaded."""
    train, val = make_examples(300, seed=0)[0], make_examples(100, seed=1)[0]
    router = LinearRouter(8, 3, [10.0])
    router.fit(train, val, validation_aiq)
    points = OperatingPoints.of(router.predict(val.embeddings), val.table, best_single(train.table))
    data = {"config": {"_target_": "routerbench.data.table.load", "path": "/home/me/secret/log.csv"},
            "digest": "d1", "split_digest": "s1"}  # fmt: skip
    seen = prompt_keys(train.table.prompts)
    artefact.save(tmp_path / "r", router, HashingEncoder(dim=8), train.table, data, {"val/aiq": 0.5}, seen, {}, points)
    return routerbench.load(tmp_path / "r")


def tuned(folder):
    """A router whose encoder travels with it."""
    from routerbench.encoders.finetuned import FineTunedEncoder

    write_bert(folder / "weights", PROMPTS)
    encoder = FineTunedEncoder(str(folder / "weights"), device="cpu", dtype="float32", max_length=32)
    train = make_examples(300, seed=0, dim=16)[0]
    router = LinearRouter(16, 3, [10.0])
    router.fit(train, train, validation_aiq)
    artefact.save(folder / "tuned", router, encoder, train.table, {}, {}, np.empty(0, np.uint64))
    return folder / "tuned"


def remote(hub, name=NAME):
    folder = hub.models[name][0]
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def same(ours, theirs):
    for mine, other in zip(ours.predict(PROMPTS)[:2], theirs.predict(PROMPTS)[:2], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_up_and_down_again(hub, trained):
    address = trained.push_to_hub(NAME, private=True, license="cc-by-4.0")
    assert address == f"{hub.url}/{NAME}/commit/{hub.models[NAME][1]}"
    assert hub.created[NAME]["visibility"] == "private"
    assert remote(hub) == {"router.json", "weights.safetensors", "README.md", "frontier.png"}
    (hub.models[NAME][0] / "evil.py").write_text("raise SystemExit")
    loaded = routerbench.load(NAME)
    same(loaded, trained)
    assert loaded.lambda_for(keep=0.9) == trained.lambda_for(keep=0.9)
    assert {file.name for file in loaded.folder.iterdir()} == {"router.json", "weights.safetensors"}
    assert loaded.folder.name == hub.models[NAME][1]
    assert loaded.digest == trained.digest


def test_an_encoder_goes_along_and_an_old_one_goes(hub, tmp_path, trained):
    ours = routerbench.load(tuned(tmp_path), device="cpu")
    ours.push_to_hub(NAME)
    assert {"encoder/model.safetensors", "encoder/config.json", "encoder/tokenizer.json"} <= remote(hub)
    same(routerbench.load(NAME, device="cpu"), ours)
    (hub.models[NAME][0] / "notes.txt").write_text("mine")
    trained.push_to_hub(NAME)
    assert remote(hub) == {"router.json", "weights.safetensors", "README.md", "frontier.png", "notes.txt"}
    same(routerbench.load(NAME), trained)


def test_graphs_go_along_and_come_down_where_they_are_wanted(hub, trained):
    graphs = {"encoder.onnx": b"graph", "tokenizer.json": b"{}", "router.onnx": b"another"}
    for name, content in graphs.items():
        (trained.folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in graphs.items()}
    # Neither part says that it is a graph, so that loading only compares the files with their digests.
    exported = {"weights_sha256": trained.card["weights_sha256"], "encoder": None, "router": None, "files": digests}
    (trained.folder / "onnx.json").write_text(json.dumps(exported))
    trained.push_to_hub(NAME)
    assert {*graphs, "onnx.json"} <= remote(hub)
    assert {file.name for file in routerbench.load(NAME).folder.iterdir()} == {"router.json", "weights.safetensors"}
    loaded = routerbench.load(NAME, backend="onnx")
    assert {*graphs, "onnx.json"} <= {file.name for file in loaded.folder.iterdir()}
    same(loaded, trained)


def test_a_stale_export_is_refused(hub, tmp_path, trained):
    (trained.folder / "onnx.json").write_text(json.dumps({"weights_sha256": "other", "files": {}}))
    with pytest.raises(InputError, match="the export of another router"):
        trained.push_to_hub(NAME)
    assert not hub.models


def test_what_was_changed_after_loading(hub, tmp_path, trained):
    knn = KNNRouter(8, 3, [5], "uniform")
    train = make_examples(50, seed=0)[0]
    knn.fit(train, train, validation_aiq)
    artefact.save(tmp_path / "knn", knn, HashingEncoder(dim=8), train.table, {}, {}, np.empty(0, np.uint64))
    grown = routerbench.load(tmp_path / "knn").add_model("new", PROMPTS, [1, 0], [1e-3, 1e-3])
    grown.push_to_hub(NAME)
    assert routerbench.load(NAME).models[-1] == "new"
    same(routerbench.load(NAME), grown)
    assert f"digest {routerbench.load(NAME).digest}" in (hub.models[NAME][0] / "README.md").read_text()
    shutil.copy(tmp_path / "knn" / "weights.safetensors", trained.folder)
    with pytest.raises(InputError, match="changed since it was loaded; load it again"):
        trained.push_to_hub(NAME)


def test_a_card_that_was_changed_or_lost_after_loading(hub, trained):
    file = trained.folder / "router.json"
    card = json.loads(file.read_text())
    card["mean_cost_usd_per_prompt"]["model-0"] *= 2
    file.write_text(json.dumps(card))
    with pytest.raises(InputError, match="changed since it was loaded; load it again"):
        trained.push_to_hub(NAME)
    again = routerbench.load(trained.folder)
    again.push_to_hub(NAME)
    assert routerbench.load(NAME).card == again.card == card
    shutil.rmtree(trained.folder)
    with pytest.raises(InputError, match=r"router\.json: is gone since the router was loaded"):
        again.push_to_hub(NAME)


def test_a_figure_that_is_no_number_is_no_change(hub, trained):
    file = trained.folder / "router.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"validation": {"val/aiq": float("nan")}}))
    routerbench.load(trained.folder).push_to_hub(NAME)


@pytest.mark.parametrize(("was", "wanted"), [("public", True), ("private", False)])
def test_a_repository_of_the_other_visibility_is_refused(hub, trained, was, wanted):
    trained.push_to_hub(NAME, private=not wanted)
    before = hub.models[NAME]
    with pytest.raises(InputError, match=f"owner/router exists and is {was}; private={wanted} holds for new") as found:
        trained.push_to_hub(NAME, private=wanted)
    assert "\n" not in str(found.value)
    assert hub.models[NAME] == before, "nothing went up"
    for agreed in (not wanted, None):
        trained.push_to_hub(NAME, private=agreed)


def test_a_licence_that_the_hub_does_not_know_is_told_before_anything_is_made(hub, trained):
    with pytest.raises(InputError, match="the hub refuses the card: - Error: ") as found:
        trained.push_to_hub(NAME, license="nonsense")
    assert LICENCES in str(found.value)
    assert "\n" not in str(found.value)
    assert not hub.created


def test_revisions(hub, trained):
    trained.push_to_hub(NAME)
    first = hub.models[NAME]
    assert routerbench.load(NAME, revision=first[1]).folder.name == first[1]
    with pytest.raises(InputError, match=r"router owner/router \(revision v9\)"):
        routerbench.load(NAME, revision="v9")


def test_a_folder_wins(hub, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.folder, NAME)
    assert routerbench.load(NAME).folder == Path(NAME)
    assert not hub.requests
    with pytest.raises(InputError, match="a folder here has no revision"):
        routerbench.load(NAME, revision="main")


def test_a_private_router_needs_the_token(hub, trained, monkeypatch):
    trained.push_to_hub(NAME)
    hub.token = TOKEN
    same(routerbench.load(NAME), trained)
    hub.models[NAME] = (hub.models[NAME][0], "a" * 40)  # nothing of it is in the cache
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(InputError, match=r"owner/router.*neither a folder here nor"):
        routerbench.load("owner/router", revision="a" * 40)
    same(routerbench.load(NAME, revision="a" * 40, token=TOKEN), trained)


def test_what_cannot_be_had_is_one_line_with_the_name(hub, trained):
    cases = [((404, "RepoNotFound"), "neither a folder here"), ((403, "GatedRepo"), "grants access one by one"),
             ((418, None), "check the network")]  # fmt: skip
    for status, message in cases:
        hub.status = status
        with pytest.raises(InputError, match=message) as found:
            routerbench.load(NAME)
        assert str(found.value).startswith("router owner/router")
        assert "\n" not in str(found.value)
    hub.status = None
    trained.push_to_hub(NAME)
    (hub.models[NAME][0] / "router.json").unlink()
    with pytest.raises(InputError, match=r"router owner/router on the hub.*router\.json is missing"):
        routerbench.load(NAME)
    for wrong in ("a/b/c", "router", Path(NAME)):
        with pytest.raises(InputError, match="give a folder that training wrote, or owner/name"):
            routerbench.load(wrong)


def test_a_refused_commit(hub, trained, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(InputError, match=r"owner/router: the hub refuses; HF_TOKEN") as found:
        trained.push_to_hub(NAME)
    assert "\n" not in str(found.value)
    with pytest.raises(InputError, match="write owner/name"):
        trained.push_to_hub("not a name")


OFFLINE = """
import sys, routerbench
try:
    print(routerbench.load(sys.argv[1]).route(["hello"], 0.01)[0].model)
except routerbench.InputError as error:
    print(error)
"""


def test_works_from_the_cache(hub, trained, tmp_path):
    trained.push_to_hub(NAME)
    routerbench.load(NAME)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "cache")}
    for name, expected in ((NAME, trained.route(["hello"], 0.01)[0].model), ("owner/other", "router owner/other")):
        done = subprocess.run([sys.executable, "-c", OFFLINE, name], env=environment, capture_output=True, text=True)
        assert done.stdout.startswith(expected), done.stderr
        assert done.stdout.count("\n") == 1


def evaluation(folder, digests, verdict="mlp keeps 95 %."):
    folder.mkdir()
    figures = {key: {"value": value} for key, value in (("aiq", 0.7), ("qnc", None), ("peak_quality", 0.8))}
    found = {"source": "log.csv", "num_scored": 1234, "verdict": verdict, "routers": {"mlp": figures},
             "origin": {"data_digest": "d1", "split_digest": "s1", "routers": {"mlp": digests}}}  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(found))
    (folder / "frontier.png").write_bytes(b"picture")
    return folder


def test_the_card_has_the_verdict_and_the_picture_of_its_evaluation(hub, trained, tmp_path):
    from huggingface_hub import ModelCard

    trained.push_to_hub(NAME, evaluation=evaluation(tmp_path / "e", ["other", trained.digest]), license="cc-by-4.0")
    folder = hub.models[NAME][0]
    assert (folder / "frontier.png").read_bytes() == b"picture"
    card = ModelCard((folder / "README.md").read_text())
    assert hub.validated == card.content
    assert (card.data.library_name, card.data.license) == ("routerbench", "cc-by-4.0")
    (result,) = card.data.to_dict()["model-index"][0]["results"]
    assert result["dataset"] == {"name": "log.csv", "type": "log.csv", "split": "test"}
    assert [(metric["name"], metric["value"]) for metric in result["metrics"]] == [("AIQ", 0.7), ("peak quality", 0.8)]
    for text in ("mlp keeps 95 %.", "1,234 test prompts of log.csv", "mean of 2 seeds", "digest d1, split digest s1",
                 'routerbench.load("owner/router")', "licence: cc-by-4.0", "validation among them: 300",
                 "(frontier.png)"):  # fmt: skip
        assert text in card.text
    assert "secret" not in card.content


def test_without_an_evaluation_it_says_validation(trained):
    card = model_card(read(trained.folder))
    assert "took no part in training" in card
    assert "frontier.png" not in card
    assert "on validation](frontier.png)" in model_card(read(trained.folder), repo_id=NAME)
    points = trained.operating
    row = int(np.flatnonzero(points.quality >= 0.9 * points.best_quality)[0])
    assert f"| 90% | {points.willingness_to_pay[row]:.4g} |" in card


def example(trained):
    """Run what the card says under "Use"."""
    code = re.search(r"```python\n(.*?)```", model_card(read(trained.folder)), re.DOTALL)[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_example_runs_with_and_without_costs(trained, tmp_path):
    assert "Decision(model=" in example(trained)
    train = make_examples(100, seed=0)[0]
    free = make_table(train.table.quality, np.full_like(train.table.cost, np.nan))
    router = LinearRouter(8, 3, [10.0])
    router.fit(replace(train, table=free), replace(train, table=free), validation_aiq)
    artefact.save(tmp_path / "free", router, HashingEncoder(dim=8), free, {}, {}, np.empty(0, np.uint64))
    loaded = routerbench.load(tmp_path / "free")
    assert "Decision(model=" in example(loaded)
    assert "cheapest" not in model_card(read(loaded.folder))


def test_odd_names_of_models_keep_to_their_cells(trained):
    names = ["a|x", "two\nlines", "plain"]
    card = {**trained.card, "mean_cost_usd_per_prompt": dict.fromkeys(names, 1e-3)}
    text = model_card(replace(read(trained.folder), card=card)).split("## Models\n\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()[2:]]
    assert rows == [["a\\|x", "1.00"], ["two lines", "1.00"], ["plain", "1.00"]]


def test_the_folder_of_an_encoder_stays_private(trained):
    encoder = {**trained.card["encoder"], "arguments": {"name": "/home/me/bert"}}
    text = model_card(replace(read(trained.folder), card={**trained.card, "encoder": encoder}))
    assert "on `bert`" in text
    assert "/home/me" not in text


def test_another_routers_evaluation_is_refused(hub, trained, tmp_path):
    with pytest.raises(InputError, match=r"does not contain this router .* only mlp \(other\)"):
        trained.push_to_hub(NAME, evaluation=evaluation(tmp_path / "e", ["other"]))
    (tmp_path / "e" / "metrics.json").write_text("{}")
    with pytest.raises(InputError, match=r"run evaluate\.py again"):
        model_card(read(trained.folder), tmp_path / "e")
    with pytest.raises(InputError, match=r"give the folder that evaluate\.py wrote"):
        model_card(read(trained.folder), tmp_path)
    assert not hub.models


def test_the_digest_is_of_all_that_decides(trained):
    others = [
        {"policy": {"guard": 1.0}},
        {"models": ["a", "b", "c"]},
        {"weights_sha256": "0"},
        {"calibration": "none "},
    ]
    digests = {replace(trained, card={**trained.card, **change}).digest for change in [*others, {"validation": {}}]}
    assert len(digests - {trained.digest}) == len(others)


def test_importing_takes_no_hub_along():
    code = "import sys, routerbench; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
