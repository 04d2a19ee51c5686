"""Requests to a provider and handling of its errors, with LiteLLM and a local provider."""

import asyncio
import json
import logging

import httpx
import pytest

from routerbench.errors import InputError
from routerbench.serving import forwarding
from routerbench.serving.app import make_app
from routerbench.serving.forwarding import Forwarder, UpstreamError, upstream_error
from routerbench.serving.metrics import Metrics
from routerbench.serving.providers import read_providers
from routerbench.serving.served_router import ServedRouter
from routerbench.serving.service import Service
from routerbench.serving.streams import Stream
from tests.serving.conftest import MAX_BODY, PROMPTS
from tests.serving.running import Running

KEY, HEADER = "sk-secret-C", "header-secret-7"
MESSAGES = [{"role": "user", "content": PROMPTS[0]}]
TOO_LONG = (400, {"code": "context_length_exceeded", "message": "Your input exceeds the context window"})
OF_VLLM = (400, {"code": 400, "message": "This model's maximum context length is 10 tokens"})
AGAINST_POLICY = (
    400, {"type": "invalid_request_error", "code": "content_policy_violation", "message": "content_policy_violation"},
)  # fmt: skip
CLAUDE = "anthropic/claude-3-haiku-20240307"


@pytest.fixture
def forwarder(stub, tmp_path, monkeypatch):
    """A function that makes a forwarder to model "a" with these parameters."""
    monkeypatch.setattr(forwarding, "_FIRST_PAUSE", 0.001)

    def make(model="openai/upstream-0", **parameters):
        own = {"model": model, "api_base": stub.url, "api_key": KEY, **parameters}
        file = tmp_path / "providers.yaml"
        file.write_text(json.dumps({"a": own}))
        return Forwarder(read_providers(file), Metrics())

    return make


def call(forwarder, **body):
    """The stub's answer to one call, all chunks of it if it is a stream."""

    async def work():
        answer = await forwarder.call("a", {"model": "router", "messages": MESSAGES, **body})
        return [chunk async for chunk in answer] if body.get("stream") else answer

    return asyncio.run(work())


@pytest.mark.parametrize("failure", [TOO_LONG, OF_VLLM, AGAINST_POLICY])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_too_much_for_one_model_is_not_the_clients_fault(forwarder, stub, failure, stream):
    stub.fail["upstream-0"] = [failure] * 3
    with pytest.raises(UpstreamError, match=failure[1]["message"]) as error:
        call(forwarder(), stream=stream)
    assert (error.value.status, error.value.is_clients_fault, error.value.is_passing) == (400, False, False)
    assert len(stub.bodies) == 1


@pytest.mark.parametrize("field", [{"seed": 1}, {"n": 2}, {"logprobs": True}])
def test_a_parameter_that_one_provider_lacks_is_not_the_clients_fault(forwarder, stub, field):
    (name,) = field
    with pytest.raises(UpstreamError, match=f"does not support parameters: .*{name}") as error:
        call(forwarder(CLAUDE), **field)
    assert (error.value.status, error.value.is_clients_fault, error.value.is_passing) == (400, False, False)
    assert not stub.bodies
    answer = call(forwarder(CLAUDE, drop_params=True), temperature=0.5, **field)
    assert answer.choices[0].message.content == "Forty-two!"
    (body,) = stub.bodies
    assert body["temperature"] == 0.5
    assert name not in body


