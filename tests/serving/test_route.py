"""`/v1/route`: decisions, batches, limits, reloads and metrics."""

import asyncio
import json
import os
import shutil
import signal
import threading

import httpx
import numpy as np
import pytest

import routerbench
from routerbench.errors import InputError
from routerbench.serving.app import make_app
from routerbench.serving.batching import MAX_CHARACTERS, Batcher
from routerbench.serving.errors import ServiceError
from routerbench.serving.served_router import ServedRouter
from routerbench.serving.service import Service
from routerbench.serving.spending import Spending
from tests.serving.conftest import MAX_BODY, PROMPTS, save_router

JSON = {"content-type": "application/json"}


def make_service(folder, **options):
    return Service(ServedRouter(folder, "cpu", default=Spending(willingness_to_pay=0.002)), **options)


def talk(service, conversation):
    """Run ``conversation(client)`` against the application, in this process and without a socket."""

    async def run():
        app = make_app(service, None, MAX_BODY)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as client,
        ):
            return await conversation(client)

    return asyncio.run(run())


def post(service, body, path="/v1/route"):
    async def conversation(client):
        content = body if isinstance(body, str) else json.dumps(body)
        return await client.post(path, content=content, headers=JSON)

    return talk(service, conversation)


def error_of(answer):
    (message,) = answer.json()["error"]["message"].splitlines()
    return answer.status_code, message


def decided(answer):
    assert answer.status_code == 200, answer.text
    return [(d["model"], d["quality"], d["cost"]) for d in answer.json()["decisions"]]


def assert_same(answer, expected):
    """The same models; the numbers of a product of matrices depend on how many rows it has, in their last digit."""
    found = decided(answer)
    assert [model for model, _, _ in found] == [decision.model for decision in expected]
    np.testing.assert_allclose([row[1:] for row in found], [row[1:] for row in expected], rtol=1e-9)


@pytest.mark.parametrize(
    "wish",
    [
        {"willingness_to_pay": 0.001},
        {"willingness_to_pay": 0},
        {"budget_usd_per_1k": 2.5},
        {"keep": 0.8},
        {"willingness_to_pay": 0.002, "models": ["model-0", "model-2"]},
        {"keep": 0.9, "price_factors": {"model-2": 0.01}},
    ],
)
def test_decisions_are_the_routers(folder, wish):
    router = routerbench.load(folder, device="cpu")
    answer = post(make_service(folder), {"prompts": PROMPTS, **wish})
    assert_same(answer, router.route(PROMPTS, **wish))
    lambda_ = router.lambda_for(*(wish.get(name) for name in ("willingness_to_pay", "budget_usd_per_1k", "keep")))
    assert float(answer.json()["willingness_to_pay"]) == lambda_


def test_money_is_no_object(folder):
    answer = post(make_service(folder), {"prompt": PROMPTS[0], "willingness_to_pay": "inf"})
    assert answer.json()["willingness_to_pay"] == "inf"
    expected = routerbench.load(folder, device="cpu").route(PROMPTS[:1], np.inf)
    assert decided(answer) == [tuple(expected[0])]


def test_the_default_and_messages(folder):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "?"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Two"}]},
    ]
    expected = routerbench.load(folder, device="cpu").route(["One\n\nTwo"], 0.002)
    assert decided(post(make_service(folder), {"messages": messages})) == [tuple(expected[0])]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 400, "the body is not JSON"),
        ({}, 422, "give one of prompt, prompts and messages"),
        ({"prompt": "a", "prompts": ["b"]}, 422, "give one of prompt, prompts and messages"),
        ({"prompts": []}, 422, "prompts: "),
        ({"prompts": ["a"] * 1025}, 422, "prompts: "),
        ({"prompt": 3}, 422, "prompt: "),
        ({"prompt": "a", "willingnes": 1}, 422, "willingnes: "),
        ({"prompts": ["a", " "]}, 400, "prompt 1 is empty"),
        ('{"prompt": "\\ud83d"}', 400, "prompt 0 holds half of a character"),
        ({"prompt": "a", "keep": 0.9, "willingness_to_pay": 1}, 400, "say one of willingness_to_pay"),
        ({"prompt": "a", "willingness_to_pay": -1}, 400, "at least 0, got -1"),
        ({"prompt": "a", "willingness_to_pay": "nan"}, 400, "at least 0, got nan"),
        ({"prompt": "a", "models": ["gpt-7"]}, 400, "no model 'gpt-7'; the router has model-0"),
        ({"prompt": "a", "models": []}, 400, "models is empty"),
        ({"prompt": "a", "price_factors": {"model-0": -1}}, 400, "price factor of 'model-0'"),
        ({"messages": [{"role": "user"}]}, 400, "message 0: content is neither"),
        ({"messages": [{"role": "system", "content": "a"}]}, 400, "no text of a user"),
    ],
)
def test_bad_input_is_one_line(folder, body, status, message):
    found = error_of(post(make_service(folder), body))
    assert found[0] == status
    assert message in found[1]


