"""The official client, the service, and a local provider together."""

import json
from contextlib import nullcontext

import httpx
import openai
import pytest

import routerbench
from routerbench.errors import InputError
from routerbench.serving import forwarding
from routerbench.serving.app import make_app
from routerbench.serving.providers import read_providers
from routerbench.serving.served_router import ServedRouter
from routerbench.serving.service import Service
from routerbench.serving.spending import Spending
from tests.serving.conftest import MAX_BODY, PROMPTS
from tests.serving.running import Running, wait_for
from tests.serving.stub import TOOL_CALL, USAGE

KEY = "service-key"
PRICES = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
MEASURED = 10 * 1e-6 + 3 * 2e-6


@pytest.fixture
def service(folder, stub, tmp_path, monkeypatch):
    monkeypatch.setenv("STUB_KEY", "secret")
    monkeypatch.setattr(forwarding, "_FIRST_PAUSE", 0.001)
    own = {"api_base": stub.url, "api_key": "os.environ/STUB_KEY", **PRICES}
    file = tmp_path / "providers.yaml"
    file.write_text(json.dumps({f"model-{i}": {"model": f"openai/upstream-{i}", **own} for i in range(3)}))
    return Service(
        ServedRouter(folder, "cpu", default=Spending(keep=0.9)), read_providers(file), tmp_path / "log.jsonl"
    )


@pytest.fixture
def server(service):
    with Running(make_app(service, KEY, MAX_BODY)) as running:
        yield running


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def ask(client, model, prompt=PROMPTS[0], **options):
    return client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": prompt}], **options
    )


def log_lines(service):
    return [json.loads(line) for line in service.journal.path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("router-0.002", {"willingness_to_pay": 0.002}),
        ("router-1e-05", {"willingness_to_pay": 1e-5}),
        ("router-inf", {"willingness_to_pay": float("inf")}),
        ("router-budget-2.5", {"budget_usd_per_1k": 2.5}),
        ("router-keep-0.8", {"keep": 0.8}),
        ("router", {"keep": 0.9}),
    ],
)
def test_the_chosen_model_answers(client, stub, folder, name, wish):
    router = routerbench.load(folder, device="cpu")
    (expected,) = router.route([PROMPTS[0]], **wish)
    raw = ask(client, name, temperature=0.3, seed=7)
    answer = raw.parse()
    assert (answer.model, answer.choices[0].message.content) == (expected.model, "Forty-two!")
    assert answer.usage.total_tokens == 13
    assert raw.headers["x-router-model"] == expected.model
    assert float(raw.headers["x-router-expected-cost"]) == pytest.approx(expected.cost, rel=1e-5)
    assert float(raw.headers["x-router-lambda"]) == pytest.approx(router.lambda_for(**wish), rel=1e-5)
    (body,) = stub.bodies
    assert (body["model"], body["temperature"], body["seed"]) == (
        expected.model.replace("model", "upstream"), 0.3, 7,
    )  # fmt: skip
    assert stub.keys == ["Bearer secret"]


def test_a_plain_model_is_called_as_it_is_and_the_list_names_it(client, stub):
    for name in ("model-0", "model-2"):
        assert ask(client, name).parse().model == name
    assert [body["model"] for body in stub.bodies] == ["upstream-0", "upstream-2"]
    assert [model.id for model in client.models.list()] == ["router", "router-inf", "model-0", "model-1", "model-2"]


def test_a_stream_is_passed_on(client, service, stub):
    with client.chat.completions.create(
        model="model-1", messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Forty-two!"
    assert {chunk.model for chunk in chunks} == {"model-1"}
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks)  # not asked for by this client
    (line,) = log_lines(service)
    assert (line["input_tokens"], line["output_tokens"]) == (10, 3)
    assert line["cost"] == pytest.approx(MEASURED)


def test_a_stream_has_usage_where_it_is_asked_for_and_ends_with_done(server):
    body = {"model": "router-inf", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    body["stream_options"] = {"include_usage": True}
    text = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"}).text
    events = text.strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    usages = [json.loads(event.removeprefix("data: ")).get("usage") for event in events[:-1]]
    assert [usage["total_tokens"] for usage in usages if usage] == [USAGE["total_tokens"]]


def test_tools_and_fields_of_other_apis_pass(client, stub):
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
    foreign = {"min_p": 0.1, "api_base": "http://127.0.0.1:1", "mock_response": "no", "num_retries": 5}
    answer = ask(client, "model-0", tools=tools, tool_choice="auto", extra_body=foreign).parse()
    call = answer.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "add", '{"a": 1}')
    assert call.function.arguments == TOOL_CALL["function"]["arguments"]
    (body,) = stub.bodies
    assert (body["tools"], body["tool_choice"]) == (tools, "auto")
    assert {name: body[name] for name in foreign} == foreign  # the provider's to judge, not LiteLLM's to obey