def test_additional_drop_params_drops_only_what_it_names(forwarder, stub):
    provider = forwarder(CLAUDE, additional_drop_params=["seed"])
    call(provider, seed=1)
    assert "seed" not in stub.bodies[0]
    with pytest.raises(UpstreamError, match=r"does not support parameters: \['n'\]"):
        call(provider, seed=1, n=2)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_other_mistakes_stay_the_clients(forwarder, stub, status):
    stub.fail["upstream-0"] = [status] * 3
    with pytest.raises(UpstreamError, match=f"stub says {status}") as error:
        call(forwarder())
    assert error.value.is_clients_fault
    assert len(stub.bodies) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_the_next_model_answers_what_was_too_long_for_the_best(folder, stub, tmp_path, stream):
    file = tmp_path / "providers.yaml"
    own = {"api_base": stub.url, "api_key": KEY}
    file.write_text(json.dumps({f"model-{i}": {"model": f"openai/upstream-{i}", **own} for i in range(3)}))
    service = Service(ServedRouter(folder, "cpu"), read_providers(file))
    with Running(make_app(service, None, MAX_BODY)) as server:
        (best,) = service.served.current.router.route([PROMPTS[0]], float("inf"))
        stub.fail[best.model.replace("model", "upstream")] = [TOO_LONG]
        body = {"model": "router-inf", "messages": MESSAGES, "stream": stream}
        answer = httpx.post(f"{server.url}/v1/chat/completions", json=body)
    assert answer.status_code == 200
    assert answer.headers["x-router-fallbacks"] == best.model
    assert [body["model"] == best.model.replace("model", "upstream") for body in stub.bodies] == [True, False]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("kind", ["x", "invalid_request_error"])  # which LiteLLM takes for the client's
def test_a_refused_key_is_told_to_nobody(forwarder, stub, caplog, status, kind):
    error = {"type": kind, "message": f"no such key: Bearer {KEY} of org-9"}
    stub.fail["upstream-0"] = [(status, error)]
    with caplog.at_level(logging.DEBUG, "routerbench"), pytest.raises(UpstreamError) as raised:
        call(forwarder())
    assert str(raised.value) == "the provider refuses this server's key"
    assert (raised.value.status, raised.value.is_clients_fault) == (status, False)
    assert "Bearer *** of org-9" in caplog.text  # whoever runs the server can find out which
    assert KEY not in caplog.text


ECHO = f"bad: {KEY} {HEADER} from-env-5 from-env-55, low"
REDACTED = "bad: *** *** *** ***, low"


@pytest.fixture
def with_secrets(forwarder, monkeypatch):
    monkeypatch.setenv("ORG", "from-env-5")
    monkeypatch.setenv("OTHER", "from-env-55")
    return forwarder(
        extra_headers={"x-key": f"Bearer {HEADER}", "x-org": "os.environ/ORG"},
        extra_body={"list": [{"a": "os.environ/OTHER"}]},
        reasoning_effort="low",
        drop_params=True,
    )


@pytest.mark.parametrize("failure", [(400, {"message": ECHO}), (418, {"message": ECHO})])
@pytest.mark.parametrize("stream", [False, True])
def test_no_secret_is_in_a_message(with_secrets, stub, caplog, failure, stream):
    stub.fail["upstream-0"] = [failure]
    with pytest.raises(UpstreamError) as error:
        call(with_secrets, stream=stream)
    assert REDACTED in str(error.value)
    assert REDACTED in caplog.text
    assert not [secret for secret in (KEY, HEADER, "from-env") if secret in caplog.text]


def test_no_secret_is_in_a_message_midway_in_a_stream(with_secrets, stub, caplog):
    stub.fail["upstream-0"] = [{"message": ECHO}]

    async def events():
        stream = Stream(await with_secrets.call("a", {"messages": MESSAGES, "stream": True}))
        return [event async for event in stream.events("a", False)]

    found = asyncio.run(events())
    assert "Forty" in found[0]
    assert "a broke off: " in json.loads(found[-1].removeprefix("data: "))["error"]["message"]
    for text in (found[-1], caplog.text):
        assert REDACTED in text
        assert not [secret for secret in (KEY, HEADER, "from-env") if secret in text]


def test_a_short_key_is_no_secret(forwarder, stub):
    stub.fail["upstream-0"] = [(400, {"message": "exact text"})]
    with pytest.raises(UpstreamError, match="exact text"):
        call(forwarder(api_key="x"))


def test_an_error_is_told_without_its_traceback(forwarder):
    error = RuntimeError("odd\n answer\nTraceback (most recent call last):\n  File /srv/x.py")
    assert str(upstream_error(error, {})) == "odd answer"
    assert upstream_error(error, {}).status == 502


def test_a_provider_that_litellm_does_not_know_is_not_the_clients_fault(forwarder, stub, caplog):
    with pytest.raises(UpstreamError, match="this server does not know its provider") as error:
        call(forwarder("llama-at-home"))
    assert not error.value.is_clients_fault
    assert "write openai/llama-at-home if it speaks OpenAI's protocol" in caplog.text


