"""Definitions of the terms of a report, and notes on its tables."""

from routerbench.evaluation.results import Evaluation
from routerbench.report.formatting import MEASURES

DEFINITIONS = {
    "AIQ": "mean height of a router's cost-quality hull on the cost interval (RouterBench paper, arXiv 2403.12031).",
    "as routed": "the same of the curve over lambda as it is, without a hull over points that were picked on test.",
    "peak quality": "highest mean quality of the hull, in [0, 1].",
    "QNC": "quality-neutral cost: what the quality of the best single model costs, as a share of that model's cost.",
    "gain": "height of the hull at the best single model's cost, minus that model's quality.",
    "AIQ macro": "unweighted mean of the AIQ of each benchmark.",
    "AIQ original code": "the area as RouterBench's code normalises it; it depends on who is compared.",
    "zero_router": "mixes single models at random and reads no prompt.",
    "benchmark_oracle": "sends all prompts of a benchmark where they did best on train: knowing the benchmark alone.",
    "USD/1k": "US dollars per 1,000 prompts, as measured.",
    "(low, high)": "95 % bootstrap interval over the test prompts, and over seeds where there are several.",
    "sees": "what a row was allowed to see when it chose a model.",
}
_COST_TERMS = ("AIQ", "as routed", "QNC", "gain", "AIQ macro", "AIQ original code", "USD/1k")
DIFFERENCES = (
    "How much higher a router scores than the others on the same prompts. Resampled prompts ask whether that holds for "
    "other prompts of these benchmarks, resampled benchmarks whether it holds for other benchmarks."
)
DEPLOYED = (
    "One lambda, chosen on validation and realised on test: what a service would have got. The last column is the "
    "quality above that of zero_router at the same cost."
)
SETTINGS = "What policies in several steps spent and reached, at some of their settings; all are in metrics.json."


def definitions(evaluation: Evaluation) -> dict[str, str]:
    """Select the definitions of the terms used in the tables of this evaluation."""
    if evaluation.measure == "aiq":
        return DEFINITIONS
    meanings = {term: meaning for term, meaning in DEFINITIONS.items() if term not in _COST_TERMS}
    peak = "mean quality when every prompt goes to the model that is thought best, in [0, 1]."
    return meanings | {"peak quality": peak}


def benchmark_note(evaluation: Evaluation) -> str:
    """Describe the table of benchmarks."""
    measure = MEASURES[evaluation.measure]
    return f"{measure[0].upper()}{measure[1:]} on the prompts of each benchmark alone."
