"""RouterArena's prediction file (arXiv 2510.00202): the model chosen for each of its prompts.

The format is that of the repository RouteWorks/RouterArena, read in ``router_inference/generate_prediction_file.py``,
which writes such files, and ``router_inference/check_config_prediction_files.py``, which checks them: a JSON array with
an object for each prompt. Index and prompt must equal those of the data, and the predicted models those of the router's
config, ``router_inference/config/NAME.json``. Their inference script fills in the answers, ``generated_result``; their
evaluation fills in cost and accuracy. Entries with ``for_optimality`` request the answers of the models that were not
chosen, on the prompts of their ``sub_10`` split; only their optimality scores use them.

RouterArena itself checks whether it knows the name and price of a model; this project does not have their list.
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


class ExportedPredictions(NamedTuple):
    """Result of ``export``.

    Attributes:
        predictions: path of the prediction file.
        config: path of the config with the model names, in the same folder.
        calls: number of prompts for each model, by RouterArena's names.
        optimality: number of entries that request answers of models that were not chosen.
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
) -> ExportedPredictions:
    """Route RouterArena's prompts at one lambda and write its prediction file, with a config beside it.

    Args:
        trained: the router.
        prompts: file with global index and prompt: a table, JSON lines, or their ``dataset/router_data.json``.
        lambda_: willingness to pay, in USD per unit of quality.
        output: the prediction file, ``NAME.json``; the config becomes ``NAME.config.json``.
        model_names: JSON file that maps our names of the models to RouterArena's.
        optimality: the prompts of their ``sub_10`` split; those among ``prompts`` get entries for the other models.

    Raises:
        InputError: a file or a name is invalid.
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
    return ExportedPredictions(output, config, {name: chosen.count(name) for name in names.values()}, len(others))


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