def test_variables_are_found_at_any_depth(forwarder, stub, monkeypatch):
    monkeypatch.setenv("DEEP", "found")
    call(forwarder(extra_body={"one": {"two": ["os.environ/DEEP", 3]}}))
    assert stub.bodies[0]["one"] == {"two": ["found", 3]}


def test_the_file_wins(forwarder, stub):
    own = {"temperature": 0, "store": False, "service_tier": "flex", "min_p": 0.5, "max_tokens": 7}
    sent = {"temperature": 1, "store": True, "service_tier": "fast", "min_p": 0.1, "max_completion_tokens": 7000}
    call(forwarder(**own, extra_body={"top_a": 1}), **sent, top_a=2, top_p=0.9)
    (body,) = stub.bodies
    assert body == {"model": "upstream-0", "messages": MESSAGES, **own, "top_a": 1, "top_p": 0.9}


ASIDE = {"store": False, "metadata": {"a": "b"}, "prompt_cache_key": "p", "safety_identifier": "s", "min_p": 0.1}


def test_fields_beside_the_question_reach_who_speaks_openai(forwarder, stub):
    call(forwarder(), **ASIDE)
    assert {name: stub.bodies[0].get(name) for name in ASIDE} == ASIDE


def test_fields_beside_the_question_are_dropped_elsewhere(forwarder, stub):
    assert call(forwarder(CLAUDE), **ASIDE).choices[0].message.content == "Forty-two!"
    assert stub.bodies[0].keys() == {"model", "messages", "max_tokens"}


def test_tools_of_type_mcp_are_the_providers(forwarder, stub):
    tools = [{"type": "mcp", "server_label": "x", "server_url": "litellm_proxy/mcp/x", "require_approval": "never"}]
    call(forwarder(), tools=tools)
    (body,) = stub.bodies
    assert body["tools"] == tools
    assert "_skip_mcp_handler" not in body


@pytest.mark.parametrize(("own", "seconds"), [({}, 600), ({"timeout": 7}, 7), ({"request_timeout": 8}, 8)])
def test_one_try_takes_ten_minutes_at_most(forwarder, stub, monkeypatch, own, seconds):
    found, send = [], httpx.AsyncClient.send

    def spy(self, request, **options):
        found.append(request.extensions["timeout"]["read"])
        return send(self, request, **options)

    monkeypatch.setattr(httpx.AsyncClient, "send", spy)
    call(forwarder(**own), timeout=9000)
    assert found == [seconds]


def test_a_timeout_passes(forwarder, stub):
    stub.pause = 0.5
    with pytest.raises(UpstreamError) as error:
        call(forwarder(timeout=0.05))
    assert (error.value.status, error.value.is_passing) == (408, True)
    assert len(stub.bodies) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {model: x, api_key: sk-secret-C\nb: {model: y}", "line 2, column 2: expected ',' or '}', but got ':'"),
        ("a: {model: x, api_key: sk-secret-C", "neither YAML nor JSON, line 1, column 35"),
        ("a: {model: x, api_key: *sk-secret-C}", "line 1, column 24: found undefined alias '...'"),
        ("a: {model: x, api_key: !sk-secret-C y}", "line 1, column 24: could not determine a constructor"),
        ("a: {model: x, api_key: !sk-secret'C y}", "line 1, column 24: could not determine a constructor"),
        ("a: {model: x, api_key: sk-secret-C\0}", "neither YAML nor JSON"),
        ("a: {model: x, input_cost_per_token: 1}", "'a' has input_cost_per_token alone; give both input_cost_per"),
        ("a: {model: x, output_cost_per_token: 1}", "'a' has output_cost_per_token alone; give both input_cost_per"),
        ("a: {model: x, b: {c: [os.environ/NOT_SET]}}", "model 'a', b.c: the environment has no variable 'NOT_SET'"),
    ],
)
def test_wrong_files_are_refused_and_not_quoted(tmp_path, text, message):
    (tmp_path / "providers.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_providers(tmp_path / "providers.yaml")
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
