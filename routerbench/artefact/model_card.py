"""Model card of a trained router: its use, models, data, scores and limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from routerbench.artefact.card import digest
from routerbench.artefact.reading import Artefact
from routerbench.errors import InputError
from routerbench.evaluation.results import Measure, measure_on
from routerbench.report.formatting import per_thousand, share
from routerbench.report.tables import Table, markdown

PICTURE = "frontier.png"
_KEEPS = (0.9, 0.95, 1.0)  # shares of the best single model's quality for which the card lists the cost
_LIMITS = """\
It chooses between the models above by what they did on the prompts it learned from. Other prompts, languages or tasks,
a new version of a model, or another way to prompt it make its predictions wrong without a sign; measure it on your own
prompts first (`python evaluate.py`). It knows quality as the data measured it and prices as they were; `price_factors`
brings prices up to date. It does not judge whether a prompt, or an answer, is safe."""
_TRACES = """\
The files hold a 64-bit hash of every prompt it learned from, so that no evaluation scores them, and a router of
neighbours or clusters their embeddings: who has a prompt can tell that it was among them."""


def model_card(
    artefact: Artefact,
    evaluation: Path | str | None = None,
    repo_id: str | None = None,
    license: str | None = None,
    *,
    place: str | None = None,
) -> str:
    """Write the model card as Markdown that is also readable as plain text.

    Args:
        artefact: artefact of the router.
        evaluation: folder written by ``evaluate.py``.
        repo_id: repository on the hub, which also contains the picture.
        license: licence of the data, if known.
        place: argument of ``load`` in the example; default ``repo_id``, otherwise the folder.

    Raises:
        InputError: the evaluation is invalid or does not contain this router.
    """
    found = None if evaluation is None else read_evaluation(evaluation, artefact.card)
    sections = (
        _what(artefact, repo_id),
        _use(artefact, place or repo_id or str(artefact.folder)),
        _models(artefact),
        _data(artefact, license),
        _validation(artefact, with_picture=repo_id is not None and found is None),
        _evaluation(found, artefact, with_picture=repo_id is not None),
        _limits(artefact),
        _versions(artefact),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def repository_card(artefact: Artefact, repo_id: str, evaluation: Path | str | None, license: str | None) -> str:
    """Write README.md of a repository on the hub: searchable metadata and the model card.

    Args:
        artefact: artefact of the router.
        repo_id: ``owner/name``.
        evaluation: folder written by ``evaluate.py``, or None.
        license: the hub's identifier of the licence, or None.

    Raises:
        InputError: the evaluation is invalid or does not contain this router.
    """
    from huggingface_hub import EvalResult, ModelCardData

    found = None if evaluation is None else read_evaluation(evaluation, artefact.card)
    split, figures = ("validation", _validated(artefact)) if found is None else ("test", _tested(found, artefact))
    results = [
        EvalResult("llm-routing", _source(artefact), _source(artefact), kind, value, task_name="LLM routing",
                   dataset_split=split, metric_name=name)
        for kind, name, value in figures
    ]  # fmt: skip
    metadata = ModelCardData(
        library_name="routerbench",
        license=license,
        tags=["routerbench", "llm-routing", "model-routing", artefact.card["name"]],
        model_name=repo_id.rpartition("/")[2],
        eval_results=results or None,
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{model_card(artefact, evaluation, repo_id, license)}"


def read_evaluation(folder: Path | str, card: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``metrics.json`` of an evaluation, and add the ``name`` of the router in it.

    Raises:
        InputError: the file is missing or invalid, or the evaluation does not contain this router.
    """
    path = Path(folder) / "metrics.json"
    if not path.is_file():
        raise InputError(f"{path}: missing; give the folder that evaluate.py wrote")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        routers = (found.get("origin") or {})["routers"]
        _ = found["verdict"], found["source"], found["num_scored"], found["routers"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: does not say which routers it is of ({error!r}); run evaluate.py again") from error
    for name, digests in routers.items():
        if digest(card) in digests:
            return found | {"name": name}
    raise InputError(
        f"{path}: does not contain this router ({card['name']}, digest {digest(card)}), only "
        f"{', '.join(f'{name} ({digest})' for name, digests in routers.items() for digest in digests)}; evaluate it"
    )


def _what(artefact: Artefact, repo_id: str | None) -> Iterator[str]:
    yield f"# {repo_id or 'Router ' + artefact.card['name']}"
    yield ""
    yield f"A learned router of {len(artefact.card['models'])} language models. From the prompt alone it predicts"
    if _has_cost(artefact):
        yield "quality and cost of each model's answer and takes the one with the largest `lambda * quality - cost`."
    else:
        yield "the quality of each model's answer and takes the best."
    name, encoder = artefact.card["name"], _encoder(artefact)
    yield f"It is `router={name}` of routerbench on `{encoder}`; digest {digest(artefact.card)}."


def _use(artefact: Artefact, place: str) -> Iterator[str]:
    yield "## Use"
    yield ""
    yield "```python"
    yield "import routerbench"
    yield f'router = routerbench.load("{place}")'
    lambda_ = "0.02" if _has_cost(artefact) else 'float("inf")'
    yield f'print(router.route(["What is 7 + 5?"], willingness_to_pay={lambda_}))'
    yield "```"
    yield ""
    if not _has_cost(artefact):
        yield "It was trained without costs, and takes no other `willingness_to_pay`: infinity picks the best model."
        return
    yield "`willingness_to_pay`, lambda, is in USD per unit of quality: 0 picks the cheapest model, infinity the best."
    if artefact.operating is not None:
        yield "`budget_usd_per_1k=` or `keep=`, a share of the best single model's quality, may be given instead."


def _models(artefact: Artefact) -> Iterator[str]:
    yield "## Models"
    yield ""
    costs = artefact.card["mean_cost_usd_per_prompt"]
    if not _has_cost(artefact):
        yield markdown(Table(("model",), "l", (tuple((name,) for name in costs),)))
        return
    rows = tuple((name, per_thousand(cost)) for name, cost in costs.items())
    yield markdown(Table(("model", "mean USD per 1,000 prompts in training"), "lr", (rows,)))


def _data(artefact: Artefact, license: str | None) -> Iterator[str]:
    data = artefact.card["data"]
    digests = f"digest {data.get('digest', '-')}, split digest {data.get('split_digest', '-')}"
    yield "## Data"
    yield ""
    yield f"- source: {_source(artefact)}, {digests}"
    yield f"- different prompts it learned from, validation among them: {len(set(artefact.seen.tolist())):,}"
    yield f"- licence: {license or 'not stated'}"


def _validation(artefact: Artefact, with_picture: bool) -> Iterator[str]:
    yield "## Validation"
    yield ""
    for name, value in _validation_figures(artefact).items():
        yield f"- {name}: {share(value)}"
    if measure_of(artefact) != "aiq":
        yield f"- quality only: {'all models cost the same' if _has_cost(artefact) else 'no cost is known'}"
        return
    points = artefact.operating
    if points is None:
        return
    yield f"- best single model: {share(points.best_quality)}"
    yield ""
    yield "| quality kept | lambda | USD per 1,000 prompts | quality |"
    yield "| ---: | ---: | ---: | ---: |"
    for keep in _KEEPS:
        try:
            point = int((points.willingness_to_pay == points.keeping(keep)).argmax())
        except InputError:  # out of reach
            continue
        cost, quality = per_thousand(points.cost[point]), share(points.quality[point])
        yield f"| {keep:.0%} | {points.willingness_to_pay[point]:.4g} | {cost} | {quality} |"
    yield ""
    yield "Training and lambda were chosen on these prompts: they flatter."
    if with_picture:
        yield ""
        yield f"![Quality against cost on validation]({PICTURE})"


def _evaluation(found: dict[str, Any] | None, artefact: Artefact, with_picture: bool) -> Iterator[str]:
    yield "## Evaluation"
    yield ""
    if found is None:
        yield "None is given here: nothing above was measured on prompts that took no part in training."
        return
    seeds = len(found["origin"]["routers"][found["name"]])
    yield f"On {found['num_scored']:,} test prompts of {Path(found['source']).name}, as `{found['name']}`" + (
        f", the mean of {seeds} seeds of which this is one:" if seeds > 1 else ":"
    )
    if found["origin"]["data_digest"] != artefact.card["data"].get("digest"):
        yield "(another table than the one it was trained on)"
    for line in found["verdict"].splitlines():
        yield ""
        yield line
    if with_picture:
        yield ""
        axes = "Quality against cost" if measure_on(found.get("cost_interval")) == "aiq" else "Quality"
        yield f"![{axes} on test]({PICTURE})"


def _limits(artefact: Artefact) -> Iterator[str]:
    yield "## Intended use and limits"
    yield ""
    yield _LIMITS
    yield ""
    yield _TRACES
    encoder = artefact.card["encoder"]
    if encoder["class"].endswith(".PrecomputedEncoder"):
        yield ""
        yield "It was trained on given embeddings: route those, or give `load` the `encoder=` that makes them of texts."
    elif Path(str(encoder["arguments"].get("name", ""))).is_absolute():
        yield ""
        yield "Its encoder is a folder of the machine it was trained on, and not among the files."


def _versions(artefact: Artefact) -> Iterator[str]:
    yield "## Versions"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in artefact.card["versions"].items() if version)


