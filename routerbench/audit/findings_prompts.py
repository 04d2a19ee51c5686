"""Findings of an audit about prompts, labels and benchmarks."""

from routerbench.audit.audit import Audit
from routerbench.audit.sentences import Finding, count, listed
from routerbench.report.formatting import percent, share

# Shares above which a finding has a higher level.
_MANY_GAPS = 0.05
_MANY_TIES = 0.5
_CLEAR_LEAK = 0.5  # balanced accuracy, rescaled to 0 for guessing and 1 for certainty
_SMALL_TEST = 100  # prompts


def _resolution(audit: Audit) -> Finding | None:
    noise = audit.resolution
    if noise is None:
        return None
    if noise == 0:
        return Finding(
            "act",
            "All models have the same outcomes on test",
            "There is nothing to choose between.",
            "Check the quality columns.",
        )
    also = "; AIQ, a mean of qualities, is known about as well" if audit.models.measure == "aiq" else ""
    small = [part.name for part in audit.benchmarks if part.num_test < _SMALL_TEST]
    text = (
        f"With {count(audit.size.num_scored, 'test prompt')} a difference of two mean qualities is known to "
        f"±{share(noise)} (95 % interval, median pair of models){also}. A difference "
        f"below {share(noise)} is lost in noise, one of {share(2 * noise)} is almost always found."
    )
    if small and len(audit.benchmarks) > 1:
        text += (
            f" {len(small)} of {count(len(audit.benchmarks), 'benchmark')} have fewer than {_SMALL_TEST} test prompts: "
            f"{listed(small)}."
        )
    return Finding(
        "mind",
        f"Differences below {share(noise)} cannot be told from chance",
        text,
        "Compare routers by the interval of their difference; four times the prompts halve it.",
    )


def _gaps(audit: Audit) -> Finding:
    size, names = audit.size, audit.models.names
    if not size.num_left_out:
        return Finding(
            "fine",
            "No cell is missing",
            "Each prompt has a quality " + ("and a cost " if audit.costs else "") + "of every model.",
        )
    cells = zip(names, size.missing_quality.tolist(), size.missing_cost.tolist(), strict=True)
    worst = sorted(cells, key=lambda cell: -(cell[1] + cell[2]))
    gaps = [f"{name} (quality {quality:,}, cost {cost:,})" for name, quality, cost in worst if quality + cost]
    left_out = size.num_left_out / size.num_prompts
    return Finding(
        "act" if left_out > _MANY_GAPS else "mind",
        f"{count(size.num_left_out, 'prompt')} ({percent(left_out)}) cannot be scored",
        f"A cell is missing. Missing cells by model: {listed(gaps)}. Routers still learn from the rest of such a row.",
        "Fill the cells, or leave out a model that lacks many: data.models=[...].",
    )


def _copies(audit: Audit) -> Finding:
    copies = audit.copies
    if not copies.num_copies:
        return Finding("fine", "No prompt is repeated", "Not even after white space and case are folded.")
    text = (
        f"{count(copies.num_copies, 'prompt')} ({percent(copies.num_copies / audit.size.num_prompts)}) repeat another, "
        f"after white space and case are folded. Of {count(copies.num_texts, 'repeated text')}, "
        f"{copies.num_conflicting:,} have copies with different outcomes: labels are noisy, or the prompt is not all "
        "that the models were sent."
    )
    val, test = copies.num_straddling["val"], copies.num_straddling["test"]
    if not val + test:
        return Finding(
            "mind",
            f"{count(copies.num_copies, 'prompt')} repeated, none across splits",
            text,
            "Nothing: a split keeps copies on one side.",
        )
    return Finding(
        "mind",
        f"The published split leaks: {count(test, 'test prompt')} and {val:,} of val are in an earlier split too",
        text + f" Here the later copies are not used ({audit.size.num_unused:,} prompts).",
        "Results published on this split had seen them; they are not comparable to the last digit.",
    )


def _leakage(audit: Audit) -> Finding | None:
    leak = audit.leakage
    if leak is None:
        return None
    guess = 1 / leak.num_benchmarks
    text = (
        f"From the embedding ({audit.embedding}) of an unseen prompt a linear classifier names its benchmark with "
        f"balanced accuracy {share(leak.balanced_accuracy)} over {leak.num_benchmarks:,} benchmarks, where guessing "
        f"gives {share(guess)}; it is right on {percent(leak.accuracy)} of the prompts, where always the largest "
        f"benchmark would be on {percent(leak.majority_share)}."
    )
    if (leak.balanced_accuracy - guess) / (1 - guess) < _CLEAR_LEAK:
        return Finding("fine", "The embedding does not give the benchmark away", text)
    return Finding(
        "mind",
        f"The embedding gives the benchmark away (balanced accuracy {share(leak.balanced_accuracy)})",
        text + " A router may learn formats instead of difficulty.",
        "Look for a gain over benchmark_oracle, and test on benchmarks held out: data.holdout_benchmarks=[...].",
    )


def _labels(audit: Audit) -> Finding:
    scales: dict[str, list[str]] = {}
    for part in audit.benchmarks:
        scales.setdefault(part.scale, []).append(part.name)
    constant = scales.get("one value", [])
    if len(scales) == 1 and not constant:
        return Finding("fine", f"One scale of labels: {next(iter(scales))}", "All benchmarks are labelled alike.")
    text = "; ".join(f"{scale}: {listed(names)}" for scale, names in scales.items())
    advice = "A mean over benchmarks weighs a step of each scale by its size; compare benchmark by benchmark."
    if constant:
        advice = "A benchmark with one value says nothing about quality: leave it out with data.benchmarks=[...]."
    return Finding(
        "mind", f"{len(scales)} scales of labels" if len(scales) > 1 else "All labels are the same", f"{text}.", advice
    )


def _ties(audit: Audit) -> Finding:
    ties = audit.ties
    text = (
        f"On {percent(ties.tied)} of {count(ties.num_prompts, 'prompt')} several models are equally the best, "
        f"{ties.mean_best:.1f} in the mean over all. Every model is perfect on {percent(ties.all_solve)} and at 0 on "
        f"{percent(ties.none_solves)}; on {percent(ties.all_alike)} all have the same quality"
        f"{', so that only cost can be saved' if audit.models.measure == 'aiq' else ''}."
    )
    if ties.tied < _MANY_TIES:
        return Finding("fine", f"Best models are tied on {percent(ties.tied)} of the prompts", text)
    return Finding(
        "mind",
        f"Best models are tied on {percent(ties.tied)} of the prompts",
        text,
        "Learn the quality of every model; 'the best model' is an arbitrary label here.",
    )


PROMPT_FINDINGS = (_resolution, _gaps, _copies, _leakage, _ties, _labels)