def test_nothing_said_about_spending(folder):
    found = error_of(post(Service(ServedRouter(folder, "cpu")), {"prompt": "a"}))
    assert found[0] == 400
    assert "say one of willingness_to_pay, budget_usd_per_1k and keep" in found[1]


def test_many_at_once_share_batches_and_get_their_own_decisions(folder):
    router, service = routerbench.load(folder, device="cpu"), make_service(folder)
    lambdas = [0, 0.001, 0.003, 0.1]

    async def conversation(client):
        bodies = [{"prompt": p, "willingness_to_pay": lambdas[i % 4]} for i, p in enumerate(PROMPTS)]
        return await asyncio.gather(*(client.post("/v1/route", json=body) for body in bodies))

    for i, answer in enumerate(talk(service, conversation)):
        assert_same(answer, router.route([PROMPTS[i]], lambdas[i % 4]))
    assert service.metrics.registry.get_sample_value("routerbench_batch_prompts_sum") == len(PROMPTS)
    assert service.metrics.registry.get_sample_value("routerbench_batch_prompts_count") < len(PROMPTS) / 4


class Gate:
    """Stands for a router that predicts when it is let."""

    def __init__(self, served):
        self.served, self.open, self.sizes = served, threading.Event(), []
        self.current = self

    @property
    def router(self):
        return self

    def predict(self, prompts):
        assert self.open.wait(60)
        self.sizes.append(len(prompts))
        if "poison" in prompts:
            raise InputError("poisoned")
        return self.served.current.router.predict(prompts)


def with_batcher(gate, conversation, **options):
    async def run():
        batcher = Batcher(gate, **options)
        work = asyncio.create_task(batcher.run())
        try:
            return await conversation(batcher)
        finally:
            gate.open.set()
            work.cancel()

    return asyncio.run(run())


def test_a_batch_gathers_while_another_is_predicted_and_has_a_limit(folder):
    gate = Gate(ServedRouter(folder, "cpu"))

    async def conversation(batcher):
        first = asyncio.create_task(batcher.predict(["first"]))
        await asyncio.sleep(0.01)  # it is being predicted, and waits at the gate
        others = [asyncio.create_task(batcher.predict([prompt])) for prompt in PROMPTS[:7]]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, *others)

    with_batcher(gate, conversation, max_batch=5, window=0.0)
    assert gate.sizes == [1, 5, 2]


def test_a_full_queue_refuses_and_goes_on(folder):
    gate = Gate(ServedRouter(folder, "cpu"))

    async def conversation(batcher):
        first = asyncio.create_task(batcher.predict(["first"]))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(batcher.predict(PROMPTS[:30]))  # larger than the queue, but nobody else waits
        await asyncio.sleep(0)
        with pytest.raises(ServiceError) as error:
            await batcher.predict(["one more"])
        gate.open.set()
        await asyncio.gather(first, waiting)
        await batcher.predict(["one more"])
        return error.value

    error = with_batcher(gate, conversation, max_waiting=10)
    assert (error.status, error.headers) == (503, {"Retry-After": "1"})


def test_a_failure_is_not_the_neighbours(folder):
    gate = Gate(ServedRouter(folder, "cpu"))

    async def conversation(batcher):
        first = asyncio.create_task(batcher.predict(["first"]))
        await asyncio.sleep(0.01)
        answers = asyncio.gather(*(batcher.predict([p]) for p in ("a", "poison", "b")), return_exceptions=True)
        await asyncio.sleep(0)
        gate.open.set()
        await first
        return await answers

    a, poison, b = with_batcher(gate, conversation)
    assert isinstance(poison, InputError)
    for prompt, found in (("a", a), ("b", b)):
        expected = gate.served.current.router.predict([prompt])
        np.testing.assert_allclose(found.prediction.quality, expected.quality)


