"""Experiment on benchmarks that a router has not seen in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routerbench.data.outcomes import Examples, Parts
from routerbench.errors import InputError
from routerbench.experiments.base import Lesson, StudyExperiment, check_models, fit_each
from routerbench.experiments.baselines import Fit
from routerbench.experiments.scoring import score
from routerbench.experiments.study import Condition, Study
from routerbench.routers.base import Prediction

KNOWN, UNSEEN = "benchmark known", "benchmark unseen"


@dataclass(frozen=True)
class LeaveOneBenchmarkOut(StudyExperiment):
    """Training without one benchmark at a time, and prediction of its test prompts.

    The predictions for all held-out benchmarks cover the test prompts once, each by a router that has not seen its
    benchmark. They are compared, prompt by prompt, with the same router trained on everything. (The original's flag
    for this, in ``evaluate_routers.py``, trained on the target itself.)

    Attributes:
        benchmarks: benchmarks or families to hold out; None for all.
        families: prefixes of benchmarks to treat as one, such as "mmlu"; holding out one of its 57 subjects while 56
            remain would test nothing.
    """

    benchmarks: Sequence[str] | None = None
    families: Sequence[str] = ()

    def run(self, fits: Mapping[str, Fit], parts: Parts, rng: np.random.Generator) -> Study:
        """Train every router once on everything and once without each benchmark; see `StudyExperiment.run`."""
        names = {name for part in parts for name in part.table.benchmark}
        parts = Parts(*(_in_families(part, self.families) for part in parts))
        train, val, test = parts
        held_out = self._held_out(parts)
        test = test.take(np.isin(test.table.benchmark.astype(str), held_out))
        parts = parts._replace(test=test)
        for name in held_out:
            _check(_without(train, name), _without(val, name), name)

        def lessons() -> Iterator[Lesson]:
            yield Lesson(KNOWN, train, val)
            for name in held_out:
                yield Lesson(f"without {name}", _without(train, name), _without(val, name))

        runs: dict[tuple[str, str], Prediction] = {}
        parts_of: dict[str, list[Prediction]] = {router: [] for router in fits}
        rows_of = {f"without {name}": np.flatnonzero(test.table.benchmark == name) for name in held_out}
        for router, lesson, fitted in fit_each(fits, lessons(), len(held_out) + 1):
            if lesson == KNOWN:
                runs[router, KNOWN] = fitted.predict(test.embeddings)
                continue
            parts_of[router].append(fitted.predict(test.embeddings[rows_of[lesson]]))
        back = np.argsort(np.concatenate([*rows_of.values()]))
        runs |= {(router, UNSEEN): Prediction.concatenate(found).take(back) for router, found in parts_of.items()}
        return score(
            runs,
            parts,
            [Condition(KNOWN), Condition(UNSEEN)],
            KNOWN,
            rng,
            title=f"Benchmarks never seen in training, on {len(test.table):,} test prompts",
            by_benchmark=True,
            notes=[
                f"{UNSEEN}: each prompt is routed by a router that had no prompt of its benchmark in train or "
                f"validation; {len(held_out)} benchmarks were held out in turn.",
                "The references know all benchmarks of train.",
                *_family_notes(names, self.families),
            ],
        )

    def _held_out(self, parts: Parts) -> list[str]:
        """Choose the benchmarks to hold out, by name; by default all with prompts both in train and in test."""
        source = parts.train.table.source
        in_train = set(parts.train.table.benchmark)
        candidates = sorted(in_train & set(parts.test.table.benchmark))
        if len(in_train) < 2 or not candidates:
            advice = "; a family is one benchmark here, so leave out experiment.families" if self.families else ""
            raise InputError(
                f"{source}: holding out a benchmark takes at least two of them in train, and test prompts of one, but "
                f"train has {', '.join(sorted(in_train))}{advice}"
            )
        for name in self.benchmarks or ():
            if name not in candidates:
                raise InputError(
                    f"{source}: no benchmark {name!r} with prompts in train and test to hold out; there are "
                    f"{', '.join(candidates)}"
                )
        return candidates if self.benchmarks is None else sorted(set(self.benchmarks))


def _in_families(examples: Examples, families: Sequence[str]) -> Examples:
    """Rename every benchmark to its family, the first matching prefix."""
    benchmark = [next(filter(name.startswith, families), name) for name in examples.table.benchmark]
    return replace(examples, table=replace(examples.table, benchmark=np.array(benchmark, dtype=object)))


def _family_notes(names: set[str], families: Sequence[str]) -> list[str]:
    members = [(family, sum(name.startswith(family) for name in names)) for family in families]
    return [f"{family} stands for {count} benchmarks, held out together." for family, count in members if count]


def _without(examples: Examples, benchmark: str) -> Examples:
    return examples.take(examples.table.benchmark != benchmark)


def _check(train: Examples, val: Examples, held_out: str) -> None:
    if not len(val.table):
        raise InputError(
            f"{train.table.source}: without {held_out} no validation prompt is left; give it more, or do not hold out "
            f"{held_out}: experiment.benchmarks=[...]"
        )
    check_models(train, f"holding out {held_out}", "leave that model out, or hold out others: experiment.benchmarks")
