"""RouterArena's prediction file (arXiv 2510.00202): which model each of its prompts goes to.

The format is that of the repository RouteWorks/RouterArena, read in ``router_inference/generate_prediction_file.py``,
which writes such files, and ``router_inference/check_config_prediction_files.py``, which checks them: a JSON array with
an object for each prompt. Index and prompt must be exactly the data's, and the predicted models those of the router's
config, ``router_inference/config/NAME.json``. What the models answer, ``generated_result``, is filled in by their
inference script, cost and accuracy by their evaluation. Entries with ``for_optimality`` ask for the answers of the
models that were not chosen, on the prompts of their ``sub_10`` split; only their optimality scores read them.

Whether RouterArena knows a model's name and price is checked there; their list is no part of this project.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from routerbench.artefact.trained import TrainedRouter
from routerbench.errors import InputError
from routerbench.export.names import their_names
from routerbench.export.prompts import read_indexed_prompts
from routerbench.files import atomic_path


class Written(NamedTuple):
    """What ``export`` wrote.

    Attributes:
        predictions: the file of decisions.
        config: the file that names the models, beside it.
        calls: how many prompts go to each model, by RouterArena's names.
        optimality: how many entries ask for the answers of models that were not chosen.
    """

    predictions: Path
    config: Path
    calls: dict[str, int]
    optimality: int


def export(
    trained: TrainedRouter,
    prompts: Path,
    lambda_: float,
    output: Path,
    model_names: Path | None = None,
    optimality: Path | None = None,
) -> Written:
    """Route RouterArena's prompts at one lambda and write its prediction file, with a config beside it.

    Args:
        trained: the router.
        prompts: global index and prompt of each entry: a table, JSON lines, or their ``dataset/router_data.json``.
        lambda_: willingness to pay, in USD per unit of quality.
        output: the prediction file, ``NAME.json``; the config becomes ``NAME.config.json``.
        model_names: JSON file from our names of the models to RouterArena's.
        optimality: the prompts of their ``sub_10`` split; those among ``prompts`` get entries for the other models.

    Raises:
        InputError: a file is wrong, or a name is.
    """
    if output.suffix != ".json":
        raise InputError(f"--output {output}: RouterArena reads NAME.json; write --output {output.stem or 'NAME'}.json")
    names = dict(zip(trained.models, their_names(trained.models, model_names), strict=True))
    asked = read_indexed_prompts(prompts)
    tenth = {index for index, _ in read_indexed_prompts(optimality)} if optimality else set()
    decisions = trained.decide(trained.predict([prompt for _, prompt in asked]), lambda_)
    chosen = [names[decision.model] for decision in decisions]
    entries = [_entry(index, prompt, model, False) for (index, prompt), model in zip(asked, chosen, strict=True)]
    others = [
        _entry(index, prompt, other, True)
        for (index, prompt), model in zip(asked, chosen, strict=True)
        if index in tenth
        for other in names.values()
        if other != model
    ]
    config = output.with_name(f"{output.stem}.config.json")
    _write(output, entries + others)
    _write(config, {"pipeline_params": {"router_name": output.stem, "models": list(names.values())}})
    return Written(output, config, {name: chosen.count(name) for name in names.values()}, len(others))


def _entry(index: str, prompt: str, model: str, for_optimality: bool) -> dict[str, Any]:
    return {
        "global index": index,
        "prompt": prompt,
        "prediction": model,
        "generated_result": None,
        "cost": None,
        "accuracy": None,
        "for_optimality": for_optimality,
    }


def _write(path: Path, content: Sequence[Any] | dict[str, Any]) -> None:
    with atomic_path(path) as part:
        part.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