@pytest.mark.parametrize("status", [500, 429])
def test_what_passes_is_tried_again(client, stub, status):
    stub.fail["upstream-1"] = [status, status]
    assert ask(client, "model-1").parse().model == "model-1"
    assert len(stub.bodies) == 3


def order_of(folder, prompt):
    """Models from the best predicted quality down, ties as the router breaks them."""
    router, left, found = routerbench.load(folder, device="cpu"), ["model-0", "model-1", "model-2"], []
    while left:
        (decision,) = router.route([prompt], float("inf"), models=left)
        found.append(decision.model)
        left.remove(decision.model)
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_the_next_best_model_stands_in(client, service, stub, folder, stream):
    first, second, _ = order_of(folder, PROMPTS[0])
    stub.fail[first.replace("model", "upstream")] = [500] * 3
    raw = ask(client, "router-inf", stream=stream)
    assert (raw.headers["x-router-model"], raw.headers["x-router-fallbacks"]) == (second, first)
    answers = list(raw.parse()) if stream else [raw.parse()]
    assert {answer.model for answer in answers} == {second}
    (line,) = log_lines(service)
    assert (line["model"], line["fallbacks"]) == (second, [first])
    metrics = service.metrics.text().decode()
    assert f'routerbench_fallbacks_total{{model="{first}"}} 1.0' in metrics
    assert f'routerbench_upstream_errors_total{{model="{first}",status="500"}} 3.0' in metrics


def test_models_and_prices_of_one_request(client, stub, folder):
    first, second, third = order_of(folder, PROMPTS[0])
    assert ask(client, "router-inf", extra_body={"router": {"models": [third, second]}}).parse().model == second
    router = routerbench.load(folder, device="cpu")
    factors = {name: 1e6 for name in (first, second)}
    (dear,) = router.route([PROMPTS[0]], 0.01, price_factors=factors)
    assert dear.model == third != router.route([PROMPTS[0]], 0.01)[0].model
    raw = ask(client, "router-0.01", extra_body={"router": {"price_factors": factors}})
    assert (raw.parse().model, float(raw.headers["x-router-expected-cost"])) == (
        third, pytest.approx(dear.cost, rel=1e-5),
    )  # fmt: skip
    assert all("router" not in body for body in stub.bodies)
    assert ask(client, third, extra_body={"router": {"models": [third]}}).parse().model == third


def test_nobody_stands_in_who_is_not_allowed(client, service, stub, folder):
    first, second, third = order_of(folder, PROMPTS[0])
    stub.fail = {name.replace("model", "upstream"): [401] for name in (first, third)}
    with pytest.raises(openai.InternalServerError, match=f"{third} does not answer"):
        ask(client, "router-inf", extra_body={"router": {"models": [first, third]}})
    assert [body["model"] for body in stub.bodies] == [name.replace("model", "upstream") for name in (first, third)]
    service.forwarder.providers.pop(second)
    with pytest.raises(openai.BadRequestError, match="allows none that this server can call; those are model-"):
        ask(client, "router-inf", extra_body={"router": {"models": [second]}})


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"models": ["gpt-7"]}, "no model 'gpt-7'; the router has model-0"),
        ({"models": []}, "router.models allows none that this server can call"),
        ({"models": "model-0"}, "router.models: Input should be a valid list"),
        ({"price_factors": {"gpt-7": 1}}, "no model 'gpt-7'; the router has model-0"),
        ({"price_factors": {"model-0": -1}}, "price factor of 'model-0' is a number, at least 0, got -1"),
        ({"model": "model-0"}, "router.model: Extra inputs are not permitted; it is of the form"),
        ("cheap", "router: Input should be a valid dictionary"),
    ],
)
def test_wrong_terms(client, stub, terms, message):
    with pytest.raises(openai.BadRequestError) as error:
        ask(client, "router-inf", extra_body={"router": terms})
    assert message in str(error.value)
    assert not stub.bodies