def _has_cost(artefact: Artefact) -> bool:
    """Whether the cost of any model was known in training."""
    return any(cost is not None for cost in artefact.card["mean_cost_usd_per_prompt"].values())


def measure_of(artefact: Artefact) -> Measure:
    """Return the measure for routers over its models, from their mean costs in training."""
    costs = [cost for cost in artefact.card["mean_cost_usd_per_prompt"].values() if cost is not None]
    return measure_on((min(costs), max(costs)) if costs else None)


def _encoder(artefact: Artefact) -> str:
    """Return the encoder's folder name (without its path), name on the hub, or value of ``encoder=``."""
    encoder = artefact.card["encoder"]
    name = encoder["arguments"].get("name")
    if not name:
        return encoder["class"].split(".")[-2]
    return Path(name).name if Path(name).is_absolute() or Path(name).is_dir() else name


def _source(artefact: Artefact) -> str:
    """Return the data's file name (without its path), or value of ``data=``."""
    config = artefact.card["data"].get("config", {})
    return Path(config["path"]).name if config.get("path") else config.get("_target_", "data..").split(".")[-2]


def _validation_figures(artefact: Artefact) -> dict[str, float | None]:
    """Return the validation metrics; without an AIQ, ``val/aiq`` is a quality and is renamed."""
    figures = artefact.card["validation"]
    if measure_of(artefact) == "aiq":
        return figures
    return {name.replace("aiq", "peak_quality"): value for name, value in figures.items()}


def _validated(artefact: Artefact) -> list[tuple[str, str, float]]:
    """List type, name and value of the validation metrics."""
    found = _validation_figures(artefact).items()
    return [(name.rpartition("/")[2], name, round(value, 4)) for name, value in found if value is not None]


def _tested(found: dict[str, Any], artefact: Artefact) -> list[tuple[str, str, float]]:
    """List type, name and value of the test metrics."""
    figures = found["routers"][found["name"]]
    names = {"aiq": "AIQ", "qnc": "QNC", "peak_quality": "peak quality"}
    return [(key, name, round(value, 4)) for key, name in names.items() if (value := figures[key]["value"]) is not None]
