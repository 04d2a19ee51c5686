"""Findings of an audit in plain words, with numbers and advice."""

from collections.abc import Callable, Sequence

from routerbench.audit.audit import Audit
from routerbench.audit.findings_models import MODEL_FINDINGS
from routerbench.audit.findings_prompts import PROMPT_FINDINGS
from routerbench.audit.sentences import LEVELS, Finding, count
from routerbench.report.formatting import difference, percent, share

_MIN_PAIRS = 20
# Smallest excess of the oracle over the null model that the error of the fit cannot explain.
_CLEAR_EXCESS = 0.01


def findings(audit: Audit, remarks: Sequence[str] = ()) -> list[Finding]:
    """List the findings of an audit by level: "act", then "mind", then "fine".

    ``remarks`` are sentences from the reader of the file, without a final full stop; they become one finding.
    """
    makers: tuple[Callable[[Audit], Finding | None], ...] = (_headroom, _luck, *PROMPT_FINDINGS, *MODEL_FINDINGS)
    found = [finding for make in makers if (finding := make(audit)) is not None]
    if remarks:
        found.append(Finding("mind", "Noticed while reading the file", ". ".join(remarks) + "."))
    order = list(LEVELS)
    return sorted(found, key=lambda finding: order.index(finding.level))


def summary(audit: Audit) -> str:
    """Describe the size and the split of the table in one paragraph."""
    size = audit.size
    splits = ", ".join(f"{name} {number:,}" for name, number in size.split_counts.items())
    origin = "the table's own split" if size.is_published else "the table has no split, so one is drawn by seed"
    return (
        f"{count(size.num_prompts, 'prompt')}, {count(len(audit.models.names), 'model')}, "
        f"{count(len(audit.benchmarks), 'benchmark')}; {splits} ({origin})."
    )


def _headroom(audit: Audit) -> Finding:
    quality, area = audit.quality, audit.aiq
    if quality is None:
        return Finding(
            "act",
            "No prompt of test can be scored",
            "Each has a missing quality or cost.",
            "Complete the cells of the test prompts, or leave out the model they lack.",
        )
    text = (
        f"On {count(audit.size.num_scored, 'test prompt')} the best single model ({audit.best_single}) reaches a "
        f"quality of {share(quality.blind)}, the best model of each benchmark {share(quality.benchmark_oracle)}, the "
        f"oracle {share(quality.oracle)}: {_where(quality.between)}."
    )
    if area is not None:
        text += (
            f" In AIQ: zero_router {share(area.blind)}, benchmark_oracle {share(area.benchmark_oracle)}, oracle "
            f"{share(area.oracle)}: {_where(area.between)}."
        )
    largest = max(quality.total, area.total if area is not None else 0.0)
    is_small = audit.resolution is not None and largest <= 2 * audit.resolution
    title = f"At most {difference(quality.total)} in quality can be won over the best single model"
    if is_small:
        return Finding(
            "act",
            title,
            text,
            "That is less than this test set can show: measure more prompts, or harder ones, before training.",
        )
    return Finding(
        "mind",
        title,
        text,
        "What lies between benchmarks is won by recognising the benchmark; "
        "a router has learned more than that only where it beats benchmark_oracle.",
    )


def _where(between: float | None) -> str:
    if between is None:
        return "nothing to win"
    if between < 0:
        return f"knowing the benchmark loses {percent(-between)} of the way, all there is to win lies within benchmarks"
    return f"{percent(between)} of the way lies between benchmarks, {percent(1 - between)} within"


def _luck(audit: Audit) -> Finding:
    parts = ["It is the largest of the noisy outcomes of all models on each prompt, so it counts luck as skill."]
    null, repeats = audit.no_routing, audit.copies.repeats
    if null is not None:
        parts.append(
            "If prompts differed in difficulty only, and one model were the best choice throughout each benchmark, "
            f"the oracle would still read {share(null.expected)}; here it reads {share(null.measured)} on the same "
            f"{count(null.num_prompts, 'prompt')}."
        )
        if null.measured > null.expected + _CLEAR_EXCESS:
            parts.append("The excess shows models that complement each other within benchmarks.")
        else:
            parts.append("Its height is therefore no evidence that anything can be routed within a benchmark.")
    if repeats is not None and repeats.num_prompts >= _MIN_PAIRS:
        parts.append(
            f"On {repeats.num_prompts:,} pairs of repeated prompts the model that is best on one copy has a quality of "
            f"{share(repeats.measured)} there and {share(repeats.expected)} on the other copy."
        )
    if len(parts) == 1:
        parts.append("How much that is cannot be estimated from this table: it has one outcome per cell.")
    return Finding(
        "mind",
        "The oracle is flattered by chance",
        " ".join(parts),
        "Do not read the distance from a router to the oracle as what the router misses.",
    )