def test_a_named_model_must_be_allowed(client, stub):
    with pytest.raises(openai.BadRequestError, match=r"router.models does not allow the model .model-0"):
        ask(client, "model-0", extra_body={"router": {"models": ["model-1"]}})
    assert not stub.bodies


def test_a_wrong_key_at_one_provider_is_not_tried_again_but_replaced(client, stub, folder):
    first, second, _ = order_of(folder, PROMPTS[0])
    stub.fail[first.replace("model", "upstream")] = [401]
    assert ask(client, "router-inf").parse().model == second
    assert len(stub.bodies) == 2


def test_the_clients_mistake_is_told_and_not_tried_again(client, stub):
    for name in ("upstream-0", "upstream-1", "upstream-2"):
        stub.fail[name] = [400]
    with pytest.raises(openai.BadRequestError, match="stub says 400"):
        ask(client, "router-inf")
    assert len(stub.bodies) == 1


def test_when_nobody_answers(client, stub):
    for name in ("upstream-0", "upstream-1", "upstream-2"):
        stub.fail[name] = [503] * 9
    with pytest.raises(openai.InternalServerError, match="does not answer") as error:
        ask(client, "router-inf")
    assert error.value.status_code == 502
    assert len(stub.bodies) == 9


def test_a_plain_model_has_no_stand_in(client, stub):
    stub.fail["upstream-0"] = [429] * 3
    with pytest.raises(openai.RateLimitError, match="model-0 does not answer"):
        ask(client, "model-0")
    assert len(stub.bodies) == 3


def test_a_stream_that_fails_at_once_is_tried_again(client, service, stub):
    stub.fail["upstream-1"] = ["first", "first"]
    chunks = list(ask(client, "model-1", stream=True).parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Forty-two!"
    assert len(stub.bodies) == 3
    assert 'upstream_errors_total{model="model-1",status="500"} 2.0' in service.metrics.text().decode()


def test_a_stream_that_breaks_off_says_so(server, service, stub):
    stub.fail["upstream-0"] = ["break"]
    body = {"model": "model-0", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    text = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"}).text
    events = text.strip().split("\n\n")
    assert "Forty" in events[0]
    assert "model-0 broke off" in events[-1]
    assert "[DONE]" not in text
    assert 'upstream_errors_total{model="model-0"' in service.metrics.text().decode()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_cancels_the_call(server, stub, stream):
    stub.pause = 1.5
    body = {"model": "model-0", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}

    headers = {"Authorization": f"Bearer {KEY}"}

    def hang_up():
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=0.7) as got:
            next(got.iter_bytes())  # of a stream, the first chunk; then the connection is closed

    with nullcontext() if stream else pytest.raises(httpx.ReadTimeout):
        hang_up()
    wait_for(lambda: stub.cancelled == 1, seconds=20)


def test_half_a_stream_is_logged_and_can_be_judged(server, service, stub):
    stub.pause = 1.5
    body = {"model": "router-inf", "messages": [{"role": "user", "content": PROMPTS[0]}], "stream": True}
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, headers=headers) as got:
        next(got.iter_bytes())
        id_ = got.headers["x-router-id"]
    wait_for(lambda: len(log_lines(service)) == 1, seconds=20)
    (line,) = log_lines(service)
    assert (line["id"], line["ended"], line["cost"]) == (id_, False, None)
    found = httpx.post(f"{server.url}/v1/feedback", json={"id": id_, "quality": 1}, headers=headers)
    assert found.json() == {"id": id_, "is_outcome": True}


def test_a_stream_is_paid_for_without_a_log_too(folder, stub, tmp_path):
    file = tmp_path / "providers.json"
    file.write_text(
        json.dumps({"model-1": {"model": "openai/upstream-1", "api_base": stub.url, "api_key": "x", **PRICES}})
    )
    service = Service(ServedRouter(folder, "cpu"), read_providers(file))
    with (
        Running(make_app(service, None, MAX_BODY)) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="x") as client,
    ):
        list(ask(client, "model-1", stream=True).parse())
        cost = service.metrics.registry.get_sample_value("routerbench_measured_cost_usd_total", {"model": "model-1"})
    assert cost == pytest.approx(MEASURED)