def test_after_a_batch_of_several_it_waits_for_as_many(folder):
    gate = Gate(ServedRouter(folder, "cpu"))
    gate.open.set()

    async def conversation(batcher):
        await asyncio.gather(*(batcher.predict([prompt]) for prompt in PROMPTS[:2]))
        first = asyncio.create_task(batcher.predict(["first"]))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, batcher.predict(["second"]))

    with_batcher(gate, conversation, window=30.0)
    assert gate.sizes == [2, 2]


def test_who_hung_up_is_not_predicted(folder):
    gate = Gate(ServedRouter(folder, "cpu"))

    async def conversation(batcher):
        first = asyncio.create_task(batcher.predict(["first"]))
        await asyncio.sleep(0.01)
        gone = asyncio.create_task(batcher.predict(["gone"]))
        await asyncio.sleep(0)
        gone.cancel()
        last = asyncio.create_task(batcher.predict(["last"]))
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(first, last)

    with_batcher(gate, conversation)
    assert gate.sizes == [1, 1]


def test_a_reload_loses_no_request_and_each_answer_is_of_one_router(folder, tmp_path):
    other = save_router(tmp_path / "other", seed=5)
    routers = {
        router.digest: router.router
        for router in (ServedRouter(folder, "cpu").current, ServedRouter(other, "cpu").current)
    }
    service = make_service(folder)

    async def conversation(client):
        async def load(prompt):
            return [(prompt, await client.post("/v1/route", json={"prompt": prompt})) for _ in range(30)]

        async def swap():
            await asyncio.sleep(0.02)
            for name in ("weights.safetensors", "router.json"):
                shutil.copy(other / name, folder / name)
            return await client.post("/v1/reload")

        *found, swapped = await asyncio.gather(*(load(prompt) for prompt in PROMPTS[:8]), swap())
        last = await client.post("/v1/route", json={"prompt": "last"})
        return [answer for answers in found for answer in answers], swapped, last

    found, swapped, last = talk(service, conversation)
    assert len(found) == 240
    for prompt, answer in found:
        assert_same(answer, routers[answer.json()["digest"]].route([prompt], 0.002))
    assert swapped.json()["digest"] == last.json()["digest"] != found[0][1].json()["digest"]


@pytest.mark.parametrize("damage", ["weights", "card", "default"])
def test_a_broken_artefact_leaves_the_old_in_service(folder, damage):
    service = Service(ServedRouter(folder, "cpu", default=Spending(keep=0.9)))

    async def conversation(client):
        before = await client.post("/v1/route", json={"prompt": "a"})
        if damage == "weights":
            (folder / "weights.safetensors").write_bytes(b"nonsense")
        elif damage == "card":
            (folder / "router.json").write_text("{")
        else:
            router = routerbench.load(folder, device="cpu")
            object.__setattr__(router, "operating", None)  # the default, keep, cannot be told without
            router.save(folder)
        return before, await client.post("/v1/reload"), await client.post("/v1/route", json={"prompt": "a"})

    before, refused, after = talk(service, conversation)
    status, message = error_of(refused)
    assert status == 409
    assert message.endswith(f"the router {before.json()['digest'][:12]} stays in service")
    assert decided(after) == decided(before)
    assert service.metrics.registry.get_sample_value("routerbench_reloads_total", {"result": "refused"}) == 1


async def until_digest(client, digest):
    async with asyncio.timeout(30):
        while (await client.get("/health")).json()["digest"] != digest:
            await asyncio.sleep(0.01)


def test_a_new_router_on_disk_is_noticed(folder, tmp_path):
    other, service = save_router(tmp_path / "other", seed=5), make_service(folder, poll_seconds=0.01)
    digest = ServedRouter(other, "cpu").current.digest

    async def conversation(client):
        for name in ("weights.safetensors", "router.json"):
            shutil.copy(other / name, folder / name)
        await until_digest(client, digest)

    talk(service, conversation)


