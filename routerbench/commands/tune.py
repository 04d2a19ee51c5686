"""``python -m routerbench tune router=mlp 'router.hidden=[256],[512,256]'``: hyperparameter search with Optuna.

Hydra's own Optuna sweeper requires Optuna 2.10 and does not run with Hydra 1.4; this needs no plugin. Each trial is a
separate ``train.py`` process, so a trial that fails or runs out of memory does not end the study.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from routerbench.command_line import command_line, override
from routerbench.commands.options import add_seed_option, check_seed
from routerbench.errors import InputError
from routerbench.tuning.trials import outcome, stoppable, train

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from optuna import Study
    from optuna.distributions import BaseDistribution

    from routerbench.config.overrides import Range

INTERRUPTED = "interrupted"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = (
        "Run train.py again and again with options that Optuna chooses to maximise val/aiq. Options are left open as "
        "in Hydra's sweeps: router=mlp,knn for choices, int(interval(1,9)), tag(log,interval(1e-4,1e-2)). All is kept "
        "in one folder: the same command goes on where it was, and, run several times at once, shares the work."
    )
    parser.add_argument("words", metavar="OPTION", nargs="+", help="as train.py takes them, some with several values")
    parser.add_argument("--trials", type=int, default=20, help="how many in all, earlier ones included; 20 by default")
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=Path("outputs/tune"), help="the study's")
    add_seed_option(parser, "of what Optuna draws; that of the training is seed=...")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from routerbench.config.overrides import search_space
    from routerbench.tuning.report import tuning_table, write_tuning

    fixed, space = search_space(options.words)
    if not space:
        raise InputError("no option is left open; write router=mlp,knn or router.dropout=interval(0,0.5)")
    if not Path("train.py").is_file():
        raise InputError("there is no train.py here; change to the folder that it is in")
    check_seed(options.seed)
    if options.trials < 1:
        raise InputError(f"--trials must be at least 1, got {options.trials}")
    status: Any = 0
    with stoppable():
        study = _open(options.output, options.words)
        distributions = {name: _distribution(values) for name, values in space.items()}
        try:
            while trial := _next(study, distributions, options):
                _try(study, *trial, fixed)
        except SystemExit as stop:
            status = stop.code
    with _lock(options.output / "lock"):
        _fail_the_dead(study, options.output)
    write_tuning(study.trials, options.output)
    sys.stdout.write(f"{tuning_table(study.trials)}\n\n")
    if status:
        sys.stdout.write("stopped; the same command goes on from here\n")
        sys.exit(status)
    sys.stdout.write(f"{_last_words(study, fixed, options.output)}\n")


def _open(folder: Path, words: list[str]) -> Study:
    """Open the study of a folder, or create it.

    Raises:
        InputError: Optuna is missing, the folder cannot be written, or it has a study of other options.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise InputError("tune needs Optuna: pip install 'routerbench[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with _lock(folder / "lock"):
            # Processes append to a journal. Unlike SQLite, it works on a file system shared by several machines.
            storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
            study = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
            if not study.user_attrs:
                study.set_user_attr("words", words)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another: --output FOLDER") from error
    if sorted(study.user_attrs["words"]) != sorted(words):
        known = shlex.join(study.user_attrs["words"])
        raise InputError(f"{folder} is the study of {known}; choose another folder for these options: --output FOLDER")
    return study


def _distribution(values: Range | list[str]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, list):
        return CategoricalDistribution(values)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.is_log)
    return FloatDistribution(values.low, values.high, log=values.is_log)


def _next(
    study: Study, distributions: dict[str, BaseDistribution], options: argparse.Namespace
) -> tuple[Any, Path, BaseFileLock] | None:
    """Start a trial; return it with its folder and its lock, held until it ends, or None after enough trials."""
    import warnings

    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    folder = options.output
    with _lock(folder / "lock"):
        _fail_the_dead(study, folder)
        trials = study.trials
        interrupted = [
            t for t in trials if t.state == TrialState.FAIL and t.user_attrs.get("error", INTERRUPTED) == INTERRUPTED
        ]
        if len(trials) - len(interrupted) >= options.trials:
            return None
        with warnings.catch_warnings(action="ignore"):  # an option of the sampler is experimental
            # A seed per trial lets an interrupted study continue as if uninterrupted, and gives every process other
            # draws. The constant liar keeps concurrent trials apart.
            seed = np.random.SeedSequence([options.seed, len(trials)]).generate_state(1)[0]
            study.sampler = TPESampler(seed=int(seed), constant_liar=True)
        trial = study.ask(distributions)
        trial.set_user_attr("error", INTERRUPTED)  # replaced when the trial ends
        place = folder / "trials" / str(trial.number)
        lock = _lock(place / "lock")
        lock.acquire()
        return trial, place, lock


def _fail_the_dead(study: Study, folder: Path) -> None:
    """Close the trials of killed processes, whose locks the operating system has released."""
    from filelock import Timeout
    from optuna.trial import TrialState

    for running in study.get_trials(states=(TrialState.RUNNING,)):
        try:
            with _lock(folder / "trials" / str(running.number) / "lock").acquire(timeout=0):
                study.tell(running.number, state=TrialState.FAIL)
        except Timeout:
            continue


def _try(study: Study, trial: Any, place: Path, lock: BaseFileLock, fixed: list[str]) -> None:
    """Train with the options of one trial, and report the result to the study."""
    from optuna.trial import TrialState

    words = [f"{name}={value}" for name, value in trial.params.items()]
    try:
        with (place / "stderr.txt").open("w") as stderr:
            command = [sys.executable, "train.py", *fixed, *words, override("hydra.run.dir", place)]
            status = train(command, stderr)
        value, error = outcome(place, status)
        trial.set_user_attr("error", error)
        study.tell(trial, value, state=TrialState.FAIL if value is None else TrialState.COMPLETE)
    finally:
        lock.release()
    said = error if value is None else f"val/aiq {value:.4f}"
    sys.stdout.write(f"trial {trial.number}: {said} ({' '.join(words)})\n")
    sys.stdout.flush()


def _last_words(study: Study, fixed: list[str], folder: Path) -> str:
    """Report the best options, and the commands that use them.

    Raises:
        InputError: all trials failed.
    """
    from optuna.trial import TrialState

    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            return "no trial has come to a router yet; other processes are at it"
        raise InputError(f"no trial came to a router; see {folder / 'trials'}")
    best = study.best_trial
    words = [*fixed, *(f"{name}={value}" for name, value in best.params.items())]
    router = folder / "trials" / str(best.number) / "router"
    return (
        f"best: python train.py {shlex.join(words)}\n"
        f"next: {command_line('evaluate.py', {'routers': [router]})}\n"
        f"report: {folder / 'tuning.md'} and {folder / 'tuning.png'}"
    )


def _lock(file: Path) -> BaseFileLock:
    from filelock import FileLock

    file.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(file)
