"""The verdict states favourable and unfavourable figures in one sentence per router."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerbench.evaluation.results import Deployed, Difference, Figure, Interval, Targets
from routerbench.report.formatting import p_value, percent, share
from routerbench.report.verdict import verdict
from tests.report.conftest import build
from tests.report.records import bare

SURE, UNSURE = 0.002, 0.41
BEST = "the best single model (BEST)"
BETTER = "it is better than mixing models at random (zero_router: AIQ +.021, p = .002)"


def found(value, p, clusters=None):
    return Difference(value, Interval(value - 0.01, value + 0.01, p), clusters and Interval(-1, 1, clusters))


def kept(quality, cost):
    """Make an operating point to keep quality; the verdict reads its two shares only."""
    rest = (Figure(0.123), Figure(0.456))
    return {"keep": Deployed((0.1,), (0.0,), 0.123, 0.456, *rest, Figure(*cost), Figure(*quality), Figure(0.0))}


GOOD = kept([0.952, 0.93, 0.974], [0.384, 0.35, 0.41])
DIFFERENCES = {"zero_router": found(0.021, SURE), "benchmark_oracle": found(0.003, UNSURE)}


def speak_of(evaluation, num_benchmarks=5, num_resamples=1000, keep=0.95, free=False, **figures):
    """Return the verdict on a router r with given figures and a best single model of quality .880."""
    best = evaluation.models.index(evaluation.best_single)
    quality, cost = evaluation.model_quality.copy(), evaluation.model_cost.copy()
    quality[best], cost[best] = 0.88, 0.0 if free else 2.0
    figures = {"deployed": GOOD, "differences": DIFFERENCES, "qnc": Figure(0.43), "peak_quality": Figure(0.9)} | figures
    changed = replace(
        evaluation, model_quality=quality, model_cost=cost, num_resamples=num_resamples, targets=Targets(keep=keep),
        benchmark_counts=dict.fromkeys(map(str, range(num_benchmarks)), 30),
        routers={"r": replace(evaluation.routers["mlp"], **figures)},
    )  # fmt: skip
    return verdict(changed).replace(evaluation.best_single, "BEST").split("\n")


@pytest.fixture(scope="module")
def speak(evaluation):
    return lambda **figures: speak_of(evaluation, **figures)


def test_it_saves_but_is_no_better_than_knowing_the_benchmark(speak):
    assert speak() == [
        f"r keeps 95.2 % (93.0 to 97.4) of the quality of {BEST} at 38 % (35 to 41) of its cost; {BETTER} but not "
        "distinguishable from knowing the benchmark (benchmark_oracle: +.003, p = .41).",
        "Routers were set on validation to keep 95 % of the best single model's quality, and measured on test. Ranges "
        "are 95 % intervals from 1,000 resamples of the test prompts; a difference counts where p < .05.",
    ]


@pytest.mark.parametrize(
    ("chance", "benchmark", "standing"),
    [
        ((0.021, SURE), (0.02, 0.04), "better than RANDOM (+.021, p = .002) and than KNOWING (+.020, p = .040)"),
        ((0.021, SURE), (-0.02, 0.04), "better than RANDOM (+.021, p = .002) but worse than KNOWING (-.020, p = .040)"),
        (
            (0.003, UNSURE),
            (-0.001, UNSURE),
            "not distinguishable from RANDOM (+.003, p = .41) and from KNOWING (-.001, p = .41)",
        ),
        (
            (-0.021, SURE),
            (-0.003, UNSURE),
            "worse than RANDOM (-.021, p = .002) and not distinguishable from KNOWING (-.003, p = .41)",
        ),
        ((-0.021, SURE), (-0.05, SURE), "worse than RANDOM (-.021, p = .002) and than KNOWING (-.050, p = .002)"),
        (
            (0.003, UNSURE),
            (0.021, SURE),
            "not distinguishable from RANDOM (+.003, p = .41) but better than KNOWING (+.021, p = .002)",
        ),
    ],
)
def test_whom_it_can_be_told_from(speak, chance, benchmark, standing):
    line = speak(differences={"zero_router": found(*chance), "benchmark_oracle": found(*benchmark)})[0]
    line = line.replace("mixing models at random (zero_router: AIQ ", "RANDOM (")
    line = line.replace("knowing the benchmark (benchmark_oracle: ", "KNOWING (")
    assert line.endswith(f"; it is {standing}.")


def test_missed_quality_is_said(speak):
    missed = speak(deployed=kept([0.901, 0.856, 0.953], [0.29, 0.22, 0.34]))[0]
    assert missed.startswith(
        f"r keeps 90.1 % (85.6 to 95.3) of the quality of {BEST}, less than the 95 % asked for, at 29 % (22 to 34) of "
        "its cost; "
    )
    assert f"{BEST}, just under the 95 % asked for, at " in speak(deployed=kept([0.9498], [0.29]))[0]
    assert "less than the 99.5 % asked for" in speak(keep=0.995)[0]
    assert "asked for" not in speak(deployed=kept([0.95 - 1e-12], [0.29]))[0]


@pytest.mark.parametrize("cost", [1.12, 1.0, 0.998])
def test_what_costs_as_much_saves_nothing(speak, cost):
    assert f" at {percent(cost)} of its cost, so it saves nothing; it is" in speak(deployed=kept([0.952], [cost]))[0]
    never_deployed = speak(deployed={}, qnc=Figure(cost))[0]
    assert never_deployed.startswith(
        f"r could match the quality of {BEST} at {percent(cost)} of its cost, so it saves nothing; "
    )


def test_without_a_deployed_point_the_saving_at_equal_quality(speak):
    line, trust = speak(deployed={}, qnc=Figure(0.43, 0.4, 0.5))
    assert line.startswith(f"r could match the quality of {BEST} at 43 % (40 to 50) of its cost; {BETTER}")
    assert trust.startswith('Figures after "could" were picked on test, and are optimistic. Ranges are')
    assert "at 82 % (43 at best, never at worst) of its cost; " in speak(deployed={}, qnc=Figure(0.82, 0.43, np.inf))[0]


def test_a_quality_out_of_reach(speak):
    line, trust = speak(deployed={}, qnc=Figure(None), peak_quality=Figure(0.85, 0.83, 0.87))
    assert line.startswith(f"r reaches a quality of at most .850 (.830 to .870), below the .880 of {BEST}; {BETTER}")
    assert trust.startswith("Ranges are")


def test_a_free_best_model(speak):
    deployed = speak(free=True, deployed=kept([0.901], [None]), qnc=Figure(None))[0]
    assert deployed.startswith(
        f"r keeps 90.1 % of the quality of {BEST}, less than the 95 % asked for, and there is nothing to save, as that "
        "model is free; it is"
    )
    line = speak(free=True, deployed={}, qnc=Figure(None))[0]
    assert line.startswith(f"r matches the quality of {BEST}, which is free, so there is nothing to save; it is")


def test_without_intervals(speak):
    level = {"zero_router": Difference(0.02, None, None), "benchmark_oracle": Difference(0.0001, None, None)}
    line, trust = speak(differences=level, deployed=kept([0.952], [0.384]), num_resamples=0)
    assert line == (
        f"r keeps 95.2 % of the quality of {BEST} at 38 % of its cost; it is better than mixing models at random "
        "(zero_router: AIQ +.020) but equal to knowing the benchmark (benchmark_oracle: .000)."
    )
    assert trust.endswith(" No intervals were computed: small differences may be chance.")


def test_seeds_and_what_a_policy_was_told(speak, evaluation):
    router = evaluation.routers["mlp"]
    assert speak(sweeps=router.sweeps * 3)[0].startswith("r (mean of 3 seeds) keeps 95.2 %")
    told = {
        "responses of the models it ran": "uses responses of the models it ran",
        "prompt only, all prompts at once": "uses all prompts at once",
        "prompt only, and what its calls have cost so far": "uses what its calls have cost so far",
    }
    for information, words in told.items():
        policy = {"information": information, "deployed": {}, "sweeps": ()}
        assert speak(**policy)[0].startswith(f"r ({words}) could match the quality of {BEST} at 43 %")
        assert speak(**policy, rollouts=(None, None))[0].startswith(f"r (mean of 2 runs; {words}) could")


def test_few_benchmarks(speak):
    assert speak(num_benchmarks=4)[2:] == [
        "The test prompts are from 4 benchmarks: too few to say whether this holds on others."
    ]
    line, _, trust = speak(num_benchmarks=1)
    assert trust == "All test prompts are from one benchmark: this says nothing about others."
    assert line.endswith(f"; {BETTER}."), "on one benchmark there is nothing to know"


def test_a_lead_that_other_benchmarks_might_undo(speak, evaluation):
    lost, held = found(0.03, SURE, clusters=0.2), found(0.03, SURE, clusters=0.01)
    assert speak(differences={"zero_router": lost, "benchmark_oracle": held})[2:] == [
        "On other benchmarks r might not be better than mixing models at random."
    ]
    assert len(speak(differences={"zero_router": held, "benchmark_oracle": held})) == 2
    assert len(speak(differences={"zero_router": found(-0.03, SURE, clusters=0.2)})) == 2, "no lead, nothing to undo"
    router = replace(evaluation.routers["mlp"], differences={"zero_router": lost, "benchmark_oracle": lost})
    counts = dict.fromkeys("abcdef", 20)
    everyone = replace(evaluation, routers={"a": router, "b": router}, benchmark_counts=counts)
    assert verdict(everyone).split("\n")[-1] == (
        "On other benchmarks a and b might not be better than mixing models at random, and a and b might not be better "
        "than knowing the benchmark."
    )


def test_quality_only(without_cost):
    first, second, trust, benchmarks = verdict(without_cost).split("\n")
    peak, best = without_cost.routers["mlp"].peak_quality, without_cost.best_single
    ranged = f"{share(peak.value)} ({share(peak.low)} to {share(peak.high)})"
    top = share(without_cost.model_quality[without_cost.models.index(best)])
    assert first.startswith(
        f"mlp reaches a quality of {ranged}, against {top} for the best single model ({best}); it is"
    )
    assert " always calling one model (zero_router: quality " in first
    assert second.startswith("knn reaches a quality of ")
    assert trust.startswith("This table has no cost: quality only. Ranges are")
    assert benchmarks.startswith("The test prompts are from 2 benchmarks")
    assert "AIQ" not in verdict(without_cost)


def test_one_price_for_all(make):
    text = verdict(make(cost_of=lambda cost: np.full_like(cost, 0.25)))
    assert text.startswith("mlp reaches a quality of .")
    assert "All models cost the same, so there is nothing to save and no AIQ: quality only." in text
    assert "its cost" not in text


def test_best_first_policies_last_and_names_once(evaluation):
    policy = replace(evaluation.routers["mlp"], information="responses of the models it ran", aiq=Figure(0.99))
    lines = verdict(replace(evaluation, routers={"p": policy, **evaluation.routers})).split("\n")
    assert [line.split(" ")[0] for line in lines[:3]] == ["mlp", "knn", "p"]
    for name in (evaluation.best_single, "zero_router", "benchmark_oracle"):
        assert sum(name in line for line in lines) == 1


def test_no_router(make):
    assert verdict(make(noise={})).startswith("No router was evaluated")


@pytest.mark.parametrize("kind", ["costs", "bare", "no cost"])
def test_one_line_and_one_full_stop_a_router(evaluation, without_cost, kind):
    measured = {"costs": evaluation, "bare": bare(evaluation), "no cost": without_cost}[kind]
    routers = measured.routers | {f"more-{name}": scored for name, scored in measured.routers.items()}
    lines = verdict(replace(measured, routers=routers)).split("\n")
    assert len(routers) < len(lines) <= len(routers) + 2
    for line in lines[: len(routers)]:
        assert re.findall(r"[.!?](?=\s|$)", line) == ["."]
        assert line.endswith(").")


def test_a_name_of_several_lines_stays_on_one():
    odd = build(models=("small", "a\nb"))
    assert odd.best_single == "a\nb"
    assert "(a b)" in verdict(odd).split("\n")[0]


SENTENCE = re.compile(
    r"r keeps (?P<kept>[\d.]+) % \((?P<kept_low>[\d.]+) to (?P<kept_high>[\d.]+)\) of the quality of the best single "
    r"model \(\S+\)(?P<missed>, (?:less than|just under) the 95 % asked for,)? at (?P<cost>[\d.]+) % "
    r"\((?P<cost_low>[\d.]+) to (?P<cost_high>[\d.]+)\) of its cost(?P<dear>, so it saves nothing)?; it is "
    r"(?P<chance>\D+) mixing models at random \(zero_router: AIQ (?P<by>[-+.\d]+), (?P<p>p . \.\d+|p = 1\.00)\) "
    r"(?:and|but) (?P<benchmark>\D+) knowing the benchmark \(benchmark_oracle: (?P<by2>[-+.\d]+), (?P<p2>.*)\)\."
)
RELATIONS = {"better than": 1, "worse than": -1, "not distinguishable from": 0, "than": None, "from": None}
ranges = st.tuples(*[st.floats(0.01, 1.3)] * 3).map(lambda values: [sorted(values)[place] for place in (1, 0, 2)])
gaps = st.builds(found, st.floats(-0.3, 0.3).filter(bool), st.floats(0.0001, 1))


@settings(deadline=None)
@given(ranges, ranges, gaps, gaps)
def test_every_number_is_the_evaluations(speak, quality, cost, chance, benchmark):
    differences = {"zero_router": chance, "benchmark_oracle": benchmark}
    line = speak(deployed=kept(quality, cost), differences=differences)[0]
    told = SENTENCE.fullmatch(line)
    assert told, line
    for name, values, step in (("kept", quality, 0.1), ("cost", cost, 1)):
        for part, value in zip((name, f"{name}_low", f"{name}_high"), values, strict=True):
            assert float(told[part]) == pytest.approx(100 * value, abs=step / 2 + 1e-9)
    for by, p, gap in (("by", "p", chance), ("by2", "p2", benchmark)):
        assert float(told[by]) == pytest.approx(gap.value, abs=0.0005 + 1e-9)
        assert told[p] == p_value(gap.prompts.p_value)
    assert bool(told["missed"]) == (quality[0] < 0.95 - 1e-9)
    assert bool(told["dear"]) == (round(cost[0], 2) >= 1)
    signs = [int(np.sign(gap.value)) if gap.prompts.p_value < 0.05 else 0 for gap in (chance, benchmark)]
    said = RELATIONS[told["chance"]]
    second = RELATIONS[told["benchmark"]]
    assert [said, said if second is None else second] == signs
