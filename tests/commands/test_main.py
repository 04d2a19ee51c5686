"""`python -m routerbench`: input, output and errors."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from routerbench.__main__ import main

ROWS = 60


def write_table(path, prompt="prompt", part=None, unpriced=False):
    """A CSV of two models, the second better and dearer; ``part`` is the name of a column of splits."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        header = [prompt, "eval_name", "a", "a|total_cost", "b", "b|total_cost"]
        writer.writerow(header + ["c"] * unpriced + ([part] if part else []))
        for row in range(ROWS):
            cells = [f"Prompt {row}?", "xy"[row % 2], rng.integers(2), rng.random() / 1e4, 1, rng.random() / 1e3]
            writer.writerow(cells + [1] * unpriced + (["train" if row < 40 else "test"] if part else []))
    return str(path)


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROUTERBENCH_CACHE", str(tmp_path / "cache"))


def refusal(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert "\n" not in stop.value.code  # a text: Python prints it and exits with status 1
    return stop.value.code


def test_audit_prints_and_writes(tmp_path, capsys):
    main(["audit", write_table(tmp_path / "log.csv")])
    printed = capsys.readouterr().out
    assert printed.startswith("Audit of log.csv\n60 prompts, 2 models, 2 benchmarks;")
    assert printed.endswith("page: outputs/audit/log/audit.html\n")
    assert "Audit of log.csv" in (tmp_path / "outputs/audit/log/audit.html").read_text()


def test_output(tmp_path):
    main(["audit", write_table(tmp_path / "log.csv"), "--output", str(tmp_path / "new" / "folder")])
    assert (tmp_path / "new" / "folder" / "audit.html").is_file()


@pytest.mark.parametrize(
    ("part", "options", "expected"),
    [
        ("split", [], "test 20 (the table's own split)"),
        ("split", ["--split", "none"], "test 18 (the table has no split"),
        ("part", ["--split", "part"], "test 20 (the table's own split)"),
    ],
)
def test_split(tmp_path, capsys, part, options, expected):
    main(["audit", write_table(tmp_path / "log.csv", part=part), *options])
    assert expected in " ".join(capsys.readouterr().out.split())


def test_columns(tmp_path, capsys):
    path = write_table(tmp_path / "log.csv", prompt="question")
    message = refusal("audit", path)
    assert "no column 'prompt'" in message
    assert message.endswith("say which one it is with --column prompt=NAME")
    main(["audit", path, "--column", "prompt=question"])
    assert "60 prompts" in capsys.readouterr().out
    assert "--column 'question' is not of the form WORD=NAME" in refusal("audit", path, "--column", "question")


def test_models_without_a_price_are_named(tmp_path, capsys):
    main(["audit", write_table(tmp_path / "log.csv", unpriced=True)])
    printed = capsys.readouterr().out
    assert "2 models" in printed
    assert "models without a cost are left out: c." in printed


def test_embeddings(tmp_path, capsys):
    path = write_table(tmp_path / "log.csv")
    np.save("vectors.npy", np.tile(np.eye(2, dtype=np.float32), (ROWS // 2, 1)))
    main(["audit", path, "--embeddings", "vectors.npy"])
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "(vectors.npy) of an unseen prompt a linear classifier names its benchmark with balanced accuracy 1.000"
        in printed
    )
    np.save("short.npy", np.zeros((3, 2), np.float32))
    assert "short.npy: 3 rows of embeddings, but the table has 60" in refusal(
        "audit", path, "--embeddings", "short.npy"
    )


def test_audit_of_some_models(tmp_path, capsys):
    main(["audit", write_table(tmp_path / "log.csv", unpriced=True), "--model", "b", "--model", "a"])
    assert "60 prompts, 2 models" in capsys.readouterr().out


@pytest.mark.parametrize("seed", ["-1", str(2**31)])
def test_a_seed_that_no_generator_takes(tmp_path, seed):
    path = write_table(tmp_path / "log.csv")
    assert f"--seed must be from 0 to 2147483647, got {seed}" in refusal("audit", path, "--seed", seed)


def test_one_seed_one_page(tmp_path, capsys):
    path, page = write_table(tmp_path / "log.csv"), tmp_path / "outputs/audit/log/audit.html"
    pages = []
    for seed in ("1", "1", "2"):
        main(["audit", path, "--seed", seed])
        pages.append(page.read_text())
    assert pages[0] == pages[1] != pages[2]


def test_a_mistake_is_one_line_and_status_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "routerbench", "audit", str(tmp_path / "missing.csv")], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