def test_a_router_that_is_copied_slowly_is_refused_and_then_taken(folder, tmp_path):
    """As `cp -r` would do it, with a pause after the card, whose weights are not there yet."""
    other, service = save_router(tmp_path / "other", seed=5), make_service(folder, poll_seconds=0.01)
    digest = ServedRouter(other, "cpu").current.digest
    refused = service.metrics.reloads.labels("refused")._value

    async def conversation(client):
        shutil.copy(other / "router.json", folder / "router.json")
        async with asyncio.timeout(30):
            while not refused.get():
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert refused.get() == 1  # the same files are not tried again
        shutil.copy(other / "weights.safetensors", folder / "weights.safetensors")
        await until_digest(client, digest)

    talk(service, conversation)


def test_a_body_beyond_the_limit_is_refused_announced_or_not(folder):
    service = make_service(folder)
    body = json.dumps({"prompt": "a" * 2000}).encode()

    async def pieces():
        for start in range(0, len(body), 500):
            yield body[start : start + 500]

    async def conversation():
        app = make_app(service, None, 1500)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client,
        ):
            small = await client.post("/v1/route", content=body[:10] + b'"}', headers=JSON)
            paths = ("/v1/route", "/v1/feedback")
            return small, [await client.post(p, content=c, headers=JSON) for p in paths for c in (body, pieces())]

    small, refused = asyncio.run(conversation())
    assert small.status_code != 413
    assert [error_of(answer) for answer in refused] == [
        (413, "the body is larger than 1,500 bytes, which is the limit here")
    ] * 4


def test_a_long_prompt_is_predicted_from_its_end(folder):
    end = "".join(f"{i} " for i in range(MAX_CHARACTERS))[-MAX_CHARACTERS:]
    ((_, quality, _),) = decided(post(make_service(folder), {"prompt": "Prove it! " * 1000 + end}))
    ((_, expected, _),) = decided(post(make_service(folder), {"prompt": end}))
    assert quality == expected
    (whole,) = routerbench.load(folder, device="cpu").route(["Prove it! " * 1000 + end], 0.002)
    assert quality != whole.quality


def test_a_service_whose_queue_died_ends(folder, monkeypatch):
    signals, service = [], make_service(folder)
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)))

    async def broken():
        raise RuntimeError("no threads left")

    monkeypatch.setattr(service.batcher, "run", broken)

    async def conversation(client):
        async with asyncio.timeout(30):
            while not signals:
                await asyncio.sleep(0.01)

    talk(service, conversation)
    assert signals == [(os.getpid(), signal.SIGTERM)]


def test_metrics(folder):
    async def conversation(client):
        answer = await client.post("/v1/route", json={"prompts": PROMPTS[:3], "models": ["model-1"]})
        await client.post("/v1/route", json={})
        await client.get("/made/up")
        return answer, (await client.get("/metrics")).text

    answer, text = talk(make_service(folder), conversation)
    spent = sum(cost for _, _, cost in decided(answer))
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['routerbench_requests_total{path="/v1/route",status="200"}'] == "1.0"
    assert lines['routerbench_requests_total{path="/v1/route",status="422"}'] == "1.0"
    assert lines['routerbench_requests_total{path="other",status="404"}'] == "1.0"
    assert lines['routerbench_decisions_total{model="model-1"}'] == "3.0"
    assert float(lines['routerbench_predicted_cost_usd_total{model="model-1"}']) == pytest.approx(spent)
    assert lines['routerbench_request_seconds_count{path="/v1/route"}'] == "2.0"
    assert lines["routerbench_batch_prompts_sum"] == "3.0"


def test_what_this_server_was_not_started_for(folder):
    for path, body, flag in (
        ("/v1/chat/completions", {"model": "router-1", "messages": [{"role": "user", "content": "a"}]}, "--providers"),
        ("/v1/feedback", {"id": "a", "quality": 1}, "--log"),
    ):
        status, message = error_of(post(make_service(folder), body, path))
        assert (status, flag in message) == (501, True)


def test_a_default_out_of_reach_is_refused_at_the_start(folder):
    with pytest.raises(InputError, match="below what the cheapest choice cost"):
        ServedRouter(folder, "cpu", default=Spending(budget_usd_per_1k=1e-9))
    with pytest.raises(InputError, match="no router there"):
        ServedRouter(folder / "nowhere")
