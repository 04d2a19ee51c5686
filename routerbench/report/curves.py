"""Parquet files for other programs: curves over lambda, and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from routerbench.evaluation.results import Evaluation
from routerbench.files import atomic_path

if TYPE_CHECKING:
    import pyarrow as pa

    from routerbench.data.outcomes import OutcomeTable
    from routerbench.routers.base import Choices, Prediction


def write_curves(evaluation: Evaluation, path: Path) -> None:
    """Write all breakpoints of the routers and references that have a curve.

    Columns: ``router``, ``seed`` (its index, from 0), ``lambda`` in USD per unit of quality, ascending within a seed,
    ``cost`` in USD per prompt (null if AIQ is undefined), and ``quality`` in [0, 1].
    """
    import pyarrow as pa
    from pyarrow import parquet

    everyone = [*evaluation.routers.items(), *evaluation.references.items()]
    curves = [(name, seed, sweep) for name, scored in everyone for seed, sweep in enumerate(scored.sweeps)]
    names = [name for name, _, sweep in curves for _ in range(len(sweep.lambdas))]
    seeds = [seed for _, seed, sweep in curves for _ in range(len(sweep.lambdas))]
    columns = {"router": pa.array(names, pa.string()), "seed": pa.array(seeds, pa.int16())}
    for column, attribute in (("lambda", "lambdas"), ("cost", "cost"), ("quality", "quality")):
        parts = [np.asarray(getattr(sweep, attribute), np.float64) for _, _, sweep in curves]
        columns[column] = pa.array(np.concatenate([np.empty(0), *parts]))
    if evaluation.measure != "aiq":
        columns["cost"] = pa.nulls(len(names), pa.float64())
    with atomic_path(path) as part:
        parquet.write_table(pa.table(columns), part, compression="zstd")


def write_predictions(table: OutcomeTable, prediction: Prediction, path: Path) -> None:
    """Write the prediction for the N prompts of a table in RouterBench's wide layout, in full precision.

    Columns: ``sample_id``, then for each model ``<model>`` (quality) and ``<model>|total_cost`` (USD per prompt). For a
    router that sees lambda, the column ``choices`` lists ``model`` and ``up_to`` for each prompt: the model is chosen
    for lambdas up to and including ``up_to``, in USD per unit of quality.
    """
    import pyarrow as pa
    from pyarrow import parquet

    assert prediction.quality.shape == prediction.cost.shape == (len(table), table.num_models)
    names, columns = ["sample_id"], [pa.array([str(id_) for id_ in table.ids], pa.string())]
    for number, model in enumerate(table.models):
        for name, cells in ((model, prediction.quality), (f"{model}|total_cost", prediction.cost)):
            names.append(name)
            columns.append(pa.array(np.ascontiguousarray(cells[:, number], np.float64)))
    if prediction.choices is not None:
        names.append("choices")
        columns.append(_runs(prediction.choices, table.models))
    with atomic_path(path) as part:
        parquet.write_table(pa.Table.from_arrays(columns, names), part, compression="zstd")


def _runs(choices: Choices, models: Sequence[str]) -> pa.ListArray:
    """Convert the choices to a list per prompt, with one element for neighbouring knots of the same model."""
    import pyarrow as pa

    is_last = np.pad(choices.chosen[:, 1:] != choices.chosen[:, :-1], ((0, 0), (0, 1)), constant_values=True)
    rows, knots = np.nonzero(is_last)
    names = pa.array(models, pa.string()).take(pa.array(choices.chosen[rows, knots]))
    runs = pa.StructArray.from_arrays([pa.array(choices.lambdas[knots]), names], ["up_to", "model"])
    ends = np.append(0, is_last.sum(axis=1).cumsum()).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), runs)
