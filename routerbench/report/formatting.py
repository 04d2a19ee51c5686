"""Formatting of numbers and names in tables, sentences and plots, and ranking of routers."""

import math
import re
from collections.abc import Callable, Sequence

from routerbench.evaluation.results import Evaluation, Figure, Measure, Scored

# References shown in plots and tables of benchmarks, in order of the information they read.
LANDMARKS = ("zero_router", "benchmark_oracle", "oracle")
MEASURES: dict[Measure, str] = {"aiq": "AIQ", "peak_quality": "peak quality"}


def share(value: float | None) -> str:
    """Format a quality or AIQ with three decimals and no leading zero; "-" for None and non-finite values.

    Example:
        >>> share(0.7406), share(1.0), share(None)
        ('.741', '1.000', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")


def difference(value: float | None) -> str:
    """Format a difference of two qualities, with its sign unless it rounds to 0.

    Example:
        >>> difference(0.0321), difference(-0.0321), difference(-0.0001)
        ('+.032', '-.032', '.000')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return share(abs(value)) if f"{abs(value):.3f}" == "0.000" else ("+" if value > 0 else "") + share(value)


def per_thousand(cost: float | None) -> str:
    """Format a cost in USD per prompt as USD per 1,000 prompts, with three significant digits below 1,000.

    Example:
        >>> per_thousand(0.00502), per_thousand(0.0000814), per_thousand(1.5), per_thousand(0.0)
        ('5.02', '0.0814', '1,500', '0')
    """
    if cost is None or not math.isfinite(cost):
        return "-"
    if cost <= 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(cost * 1000)))
    return f"{cost * 1000:,.{decimals}f}"


def percent(value: float | None) -> str:
    """Format a share in percent; "-" for None and non-finite values.

    Example:
        >>> percent(0.634), percent(0.034)
        ('63 %', '3.4 %')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return f"{100 * value:.1f} %" if abs(value) < 0.0995 else f"{100 * value:.0f} %"


def p_value(value: float) -> str:
    """Format a p-value with three decimals below 0.1 and two above.

    Example:
        >>> p_value(0.002), p_value(0.0421), p_value(0.37), p_value(0.0004)
        ('p = .002', 'p = .042', 'p = .37', 'p < .001')
    """
    if value < 0.001:
        return "p < .001"
    return "p = " + (f"{value:.3f}" if value < 0.1 else f"{value:.2f}").lstrip("0")


def with_interval(figure: Figure, write: Callable[[float | None], str]) -> str:
    """Format a figure, with its interval if it has one; an infinite bound reads "never".

    Example:
        >>> with_interval(Figure(0.74, 0.73, 0.75), share), with_interval(Figure(0.74), share)
        ('.740 (.730, .750)', '.740')
        >>> with_interval(Figure(0.74, 0.6, math.inf), percent)
        '74 % (60 %, never)'
    """
    if figure.low is None or figure.high is None:
        return write(figure.value)
    bounds = ("never" if math.isinf(bound) else write(bound) for bound in (figure.low, figure.high))
    return f"{write(figure.value)} ({', '.join(bounds)})"


def in_words(figure: Figure, write: Callable[[float | None], str]) -> str:
    """Format a figure, with its interval if it has one, for use in a sentence.

    Example:
        >>> in_words(Figure(0.38, 0.35, 0.41), percent), in_words(Figure(0.74), share)
        ('38 % (35 to 41)', '.740')
        >>> in_words(Figure(0.74, 0.6, math.inf), percent)
        '74 % (60 at best, never at worst)'
    """
    if figure.low is None or figure.high is None:
        return write(figure.value)
    low, high = (write(bound).removesuffix(" %") for bound in (figure.low, figure.high))
    bounds = f"{low} at best, never at worst" if math.isinf(figure.high) else f"{low} to {high}"
    return f"{write(figure.value)} ({bounds})"


def shorten(name: str, length: int = 28) -> str:
    """Put a name on one line, with the middle omitted if it is longer than ``length``.

    Example:
        >>> shorten("a-very-long-name-of-a-model", 11)
        'a-ver…model'
    """
    name = " ".join(name.split())
    if len(name) <= length:
        return name
    return name[: length // 2] + "…" + name[len(name) - (length - 1) // 2 :]


def short_names(names: Sequence[str], length: int = 28) -> list[str]:
    """Shorten names of models, and drop the part up to the last slash where the rest is unique.

    Example:
        >>> short_names(["meta/llama", "a/x", "b/x"])
        ['llama', 'a/x', 'b/x']
    """
    last = [name.rstrip("/").rsplit("/", 1)[-1] for name in names]
    return [
        shorten(short if short and last.count(short) == 1 else name, length)
        for name, short in zip(names, last, strict=True)
    ]


def quality_only(evaluation: Evaluation) -> str:
    """State why AIQ is undefined, as a clause; empty if it is defined."""
    if evaluation.measure == "aiq":
        return ""
    return "this table has no cost" if evaluation.cost_interval is None else "all models cost the same"


def merit(evaluation: Evaluation, scored: Scored) -> float:
    """Return the value of the measure, by which routers are ranked; minus infinity if it is undefined."""
    value = evaluation.score(scored).value
    return -math.inf if value is None else value


def gain(evaluation: Evaluation, scored: Scored) -> float:
    """Return ``merit`` minus that of zero_router."""
    return merit(evaluation, scored) - merit(evaluation, evaluation.references["zero_router"])


def ranked(evaluation: Evaluation) -> list[tuple[str, Scored]]:
    """Sort the routers by ``merit``, best first; ties keep their order."""
    return sorted(evaluation.routers.items(), key=lambda item: -merit(evaluation, item[1]))
