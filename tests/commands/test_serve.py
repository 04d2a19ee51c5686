"""`python -m routerbench serve DIR` as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import PROMPTS, folder, stub, stub_server  # noqa: F401 (fixtures)
from tests.serving.running import wait_for

ROOT = Path(__file__).parents[2]


def start(*options):
    environment = {name: value for name, value in os.environ.items() if name != "ROUTERBENCH_API_KEY"}
    return subprocess.Popen(
        [sys.executable, "-m", "routerbench", "serve", *map(str, options)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def is_ready(url):
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_sigterm_finishes_what_is_in_flight(folder, stub, tmp_path):  # noqa: F811
    stub.pause = 1.0
    providers, port = tmp_path / "providers.yaml", free_port()
    providers.write_text(f"model-0: {{model: openai/up, api_base: '{stub.url}', api_key: x}}\n")
    process = start(
        folder, "--willingness-to-pay", "0.002", "--providers", providers, "--port", port, "--device", "cpu"
    )
    try:
        url, answers = f"http://127.0.0.1:{port}", []
        wait_for(lambda: is_ready(url) or process.poll() is not None, seconds=120)
        assert process.poll() is None, process.stdout.read()
        assert httpx.post(f"{url}/v1/route", json={"prompts": PROMPTS}).status_code == 200
        body = {"model": "router", "messages": [{"role": "user", "content": "Hi"}]}
        thread = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60))
        )
        thread.start()
        wait_for(lambda: stub.bodies)
        process.send_signal(signal.SIGTERM)
        thread.join()
        assert answers[0].json()["choices"][0]["message"]["content"] == "Forty-two!"
        process.wait(timeout=30)
        assert process.returncode in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "1e-9"], "below what the cheapest choice cost on validation"),
        (["--queue", "0"], "--queue must be at least 1, got 0"),
        (["--backend", "onnx"], "python -m routerbench export"),
        (["--providers", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_line(folder, options, message):  # noqa: F811
    process = start(folder, "--device", "cpu", *options)
    output, _ = process.communicate(timeout=120)
    last = output.splitlines()[-1]
    assert process.returncode == 1
    assert last.startswith("error: ")
    assert message in last
    assert "Traceback" not in output
