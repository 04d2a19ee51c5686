"""Throughput and latency of `POST /v1/route`, by encoder, backend and number of clients.

Server and clients run in two processes. Each client sends its next request after the answer to the last one.

python benchmarks/serve.py [--seconds 10] [--threads 1] [--minutes 5]

With --minutes a server runs that long under 16 clients and reloads its artefact in the middle. Its memory is measured
after the warm-up and at the end.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
CLIENTS = (1, 16, 64)
CASES = (("hashing", "torch"), ("hashing", "onnx"), ("minilm", "torch"), ("minilm", "onnx"))
WARM_SECONDS = 2.0


class Load(NamedTuple):
    """Results of some clients: seconds of each answer, number of answers other than 200, and of lost requests."""

    seconds: np.ndarray
    num_errors: int
    num_lost: int


async def client(port: int, requests: Sequence[bytes], first: int, until: float) -> tuple[list[float], int, int]:
    """Send requests one after the other over one connection, with raw sockets to keep the client's overhead low."""
    seconds, errors, lost, i = [], 0, 0, first
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        start = time.perf_counter()
        try:
            writer.write(requests[i % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            lost += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        seconds.append(time.perf_counter() - start)
        errors += not head.startswith(b"HTTP/1.1 200")
        i += 1
    writer.close()
    return seconds, errors, lost


def load(port: int, prompts: Sequence[str], num_clients: int, seconds: float) -> Load:
    """Load the server from this process for some seconds."""
    bodies = [json.dumps({"prompt": prompt}).encode() for prompt in prompts]
    head = "POST /v1/route HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    requests = [head.format(len(body)).encode() + body for body in bodies]

    async def run() -> list[tuple[list[float], int, int]]:
        until = time.perf_counter() + seconds
        starts = range(0, len(requests), max(1, len(requests) // num_clients))
        return await asyncio.gather(*(client(port, requests, starts[i], until) for i in range(num_clients)))

    times, errors, lost = zip(*asyncio.run(run()), strict=True)
    return Load(np.concatenate([np.array(found) for found in times]), sum(errors), sum(lost))


@contextmanager
def served(folder: Path, backend: str) -> Iterator[tuple[int, int]]:
    """Start a server, and yield its port and process id when it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "routerbench", "serve", str(folder), "--willingness-to-pay", "0.01"]
    command += ["--device", "cpu", "--backend", backend, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"the server of {folder} ended with status {process.returncode}")
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def resident_mb(pid: int) -> float:
    """Measure the resident memory of a process in MB (Linux)."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def soak(port: int, pid: int, prompts: Sequence[str], minutes: float, pool) -> str:  # noqa: ANN001
    """Load the server for minutes, reload in the middle, and report memory and lost requests."""
    pool.apply(load, (port, prompts, 16, WARM_SECONDS))
    before = resident_mb(pid)
    work = pool.apply_async(load, (port, prompts, 16, 60 * minutes))
    time.sleep(30 * minutes)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/reload", method="POST")
    urllib.request.urlopen(request).read()
    reloaded = resident_mb(pid)
    found = work.get()
    return (
        f"{len(found.seconds)} requests in {minutes:g} min, one reload: {found.num_lost} lost, {found.num_errors} "
        f"errors, p99 {1000 * np.percentile(found.seconds, 99):.1f} ms, resident {before:.0f} MB warm, "
        f"{reloaded:.0f} after the reload, {resident_mb(pid):.0f} at the end"
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--threads", type=int, default=1, help="of torch and of ONNX Runtime")
    parser.add_argument("--minutes", type=float, default=0, help="of the test of memory, for each encoder and backend")
    parser.add_argument("--cases", nargs="+", default=[" ".join(case) for case in CASES], help="as 'hashing onnx'")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)

    from latency import save_router

    from routerbench.data.demo import load as load_demo
    from routerbench.export import export

    prompts = list(load_demo(num_prompts=2000, seed=0).part("test").prompts[:500])
    print(f"{len(prompts)} prompts of the demo, mean length {np.mean([len(p) for p in prompts]):.0f} characters;")
    print(f"{os.cpu_count()} cores, {options.threads} thread(s) for predictions, {platform.machine()}\n")
    print("| encoder | backend | clients | requests/s | p50 ms | p99 ms | errors | lost |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    soaked = []
    with tempfile.TemporaryDirectory() as temporary, multiprocessing.get_context("spawn").Pool(1) as pool:
        for word, backend in (case.split() for case in options.cases):
            folder = Path(temporary) / word
            if not folder.exists():
                save_router(folder, word, num_prompts=2000)
                export(folder)
            with served(folder, backend) as (port, pid):
                pool.apply(load, (port, prompts, 16, WARM_SECONDS))
                for num_clients in CLIENTS:
                    found = pool.apply(load, (port, prompts, num_clients, options.seconds))
                    p50, p99 = 1000 * np.percentile(found.seconds, [50, 99])
                    rate = len(found.seconds) / options.seconds
                    print(
                        f"| {word} | {backend} | {num_clients} | {rate:.0f} | {p50:.1f} | {p99:.1f} | "
                        f"{found.num_errors} | {found.num_lost} |",
                        flush=True,
                    )
                if options.minutes:
                    soaked.append(f"{word}, {backend}: {soak(port, pid, prompts, options.minutes, pool)}")
    print(*(["", *soaked] if soaked else []), sep="\n")


if __name__ == "__main__":
    main()
