"""`python -m routerbench tune`: trials, results and failures, mostly with a train.py that takes no time."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

import routerbench
from routerbench.__main__ import main

pytest.importorskip("optuna")
ROOT = Path(__file__).parents[2]
# Its val/aiq is 1 for router=b and lr=1e-3, and falls with the distance in factors of ten; router=c fails.
STUB = """
import json, math, os, pathlib, signal, sys, time
words = dict(word.split("=", 1) for word in sys.argv[1:])
folder = pathlib.Path(words.pop("hydra.run.dir"))
if pathlib.Path("hang").exists():
    def stop(*_):
        time.sleep(0.3)
        (folder / "stopped").touch()
        sys.exit(1)
    signal.signal(signal.SIGTERM, stop)
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "hanging").touch()
    time.sleep(60)
if words["router"] == "dead":
    print("a line of no interest", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
if words["router"] == "c":
    print("a line of no interest", file=sys.stderr)
    sys.exit("error: c is no router")
value = (words["router"] == "b") - abs(math.log10(float(words["lr"])) + 3)
(folder / "router").mkdir()
(folder / "router" / "router.json").write_text(json.dumps({"validation": {"val/aiq": value}, "words": words}))
"""
OPEN = ("router=a,b,c", "lr=tag(log,interval(1e-5,1e-1))")


@pytest.fixture
def stub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(STUB)
    return tmp_path


def tune(*arguments):
    main(["tune", *arguments])


def refusal(*arguments):
    with pytest.raises(SystemExit) as stop:
        tune(*arguments)
    assert "\n" not in stop.value.code
    return stop.value.code


def start(folder, *arguments):
    """The command in a process of its own, with a group of its own."""
    command = [sys.executable, "-m", "routerbench", "tune", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, process_group=0, preexec_fn=_hear_ctrl_c, **pipes)


def _hear_ctrl_c():
    """What a shell starts in its background, as the tests may be, is deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_hanging(folder):
    """The command, and the number of the process in which its first trial hangs."""
    (folder / "hang").touch()
    process = start(folder, *OPEN, "--trials", "3", "--output", "study")
    trial = folder / "study" / "trials" / "0"
    until((trial / "hanging").exists)
    return process, int((trial / "pid").read_text())


def is_alive(pid):
    try:
        state = re.search(r"\) (\w)", Path(f"/proc/{pid}/stat").read_text())[1]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def go_on(folder):
    """The same command, undisturbed; returns what the table says of each trial."""
    (folder / "hang").unlink()
    tune(*OPEN, "--trials", "3", "--output", "study")
    return {row[0]: row[1] for row in table(folder / "study")[1]}


def table(folder):
    """Rows of tuning.md: trial, score or error, and the options."""
    lines = (folder / "tuning.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows[0], [row for row in rows[2:] if row[0]]


def test_finds_the_best_and_passes_over_failures(stub, capsys):
    tune(*OPEN, "seed=7", "--trials", "30", "--output", "study")
    printed = capsys.readouterr().out.splitlines()
    header, rows = table(stub / "study")
    assert header == ["trial", "val/aiq", "router", "lr"]
    assert sorted(int(row[0]) for row in rows) == list(range(30))
    done, failed = ([row for row in rows if (row[2] == "c") == is_c] for is_c in (False, True))
    assert rows == done + failed
    assert failed
    assert {row[1] for row in failed} == {"c is no router"}
    scores = [float(row[1]) for row in done]
    assert scores == sorted(scores, reverse=True)
    # What is written is what train.py measured, with the options it was given.
    for row in done:
        card = json.loads((stub / "study" / "trials" / row[0] / "router" / "router.json").read_text())
        assert row[1] == f"{card['validation']['val/aiq']:.4f}"
        assert (row[2], row[3]) == (card["words"]["router"], f"{float(card['words']['lr']):.3g}")
        assert card["words"]["seed"] == "7"
    # Within a tenth of a factor of ten, as one random draw in 60 would be.
    assert done[0][2] == "b"
    assert scores[0] > 0.9
    assert f"study/trials/{done[0][0]}/router" in printed[-2]
    assert printed[-3].startswith("best: python train.py seed=7 router=b lr=0.00")
    assert (stub / "study" / "tuning.png").stat().st_size > 5000


def test_a_study_that_goes_on_draws_what_one_in_one_go_draws(stub):
    for trials in ("2", "5"):
        tune(*OPEN, "--trials", trials, "--output", "parts")
    tune(*OPEN, "--trials", "5", "--output", "whole")
    assert table(stub / "parts") == table(stub / "whole")
    tune(*OPEN, "--trials", "5", "--output", "other", "--seed", "100")
    assert table(stub / "other") != table(stub / "whole")


def test_seeds_draw_apart(stub):
    """The first ten points of a study are random ones; those of two seeds have nothing in common."""
    drawn = []
    for seed in (0, 1):
        tune(*OPEN, "--trials", "8", "--output", f"study{seed}", "--seed", str(seed))
        drawn.append({row[3] for row in table(stub / f"study{seed}")[1]})
    assert len(drawn[0] | drawn[1]) == 16


def test_a_killed_trial_is_told_and_made_up_for(stub):
    process, _ = start_hanging(stub)
    # One that joins while it lives leaves its trial alone.
    tune(*OPEN, "--trials", "1", "--output", "study")
    assert [row[:2] for row in table(stub / "study")[1]] == [["0", "running"]]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    scores = go_on(stub)
    assert scores.keys() == {"0", "1", "2", "3"}
    assert [number for number, score in scores.items() if score == "interrupted"] == ["0"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a killed process cannot end its children")
def test_a_training_ends_with_a_tune_that_was_killed_alone(stub):
    process, child = start_hanging(stub)
    assert is_alive(child)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: not is_alive(child))
    assert go_on(stub)["0"] == "interrupted"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_tune_that_is_stopped_ends_its_training_and_tells_what_it_has(stub, number, status):
    process, child = start_hanging(stub)
    os.kill(process.pid, number)
    printed, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (status, "")
    assert not is_alive(child)
    assert (stub / "study" / "trials" / "0" / "stopped").exists(), "it was waited for"
    assert "| interrupted |" in printed
    assert printed.endswith("\nstopped; the same command goes on from here\n")
    assert table(stub / "study")[1][0][:2] == ["0", "interrupted"]
    scores = go_on(stub)
    assert [number for number, score in scores.items() if score == "interrupted"] == ["0"]
    assert len(scores) == 4


def test_a_training_that_a_signal_killed_says_so(stub):
    assert refusal("router=dead,dead", "lr=0.1", "--trials", "1", "--output", "study") == (
        "error: no trial came to a router; see study/trials"
    )
    assert table(stub / "study")[1] == [["0", "killed by SIGKILL", "dead"]]


def test_processes_share_the_trials_of_a_study(stub):
    processes = [start(stub, *OPEN, "--trials", "9", "--output", "study") for _ in range(2)]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    tried = [[line.split(":")[0] for line in text.splitlines() if line.startswith("trial ")] for text in printed]
    assert sorted(tried[0] + tried[1]) == [f"trial {number}" for number in range(9)]
    tune(*OPEN, "--trials", "9", "--output", "study")  # when the last is done, the table is complete
    _, rows = table(stub / "study")
    assert len(rows) == 9
    assert len({row[3] for row in rows}) == 9  # no two drew the same


def test_the_real_thing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("train.py", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    quick = ("router=linear", "data.num_prompts=200", "encoder=hashing", f"cache_dir={tmp_path / 'cache'}")
    folder = tmp_path / "a study, it's mine"
    tune(*quick, "encoder.dim=32,33", "policy.guard=interval(0,1)", "--trials", "3", "--output", str(folder))
    _, rows = table(folder)
    assert {row[2] for row in rows} == {"32", "33"}
    for number, score, dim, guard in rows:
        if dim == "33":
            assert score == "encoder: dim 33 must be even and at least 2"
        else:
            router = routerbench.load(folder / "trials" / number / "router")
            assert f"{router.card['validation']['val/aiq']:.4f}" == score
            assert f"{router.card['policy']['guard']:.3g}" == guard
    printed = capsys.readouterr().out
    assert "best: python train.py router=linear" in printed
    (following,) = [line for line in printed.splitlines() if line.startswith("next: ")]
    (router,) = OverridesParser.create().parse_override(shlex.split(following)[-1]).value()
    assert routerbench.load(router).card["validation"]["val/aiq"] == pytest.approx(
        max(float(score) for _, score, *_ in rows if score[0].isdigit()), abs=1e-4
    )


def test_refusals(stub, monkeypatch):
    assert refusal("router=a").startswith("error: no option is left open")
    assert refusal("router=a,b", "lr=interval(").startswith("error: lr=interval(: ")
    assert "on a log scale above 0" in refusal("router=a,b", "lr=tag(log,interval(0,1))")
    assert "not an interval from low to high" in refusal("lr=interval(1,0)")
    assert "--seed must be from 0" in refusal(*OPEN, "--seed", "-1")
    for trials in ("0", "-3"):
        assert refusal(*OPEN, "--trials", trials) == f"error: --trials must be at least 1, got {trials}"
    (stub / "file").touch()
    assert refusal(*OPEN, "--output", "file").startswith("error: file: cannot be written")
    tune(*OPEN, "--trials", "3", "--output", "study")
    message = refusal(*OPEN, "seed=1", "--output", "study")
    assert message.startswith("error: study is the study of router=a,b,c 'lr=tag(log,interval(1e-5,1e-1))'; choose")
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert refusal(*OPEN) == "error: tune needs Optuna: pip install 'routerbench[tune]'"
    (stub / "train.py").unlink()
    assert refusal(*OPEN).startswith("error: there is no train.py here")
