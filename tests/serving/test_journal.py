"""The log, and training of the next router from it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

import routerbench
from routerbench.data.table import load, read
from routerbench.errors import InputError
from routerbench.serving.app import make_app
from routerbench.serving.errors import ServiceError
from routerbench.serving.journal import Journal
from routerbench.serving.metrics import Metrics
from routerbench.serving.providers import read_providers
from routerbench.serving.served_router import ServedRouter
from routerbench.serving.service import Service
from tests.serving.conftest import MAX_BODY, PROMPTS
from tests.serving.running import Running
from tests.serving.test_route import error_of, make_service, post, talk

ROOT = Path(__file__).parents[2]
MODELS = ["model-0", "model-1", "model-2"]


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def quality_of(prompt, model):
    return (len(prompt) + 3 * MODELS.index(model)) % 5 / 4


def test_asked_models_scored_answers_a_table_and_a_router_trained_on_it(folder, stub, tmp_path):
    """Every prompt to every model, each answer scored: split, train, route."""
    parameters = {"api_base": stub.url, "api_key": "x", "input_cost_per_token": 1e-6}
    (tmp_path / "providers.json").write_text(
        json.dumps(
            {
                m: {"model": f"openai/{m}", **parameters, "output_cost_per_token": 1e-6 * 10**i}
                for i, m in enumerate(MODELS)
            }
        )
    )
    log = tmp_path / "log.jsonl"
    service = Service(ServedRouter(folder, "cpu"), read_providers(tmp_path / "providers.json"), log)
    with (
        Running(make_app(service, None, MAX_BODY)) as server,
        httpx.Client(base_url=f"{server.url}/v1", timeout=60) as client,
    ):
        for prompt in PROMPTS:
            for model in MODELS:
                body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
                id_ = client.post("/chat/completions", json=body).headers["x-router-id"]
                feedback = client.post("/feedback", json={"id": id_, "quality": quality_of(prompt, model)})
                assert feedback.json() == {"id": id_, "is_outcome": True}
        # The same again, scored otherwise: a table has one row of each prompt and model.
        body = {"model": MODELS[0], "messages": [{"role": "user", "content": PROMPTS[0]}]}
        id_ = client.post("/chat/completions", json=body).headers["x-router-id"]
        assert client.post("/feedback", json={"id": id_, "quality": 0.123}).json()["is_outcome"] is False
        # And one that nobody scores.
        client.post("/chat/completions", json=body | {"model": "router-inf"})

    outcomes = tmp_path / "log.outcomes.jsonl"
    table = load(outcomes)
    assert set(table.split) == {"train", "val", "test"}
    assert sorted(table.models) == MODELS
    assert table.prompts.tolist() == PROMPTS
    for column, model in enumerate(table.models):
        assert table.quality[:, column].tolist() == [quality_of(prompt, model) for prompt in PROMPTS]
        np.testing.assert_allclose(table.cost[:, column], 10e-6 + 3e-6 * 10 ** MODELS.index(model))
    answered = [line for line in lines_of(log) if "model" in line]
    assert len(answered) == len(PROMPTS) * 3 + 2
    assert all(line["input_tokens"] == 10 and line["seconds"] > 0 and line["digest"] for line in answered)

    command = ["train.py", "router=linear", "encoder=hashing", "encoder.dim=16", "data=table", f"data.path={outcomes}"]
    done = subprocess.run(
        [sys.executable, *command, f"hydra.run.dir={tmp_path / 'new'}"],
        cwd=ROOT, env=os.environ | {"ROUTERBENCH_CACHE": str(tmp_path / "cache")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    new = routerbench.load(tmp_path / "new" / "router")
    assert sorted(new.models) == MODELS
    assert {decision.model for decision in new.route(PROMPTS, 0)} == {"model-0"}


def test_decisions_are_logged_one_by_one_and_outcomes_of_callers_costs_are_read(folder, tmp_path):
    service = make_service(folder, log_path=tmp_path / "deep" / "log.jsonl")

    async def conversation(client):
        answer = (await client.post("/v1/route", json={"prompts": PROMPTS[:3]})).json()
        first, second, _ = answer["decisions"]
        for given in (
            {"id": first["id"], "quality": 0.5, "cost": 0.002},
            {"id": second["id"], "quality": 1, "cost": 0.001},
        ):
            assert (await client.post("/v1/feedback", json=given)).status_code == 200
        return answer

    answer = talk(service, conversation)
    logged = lines_of(service.journal.path)
    for prompt, decision, line in zip(PROMPTS[:3], answer["decisions"], logged[:3], strict=True):
        assert (line["id"], line["prompt"], line["model"]) == (decision["id"], prompt, decision["model"])
        assert (line["expected_quality"], line["expected_cost"]) == (decision["quality"], decision["cost"])
        assert (line["willingness_to_pay"], line["digest"]) == (0.002, answer["digest"])
    assert [line["feedback"] for line in logged[3:]] == [
        {"quality": 0.5, "cost": 0.002}, {"quality": 1.0, "cost": 0.001},
    ]  # fmt: skip
    table = read(service.journal.outcomes_path)
    assert table.prompts.tolist() == PROMPTS[:2]
    columns = [table.models.index(decision["model"]) for decision in answer["decisions"][:2]]
    assert table.quality[[0, 1], columns].tolist() == [0.5, 1.0]
    assert table.cost[[0, 1], columns].tolist() == [0.002, 0.001]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"id": "unknown", "quality": 1}, 404, "no answer of id 'unknown'"),
        ({"id": "a", "quality": 1.5}, 422, "quality: "),
        ({"id": "a", "quality": 1, "cost": -1}, 422, "cost: "),
        ({"id": "a"}, 422, "quality: "),
    ],
)
def test_wrong_feedback(folder, tmp_path, body, status, message):
    found = error_of(post(make_service(folder, log_path=tmp_path / "log.jsonl"), body, "/v1/feedback"))
    assert found[0] == status
    assert message in found[1]


def write(path, *calls):
    """A journal of one process, asked for some things."""

    async def run():
        journal = Journal(path, Metrics())
        return [await getattr(journal, name)(*arguments, **line) for name, arguments, line in calls]

    return asyncio.run(run())


def test_feedback_comes_after_a_restart_and_a_crash(tmp_path):
    path = tmp_path / "log.jsonl"
    write(path, ("decided", ["a"], {"prompt": "Why?", "model": "m", "cost": 0.1}))
    path.write_text(path.read_text() + '{"id": "b", "prompt": "half a li')
    assert write(path, ("measured", ["a", 0.75], {})) == [True]
    assert write(path, ("measured", ["a", 0.25], {})) == [False]
    assert lines_of(tmp_path / "log.outcomes.jsonl") == [{"prompt": "Why?", "model": "m", "quality": 0.75, "cost": 0.1}]
    assert json.loads(path.read_text().splitlines()[-1])["feedback"] == {"quality": 0.25, "cost": 0.1}


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path):
    path = tmp_path / "log.jsonl"

    async def run():
        journal = Journal(path, Metrics())
        await journal.decided("a", prompt="Why?", model="m")
        path.rename(tmp_path / "log.jsonl.1")
        await journal.decided("b", prompt="How?", model="m")

    asyncio.run(run())
    assert [line["id"] for line in lines_of(path)] == ["b"]


def test_a_log_that_cannot_be_written(folder, tmp_path, capfd):
    with pytest.raises(InputError, match="the log cannot be written"):
        Journal(tmp_path, Metrics())
    service = make_service(folder, log_path=tmp_path / "here" / "log.jsonl")
    service.journal.path.unlink()
    (tmp_path / "here" / "log.jsonl").mkdir()  # later on, as a full disk would
    assert post(service, {"prompt": "a"}).status_code == 200
    assert service.metrics.registry.get_sample_value("routerbench_log_errors_total") == 1


def test_without_a_log_no_prompt_is_written(folder, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert post(make_service(folder), {"prompt": "a secret"}).status_code == 200
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_feedback_that_cannot_be_written_is_not_taken(tmp_path):
    journal = Journal(tmp_path / "log.jsonl", Metrics())

    async def judge():
        return await journal.measured("a", 0.5)

    asyncio.run(journal.decided("a", prompt="Why?", model="m", cost=None))
    journal.outcomes_path.unlink()
    journal.outcomes_path.mkdir()  # stands for a full disk
    with pytest.raises(ServiceError, match="send it again") as error:
        asyncio.run(judge())
    assert error.value.status == 503
    journal.outcomes_path.rmdir()
    assert asyncio.run(judge()) is True
    assert lines_of(journal.outcomes_path) == [{"prompt": "Why?", "model": "m", "quality": 0.5, "cost": None}]


def test_a_clients_own_cost_goes_before_what_was_measured(tmp_path):
    journal = Journal(tmp_path / "log.jsonl", Metrics())

    async def judge():
        await journal.decided("a", prompt="Why?", model="m", cost=None)
        await journal.decided("b", prompt="How?", model="m", cost=0.5)
        return [await journal.measured(id_, 1.0, 0.25) for id_ in "ab"]

    assert asyncio.run(judge()) == [True, True]
    assert [row["cost"] for row in lines_of(journal.outcomes_path)] == [0.25, 0.25]


def test_old_answers_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr("routerbench.serving.journal.REMEMBERED", 2)
    journal = Journal(tmp_path / "log.jsonl", Metrics())

    async def judge():
        for id_ in "abc":
            await journal.decided(id_, prompt=id_, model="m", cost=None)
        with pytest.raises(ServiceError, match="no answer of id 'a'"):
            await journal.measured("a", 1.0)
        return [await journal.measured(id_, 1.0) for id_ in "bc"]

    assert asyncio.run(judge()) == [True, True]
