"""How a number and a name are written, once for every table, sentence and picture."""

import math
import re
from collections.abc import Callable, Sequence

from routerbench.evaluation.results import Evaluation, Figure, Measure, Scored

# The references every picture and per-benchmark table shows, from the lowest bar to the highest.
LANDMARKS = ("zero_router", "benchmark_oracle", "oracle")
MEASURES: dict[Measure, str] = {"aiq": "AIQ", "peak_quality": "peak quality"}


def share(value: float | None) -> str:
    """A quality or an AIQ, with three decimals and no leading zero; "-" if there is none.

    Example:
        >>> share(0.7406), share(1.0), share(None)
        ('.741', '1.000', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.3f}")


def difference(value: float | None) -> str:
    """A difference of two qualities, always with its sign unless it rounds to nothing.

    Example:
        >>> difference(0.0321), difference(-0.0321), difference(-0.0001)
        ('+.032', '-.032', '.000')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return share(abs(value)) if f"{abs(value):.3f}" == "0.000" else ("+" if value > 0 else "") + share(value)


def per_thousand(cost: float | None) -> str:
    """A cost in USD per prompt, written as USD per 1,000 prompts with three significant digits.

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
    """A share of something in percent; "-" if there is none.

    Example:
        >>> percent(0.634), percent(0.034)
        ('63 %', '3.4 %')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return f"{100 * value:.1f} %" if abs(value) < 0.0995 else f"{100 * value:.0f} %"


def p_value(value: float) -> str:
    """A p-value, with as many digits as mean something.

    Example:
        >>> p_value(0.002), p_value(0.0421), p_value(0.37), p_value(0.0004)
        ('p = .002', 'p = .042', 'p = .37', 'p < .001')
    """
    if value < 0.001:
        return "p < .001"
    return "p = " + (f"{value:.3f}" if value < 0.1 else f"{value:.2f}").lstrip("0")


def with_interval(figure: Figure, write: Callable[[float | None], str]) -> str:
    """A figure, followed by its interval if it has one; an infinite bound is never reached.

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
    """A figure and its interval within a sentence.

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
    """A name on one line and no longer than a picture can bear, its middle left out.

    Example:
        >>> shorten("a-very-long-name-of-a-model", 11)
        'a-ver…model'
    """
    name = " ".join(name.split())
    if len(name) <= length:
        return name
    return name[: length // 2] + "…" + name[len(name) - (length - 1) // 2 :]


def short_names(names: Sequence[str], length: int = 28) -> list[str]:
    """Names for a picture: without the vendor before the slash where that leaves them distinct.

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
    """Why routers are compared by quality alone, as a clause; empty where there is an AIQ."""
    if evaluation.measure == "aiq":
        return ""
    return "this table has no cost" if evaluation.cost_interval is None else "all models cost the same"


def merit(evaluation: Evaluation, scored: Scored) -> float:
    """What routers are ranked by: the figure that they are compared by, as a number."""
    value = evaluation.score(scored).value
    return -math.inf if value is None else value


def gain(evaluation: Evaluation, scored: Scored) -> float:
    """How much higher that is than that of zero_router."""
    return merit(evaluation, scored) - merit(evaluation, evaluation.references["zero_router"])


def ranked(evaluation: Evaluation) -> list[tuple[str, Scored]]:
    """The routers, best first; equals stay in the order they were given."""
    return sorted(evaluation.routers.items(), key=lambda item: -merit(evaluation, item[1]))
