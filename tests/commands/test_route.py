"""`python -m routerbench route` and `inspect`: streams, options, mistakes."""

import io
import json
import os
import select
import subprocess
import sys

import numpy as np
import pytest

import routerbench
from routerbench import artefact
from routerbench.__main__ import main
from routerbench.artefact.model_card import model_card
from routerbench.artefact.reading import read
from routerbench.commands.route import batches
from routerbench.encoders.hashing import HashingEncoder
from routerbench.evaluation.evaluate import validation_aiq
from routerbench.evaluation.operating import OperatingPoints
from routerbench.evaluation.references import best_single
from routerbench.routers.linear import LinearRouter
from tests.conftest import make_examples

PROMPTS = [f"What is {number} + {number * 7}? Word{number}" for number in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artefact") / "router"
    train, val = make_examples(300, seed=0)[0], make_examples(100, seed=1)[0]
    router = LinearRouter(8, 3, [10.0])
    router.fit(train, val, validation_aiq)
    points = OperatingPoints.of(router.predict(val.embeddings), val.table, best_single(train.table))
    data, seen = {"config": {}, "digest": "d"}, np.empty(0, np.uint64)
    artefact.save(folder, router, HashingEncoder(dim=8), train.table, data, {"val/aiq": 0.5}, seen, {}, points)
    return str(folder)


def start(folder, *options):
    command = [sys.executable, "-m", "routerbench", "route", folder, *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(folder, given, *options):
    process = start(folder, *options)
    out, error = process.communicate(given.encode() if isinstance(given, str) else given, timeout=60)
    return [json.loads(line) for line in out.decode().splitlines()], error.decode(), process.returncode


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("options", "wish"),
    [
        (["--willingness-to-pay", "0.003", "--batch-size", "7"], {"willingness_to_pay": 0.003}),
        (["--willingness-to-pay", "inf"], {"willingness_to_pay": np.inf}),
        (["--budget", "2"], {"budget_usd_per_1k": 2}),
        (["--keep", "0.9", "--models", "model-0,model-2"], {"keep": 0.9, "models": ["model-0", "model-2"]}),
    ],
)
def test_decides_as_the_router_does_and_passes_other_fields_on(folder, options, wish):
    given = [{"id": i, "prompt": prompt, "more": {"é": [1]}} for i, prompt in enumerate(PROMPTS)]
    found, error, status = run(folder, lines(given), *options)
    expected = routerbench.load(folder).route(PROMPTS, **wish)
    assert (error, status) == ("", 0)
    assert [list(row) for row in found] == [["id", "more", "model", "quality", "cost"]] * len(PROMPTS)
    assert [(row["id"], row["more"]) for row in found] == [(i, {"é": [1]}) for i in range(len(PROMPTS))]
    assert [row["model"] for row in found] == [decision.model for decision in expected]
    for key in ("quality", "cost"):
        np.testing.assert_allclose([row[key] for row in found], [getattr(one, key) for one in expected], rtol=1e-6)


def test_text_lines_a_file_and_an_output(folder, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("\r\n".join(PROMPTS))  # the last one without an end
    target = tmp_path / "new" / "decisions.jsonl"
    main(["route", folder, str(tmp_path / "prompts.txt"), "--text", "--keep", "0.9", "--output", str(target)])
    assert capsys.readouterr().out == ""
    found = [json.loads(line)["model"] for line in target.read_text().splitlines()]
    assert found == [decision.model for decision in routerbench.load(folder).route(PROMPTS, keep=0.9)]


def test_a_pipe_that_pauses_is_answered(folder):
    process = start(folder, "--willingness-to-pay", "0.01")
    os.set_blocking(process.stdout.fileno(), True)
    for number in range(3):
        process.stdin.write(lines([{"prompt": "hi", "id": number}]).encode() + b'{"prompt": "unfin')
        process.stdin.flush()
        assert select.select([process.stdout], [], [], 60)[0], "no answer while the pipe pauses"
        assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.write(b'ished", "id": -1}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == -1
    process.stdin.close()
    assert process.stdout.read() == b""
    assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("nonsense\n", "is not JSON"),
        ('{"text": "hi"}\n', "is no object with a text 'prompt'"),
        ('["hi"]\n', "is no object with a text 'prompt'"),
        ('{"prompt": 3}\n', "is no object with a text 'prompt'"),
        ('{"prompt": " "}\n', "its prompt is empty"),
        ('{"prompt": "hi", "model": "x"}\n', "has a field 'model'"),
        (b'{"prompt": "\xff"}\n', "is not UTF-8"),
    ],
)
def test_a_wrong_line_comes_after_the_decisions_before_it(folder, tmp_path, wrong, message):
    good = lines([{"prompt": "hi", "id": 1}]) + "\n" + lines([{"prompt": "ho", "id": 2}])
    given = good.encode() + (wrong if isinstance(wrong, bytes) else wrong.encode()) + good.encode()
    found, error, status = run(folder, given, "--willingness-to-pay", "0")
    assert [row["id"] for row in found] == [1, 2]
    assert status == 1
    assert error.startswith("error: standard input: line 4: ")
    assert message in error
    assert error.count("\n") == 1
    (tmp_path / "given.jsonl").write_bytes(given)
    target = tmp_path / "out.jsonl"
    with pytest.raises(SystemExit, match=r"given\.jsonl: line 4: "):
        main(["route", folder, str(tmp_path / "given.jsonl"), "--keep", "0.9", "--output", str(target)])
    assert not target.exists()


def test_a_reader_that_has_enough_ends_it_quietly(folder):
    process = start(folder, "--willingness-to-pay", "0", "--text", "--batch-size", "1")
    process.stdout.close()
    _, error = None, b""
    try:
        process.stdin.write(b"hello\n" * 10)
        process.stdin.close()
    except BrokenPipeError:
        pass
    error = process.stderr.read()
    assert (process.wait(60), error) == (0, b"")


def refusal(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["route", *arguments])
    return stop.value.code


def test_refuses(folder, tmp_path, capsys):
    assert "no model 'nobody'" in refusal(folder, "--keep", "0.9", "--models", "nobody")
    assert "no such file" in refusal(folder, str(tmp_path / "none.jsonl"), "--keep", "0.9")
    assert "--batch-size must be at least 1" in refusal(folder, "--keep", "0.9", "--batch-size", "0")
    assert "at most 1" in refusal(folder, "--keep", "2")
    assert refusal(folder) == 2  # argparse: no wish
    assert refusal(folder, "--keep", "1", "--budget", "1") == 2


class Dribble(io.RawIOBase):
    """Gives one chunk per read, as a pipe does."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk = self.chunks.pop(0) if self.chunks else b""
        buffer[: len(chunk)] = chunk
        return len(chunk)


def test_batches_are_what_is_there():
    stream = io.BufferedReader(Dribble(b"a\nb", b"b", b"b\nc\nd\ne\n", b"f"))
    assert list(batches(stream, 2)) == [[b"a"], [b"bbb", b"c"], [b"d", b"e"], [b"f"]]


def test_costs_that_are_not_known_are_null(tmp_path):
    from routerbench.routers.constant import ConstantRouter
    from tests.conftest import make_table

    rng = np.random.default_rng(0)
    table = make_table(rng.random((20, 2)), np.full((20, 2), np.nan))
    examples = routerbench.data.outcomes.Examples(table, rng.random((20, 8), np.float32))
    router = ConstantRouter(8, 2)
    router.fit(examples, examples, lambda *_: 0.0)
    artefact.save(tmp_path / "r", router, HashingEncoder(dim=8), table, {}, {}, np.empty(0, np.uint64))
    found, error, _ = run(str(tmp_path / "r"), "hi\n", "--text", "--willingness-to-pay", "inf")
    assert found[0]["cost"] is None, error
    assert "without costs" in run(str(tmp_path / "r"), "hi\n", "--text", "--willingness-to-pay", "1")[1]


def test_inspect_prints_the_card_or_the_json(folder, capsys):
    main(["inspect", folder])
    assert capsys.readouterr().out == model_card(read(folder))
    main(["inspect", folder, "--json"])
    assert json.loads(capsys.readouterr().out) == dict(routerbench.load(folder).card)


def test_help_knows_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert {"route", "inspect", "audit", "export"} <= set(capsys.readouterr().out.split())
