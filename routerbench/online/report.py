"""Report of a stream: online.md and online.png, with the regret while learning and the final policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from routerbench.evaluation.results import Evaluation, Figure, Scored
from routerbench.files import atomic_path
from routerbench.online.picture import write_picture
from routerbench.online.served import Served, StreamOutcomes, over_orders
from routerbench.report import write_report
from routerbench.report.formatting import LANDMARKS, MEASURES, difference, gain, per_thousand, share, with_interval
from routerbench.report.tables import Table, escape, markdown, scope

_REFERENCES = (*LANDMARKS, "linear", "best_single")


def write_served(served: Served, folder: Path) -> None:
    """Write online.md, online.png and the standard report of the frozen policies; creates the folder if missing."""
    blocks = [
        f"# Learning while serving: {escape(served.name)}",
        "\n".join(f"- {escape(line)}" for line in findings(served).split("\n")),
        served_table(served),
        "## Notes",
        "\n".join(f"- {escape(note)}" for note in _notes(served)),
    ]
    with atomic_path(folder / "online.md") as part:
        part.write_text("\n\n".join(blocks) + "\n", encoding="utf-8", errors="backslashreplace")
    write_picture(served, folder / "online.png")
    write_report(served.evaluation, folder)


def findings(served: Served) -> str:
    """Summarise the reward against best_arm, the regret at the start and the end, and the frozen policy on test."""
    regret = served.services[served.name].regret
    tenth = max(1, served.num_served // 10)
    first, last = (float(part.mean()) for part in (regret[:, :tenth], regret[:, -tenth:]))
    lost = over_orders(served.behind_best_arm(served.name).sum(axis=1))
    lines = [
        f"{served.name}'s reward over {served.num_served:,} prompts, less that of the best single model "
        f"({served.best_arm}): {_count(_negative(lost))}.",
        f"Regret per prompt: {share(first)} in the first tenth, {share(last)} in the last.",
    ]
    evaluation, scored = served.evaluation, served.evaluation.routers[served.name]
    lines.append(
        f"Frozen, on test: {MEASURES[evaluation.measure]} {with_interval(evaluation.score(scored), share)}, "
        f"{with_interval(scored.differences['zero_router'].figure, difference)} to zero_router, "
        f"{with_interval(scored.differences['linear'].figure, difference)} to linear, which was told all outcomes."
    )
    return "\n".join(lines)


def served_table(served: Served) -> str:
    """Format the policies, then the references, which are evaluated on test only, as a Markdown table."""
    evaluation = served.evaluation
    policies = tuple(
        (name, *_serving(served, name, service), *_frozen(evaluation, evaluation.routers.get(name)))
        for name, service in served.services.items()
    )
    everyone = evaluation.references
    references = tuple((name, "", "", "", "", *_frozen(evaluation, everyone[name])) for name in _REFERENCES)
    frozen = f"frozen: {MEASURES[evaluation.measure]}"
    header = ("policy", "regret", "to best_arm", "quality", "USD/1k", frozen, "to zero_router")
    return markdown(Table(header, "lrrrrrr", (policies, references)))


def _serving(served: Served, name: str, service: StreamOutcomes) -> tuple[str, str, str, str]:
    regret, behind = (over_orders(each.sum(axis=1)) for each in (service.regret, served.behind_best_arm(name)))
    to_best = "" if name == "best_arm" else _count(behind)
    return _count(regret), to_best, share(float(service.quality.mean())), per_thousand(float(service.cost.mean()))


def _frozen(evaluation: Evaluation, scored: Scored | None) -> tuple[str, str]:
    if scored is None:
        return "", ""
    return with_interval(evaluation.score(scored), share), difference(gain(evaluation, scored))


def _count(figure: Figure) -> str:
    """Format a sum of rewards over a stream, without an interval of width 0."""
    assert figure.value is not None
    if figure.low is None or figure.high is None or np.isclose(figure.low, figure.high):
        return _rounded(figure.value)
    return with_interval(figure, lambda value: "-" if value is None else _rounded(value))


def _negative(figure: Figure) -> Figure:
    value, low, high = (None if each is None else -each for each in (figure.value, figure.high, figure.low))
    return Figure(value, low, high)


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:z,.1f}"


def _notes(served: Served) -> list[str]:
    told = (
        f"before it served it was told all outcomes of {served.num_offline:,} other train prompts"
        if served.num_offline
        else "before it served it was told nothing"
    )
    return [
        f"The train split is a stream of {served.num_served:,} prompts, in {served.num_orders} random orders. "
        f"{served.name} sees quality and cost of the model that it calls, and of no other; {told}.",
        f"Reward is quality - cost / lambda, at lambda = {served.willingness_to_pay:.4g} USD per unit of quality. "
        "Regret is the reward lost to the best model of each prompt, in hindsight, summed over the stream.",
        f"best_arm: always the model with the largest mean reward in hindsight ({served.best_arm}). random: the mean "
        "over all models. full_information: the same regression, told all outcomes of all other prompts in advance.",
        "To best_arm: regret minus that of best_arm; below 0 a policy earned more. In brackets: Student's 95 % "
        f"intervals over orders; of the {MEASURES[served.evaluation.measure]}, 95 % bootstrap intervals over test "
        "prompts and orders.",
        "Frozen: the posterior means after the stream, swept over all lambda; each order is a seed. linear and the "
        "references were told all train outcomes, zero_router and oracle read those of test.",
        f"Serving took {served.seconds:.1f} s for all orders together, "
        f"{served.seconds * 1e6 / (served.num_served * served.num_orders):,.0f} µs per prompt.",
        scope(served.evaluation),
    ]
