"""Tiny files in the layouts of other projects: two or three prompts each, worked by hand."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq


def write_csv(path, header, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def run_of(folder, dataset, split, model, records, stamp="20260101_000000", **more):
    """One of LLMRouterBench's files; records are (index, prompt, score, cost)."""
    made = [
        {"index": i, "origin_query": f"q{i}", "prompt": prompt, "prompt_tokens": 10 + i, "completion_tokens": 5}
        | {"cost": cost, "score": score, "prediction": "x", "ground_truth": "y", "raw_output": f"{model}:{i}"}
        for i, prompt, score, cost in records
    ]
    value = {"performance": 0.5, "model_name": model, "dataset_name": dataset, "split": split, "demo": False}
    value |= {"counts": len(made), "records": made, **more}
    return write_json(folder / dataset / split / model / f"{dataset}-{split}-{model}-{stamp}.json", value)


def write_llmrouterbench(folder):
    for model, scores in {"a": (1, 0), "b": (0.5, None)}.items():
        run_of(folder, "aime", "test", model, [(1, "one", scores[0], 0.01), (2, "two", scores[1], 0.02)])
        run_of(folder, "mbpp", "test", model, [(1, "three", 1, 0.0)])
    return folder


OUTCOMES = ["prompt_id", "model_id", "category_id", "label", "model_name", "category"]


def write_embedllm(folder):
    for split, number, labels in (("train", 0, (1, 0)), ("val", 1, (1, 1)), ("test", 2, (0, 1))):
        rows = [[number, m, 0, label, f"llm-{m}", "maths"] for m, label in enumerate(labels)]
        write_csv(folder / f"{split}.csv", OUTCOMES, *rows)
    write_csv(folder / "question_order.csv", ["prompt_id", "prompt"], *[[n, f"Prompt {n},\nplease"] for n in range(4)])
    write_csv(folder / "model_order.csv", ["model_id", "model_name"], [0, "llm-0"], [1, "llm-1"])
    return folder


def write_routerdc(folder):
    for name, prompts in {"gsm8k-train": "ab", "gsm8k-test": "c", "mbpp": "d"}.items():
        entries = [{"question": prompt, "scores": {"x/y": 0.25, "z": 1}} for prompt in prompts]
        write_json(folder / f"{name}.json", [entry | {"cluster_id": 4} for entry in entries])
    return folder


def write_routellm(folder):
    header = ["prompt", "weak", "strong"]
    write_csv(folder / "mmlu_anatomy.csv", header, ["p1", "True", "False"], ["p2", "False", "True"])
    answers = ["weak_response", "strong_response"]
    write_csv(folder / "gsm8k_responses.csv", [*header, *answers], ["p3", "False", "True", "no", "yes"])
    return folder


def write_sprout(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for split, prompts in {"train": ["p1", "p2"], "validation": ["p3"], "test": ["p4"]}.items():
        one = [{"num_input_tokens": 7, "num_output_tokens": n, "response": f"r{n}", "score": n / 4} for n in (1, 2)]
        columns = {"dataset": ["gsm8k"] * len(prompts), "prompt": prompts, "golden_answer": ["?"] * len(prompts)}
        columns |= {"m1": one[: len(prompts)], "m2": one[::-1][: len(prompts)]}
        pq.write_table(pa.table(columns), folder / f"{split}-00000-of-00001.parquet")
    return folder


BATTLES = {
    "question_id": ["1", "2", "3"],
    "model_a": ["a", "b", "c"],
    "model_b": ["b", "a", "a"],
    "winner": ["model_a", "tie (bothbad)", "model_b"],
    "conversation_a": [
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hey"}],
        [
            {"role": "user", "content": "Why?"},
            {"role": "assistant", "content": "So."},
            {"role": "user", "content": "Oh?"},
        ],
    ],
}


def write_battles(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table(BATTLES), path)
        return path
    records = [dict(zip(BATTLES, cells, strict=True)) for cells in zip(*BATTLES.values(), strict=True)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path
    return write_json(path, records)
