import hashlib
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest

from routerbench.data import routerbench
from routerbench.errors import InputError

NAME = "routerbench_0shot.pkl"
TASKS = ["mmlu-anatomy", "mmlu-law", "mtbench", "mtbench-math", "grade-school-math", "arc-challenge", "chinese_poem"]


def published(num_rows=70):
    """The bytes of a small table in RouterBench's form."""
    tasks = [TASKS[i % len(TASKS)] for i in range(num_rows)]
    columns = {
        "sample_id": [f"{task}.val.{i}" for i, task in enumerate(tasks)],
        "prompt": [repr([f"Question {i}?"]) for i in range(num_rows)],
        "eval_name": tasks,
        "gpt": [float(i % 2) for i in range(num_rows)],
        "llama": [0.75] * num_rows,
        "llama|total_cost": [0.001] * num_rows,
        "gpt|total_cost": [0.01] * num_rows,
        "oracle_model_to_route_to": ["gpt"] * num_rows,
    }
    frame = pd.DataFrame({name: pd.Series(c, dtype=float if "|" in name else object) for name, c in columns.items()})
    frame.columns = pd.Index(list(columns), dtype=object)
    return pickle.dumps(frame, protocol=5)


@pytest.fixture
def at_hand(tmp_path, monkeypatch):
    """The small table in place of the published one, already downloaded."""
    path = tmp_path / NAME
    path.write_bytes(published())
    monkeypatch.setitem(routerbench.SHA256, NAME, hashlib.sha256(published()).hexdigest())
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *args, **options: str(path))
    return path


def test_tasks_are_grouped_and_those_outside_the_paper_left_out(at_hand, caplog):
    with caplog.at_level(logging.INFO):
        table = routerbench.load()
    assert set(table.benchmark) == {"mmlu", "mtbench", "grade-school-math", "arc-challenge"}
    assert (table.benchmark == "mmlu").sum() == 20
    assert table.prompts[0] == "Question 0?"
    assert table.models == ("gpt", "llama")
    assert table.rows.tolist() == [i for i in range(70) if i % 7 != 6]
    assert "10 of 70 prompts are of tasks outside the paper" in caplog.text
    assert {"train", "val", "test"} == set(table.split)


def test_options_reach_the_table(at_hand):
    everything = routerbench.load(all_benchmarks=True, seed=1)
    assert (everything.benchmark == "chinese_poem").sum() == 10
    some = routerbench.load(models=["llama", "gpt"], benchmarks=["mmlu", "mtbench"], holdout_benchmarks=["mtbench"])
    assert some.models == ("llama", "gpt")
    assert set(some.benchmark) == {"mmlu", "mtbench"}
    assert set(some.split[some.benchmark == "mtbench"]) == {"test"}
    with pytest.raises(
        InputError, match=r"no benchmark 'chinese_poem' .*arc-challenge, grade-school-math, mmlu, mtbench"
    ):
        routerbench.load(benchmarks=["chinese_poem"])
    with pytest.raises(InputError, match=r"data\.shots is 0 or 5, not 1"):
        routerbench.load(shots=1)


def test_a_file_of_another_checksum_is_never_read(at_hand, monkeypatch):
    monkeypatch.setattr(routerbench, "read", lambda *args: pytest.fail("the file was read"))
    at_hand.write_bytes(published() + b"\n")
    other = hashlib.sha256(at_hand.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=rf"is not the published {NAME}: its sha256 is {other}, .*not read; delete it"):
        routerbench.load()


# The client reads HF_ENDPOINT when it is imported, so a process of its own asks the server.
ASK = """
import json, sys
from routerbench.data import routerbench
from routerbench.errors import InputError
routerbench.SHA256[{name!r}] = sys.argv[1]
try:
    table = routerbench.load()
    print(json.dumps([len(table), *table.models]))
except InputError as error:
    print(json.dumps(str(error)))
"""


def ask(endpoint, sha256, tmp_path, **more):
    """What ``routerbench.load()`` answers, from a fresh cache, when the hub is at ``endpoint``."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
    kept = {name: text for name, text in os.environ.items() if "proxy" not in name.lower() and "HF_" not in name}
    command = [sys.executable, "-c", ASK.format(name=NAME), sha256]
    run = subprocess.run(command, env=kept | settings | more, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(run.stdout.splitlines()[-1])


@pytest.fixture
def hub():
    """A server that has the file where the hub has it, and the list of what it was asked for."""
    content, asked = published(), []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append((self.command, self.path))
            found = self.path == f"/datasets/withmartian/routerbench/resolve/{routerbench.REVISION}/{NAME}"
            self.send_response(200 if found else 404)
            self.send_header("ETag", '"etag"')
            self.send_header("X-Repo-Commit", routerbench.REVISION)
            self.send_header("Content-Length", str(len(content) if found else 0))
            self.end_headers()
            if found and self.command == "GET":
                self.wfile.write(content)

        do_GET = do_HEAD

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_the_pinned_file_is_downloaded_once_and_read(hub, tmp_path):
    endpoint, asked = hub
    right = hashlib.sha256(published()).hexdigest()
    assert ask(endpoint, right, tmp_path) == [60, "gpt", "llama"]
    assert ask(endpoint, right, tmp_path) == [60, "gpt", "llama"]
    assert [method for method, path in asked if path.startswith("/datasets/")].count("GET") == 1
    wrong = ask(endpoint, "0" * 64, tmp_path)
    assert f"its sha256 is {right}, not {'0' * 64}; it was not read" in wrong


@pytest.mark.parametrize(("folder", "offline"), [("", "1"), ("/a/mirror/without/it", "0")])
def test_without_the_hub_the_message_says_what_to_do(hub, tmp_path, folder, offline):
    message = ask(hub[0] + folder, "0" * 64, tmp_path, HF_HUB_OFFLINE=offline)
    assert message.startswith(f"{NAME} of withmartian/routerbench cannot be downloaded (")
    assert "check the network (HF_ENDPOINT names a mirror)" in message
    assert "data=table data.path=FILE" in message