def test_a_named_model_answers_what_cannot_be_routed(client, service, stub):
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]
    raw = client.chat.completions.with_raw_response.create(model="model-1", messages=image)
    assert raw.parse().model == "model-1"
    assert "x-router-expected-quality" not in raw.headers
    with pytest.raises(openai.BadRequestError, match="no text of a user"):
        client.chat.completions.create(model="router-inf", messages=image)
    (line,) = log_lines(service)
    assert (line["prompt"], line["model"], line["expected_quality"]) == (None, "model-1", None)
    headers = {"Authorization": f"Bearer {KEY}"}
    found = httpx.post(f"{client.base_url}feedback", json={"id": line["id"], "quality": 1}, headers=headers)
    assert found.json()["is_outcome"] is False


@pytest.mark.parametrize("stream", [False, True])
def test_half_a_character_of_a_provider_passes(client, stub, stream):
    stub.words = ["a", "\ud83d"]
    answer = ask(client, "model-0", stream=stream).parse()
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    else:
        text = answer.choices[0].message.content
    assert text == "a\ud83d"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"model": "model-0", "messages": [{"role": "system", "content": "\\ud83d"}]}', "not JSON in UTF-8"),
        (
            '{"model": "model-0", "messages": [{"role": "user", "content": "a"}], "temperature": NaN}',
            "not JSON in UTF-8",
        ),
        ("[" * 200_000, "not JSON in UTF-8"),
        ('{"model": "model-0", "messages": [{"role": "user", "content": "a"}], "stream": "yes"}', "stream is true or"),
    ],
)
def test_what_no_provider_could_read_is_the_clients_mistake(server, stub, content, message):
    headers = {"Authorization": f"Bearer {KEY}", "content-type": "application/json"}
    answer = httpx.post(f"{server.url}/v1/chat/completions", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert message in answer.json()["error"]["message"]
    assert not stub.bodies


def test_a_new_router_of_other_models_is_refused(server, service, folder):
    router = routerbench.load(folder, device="cpu")
    object.__setattr__(router, "models", ("alpha", "beta", "gamma"))
    router.card["models"] = ["alpha", "beta", "gamma"]
    router.save(folder)
    answer = httpx.post(f"{server.url}/v1/reload", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 409
    assert "names none of the router's models; it has alpha" in answer.json()["error"]["message"]
    assert service.served.current.router.models == ("model-0", "model-1", "model-2")


def test_a_model_can_be_looked_up(client):
    for name in ("router", "router-keep-0.95", "model-1"):
        assert client.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-7'"):
        client.models.retrieve("gpt-7")


@pytest.mark.parametrize(
    ("model", "status", "message"),
    [
        ("gpt-7", 404, "no model 'gpt-7'"),
        ("router-max", 400, "write router-LAMBDA"),
        ("router--1", 400, "at least 0, got -1"),
        ("router-keep-1.5", 400, "above 0 and at most 1"),
        ("router-budget-0.0000001", 400, "below what the cheapest choice cost"),
    ],
)
def test_wrong_models(client, model, status, message):
    with pytest.raises(openai.APIStatusError, match=message) as error:
        ask(client, model)
    assert error.value.status_code == status


def test_without_a_key_nobody_is_let_in(server, stub):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        for path in ("chat/completions", "route", "reload", "feedback"):
            assert httpx.post(f"{server.url}/v1/{path}", json={}, headers=headers).status_code == 401
    assert httpx.get(f"{server.url}/health").status_code == 200
    assert not stub.bodies


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no models"),
        ("[1, 2]", "names no models"),
        ("a: {api_base: x}", "model 'a' has no parameter model"),
        ("a: {model: x, api_key: os.environ/NOT_SET_ANYWHERE}", "no variable 'NOT_SET_ANYWHERE'"),
        ("a: {model: x, input_cost_per_token: cheap}", "'cheap' is no price"),
        ("a: {model: x, output_cost_per_token: -1e-06}", "'-1e-06' is no price"),
        ("a: {model: [", "neither YAML nor JSON"),
    ],
)
def test_wrong_providers(tmp_path, text, message):
    (tmp_path / "providers.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_providers(tmp_path / "providers.yaml")
    assert "\n" not in str(error.value)


def test_providers_of_other_models_are_refused(service):
    with pytest.raises(InputError, match="names none of the router's models; it has a, b"):
        service.forwarder.check_models(["a", "b"])
