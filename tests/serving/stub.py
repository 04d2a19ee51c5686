"""A provider that speaks OpenAI's protocol and fails on demand."""

import asyncio
import json

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.serving.running import Running

USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
WORDS = ["Forty", "-two", "!"]
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


class StubProvider(Running):
    """``fail[model]`` holds what to answer with before it answers well.

    That is a status, a status with OpenAI's error, "break", which breaks a stream off, or an error midway in a stream.
    """

    def __init__(self):
        super().__init__(
            Starlette(
                routes=[
                    Route("/chat/completions", self.complete, methods=["POST"]),
                    Route("/v1/messages", self.anthropic, methods=["POST"]),
                ]
            )
        )
        self.reset()

    def reset(self):
        self.bodies, self.keys, self.fail, self.pause, self.cancelled = [], [], {}, 0.0, 0
        self.words = WORDS

    async def complete(self, request):
        body = await request.json()
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization"))
        failures = self.fail.get(body["model"], [])
        if failures and isinstance(failures[0], int | tuple):
            failure = failures.pop(0)
            status, error = failure if isinstance(failure, tuple) else (failure, {"message": f"stub says {failure}"})
            return JSONResponse({"error": {"type": "x", "code": status} | error}, status)
        if failures and failures[0] == "first":
            failures.pop(0)
            event = {"error": {"message": "stub breaks the first piece", "type": "server_error", "code": 500}}
            return StreamingResponse(iter([f"data: {json.dumps(event)}\n\n"]), media_type="text/event-stream")
        if body.get("stream"):
            return StreamingResponse(self.stream(body, failures), media_type="text/event-stream")
        task, gone = asyncio.ensure_future(asyncio.sleep(self.pause)), asyncio.ensure_future(request.receive())
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        self.cancelled += not task.done()
        task.cancel()
        gone.cancel()
        message = {"role": "assistant", "content": "".join(self.words)}
        if body.get("tools"):
            message = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        text = json.dumps(self.head(body, "chat.completion") | {"choices": choices, "usage": USAGE})
        return Response(text, media_type="application/json")

    async def anthropic(self, request):
        self.bodies.append(await request.json())
        answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
        content = [{"type": "text", "text": "".join(WORDS)}]
        return JSONResponse(answer | {"content": content, "usage": {"input_tokens": 10, "output_tokens": 3}})

    def head(self, body, kind):
        return {"id": "chatcmpl-stub", "object": kind, "created": 1, "model": f"{body['model']}-2026"}

    async def stream(self, body, failures):
        finished = False
        try:
            for word in self.words:
                delta = {"role": "assistant", "content": word}
                yield self.event(body, [{"index": 0, "delta": delta, "finish_reason": None}])
                await asyncio.sleep(self.pause)
                if failures:
                    finished = True
                    if failures[0] != "break":
                        yield f"data: {json.dumps({'error': failures[0]})}\n\n"
                        return
                    raise RuntimeError("the stub breaks off, as it was told")
            yield self.event(body, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
            if (body.get("stream_options") or {}).get("include_usage"):
                yield self.event(body, [], usage=USAGE)
            yield "data: [DONE]\n\n"
            finished = True
        finally:
            self.cancelled += not finished

    def event(self, body, choices, **more):
        return f"data: {json.dumps(self.head(body, 'chat.completion.chunk') | {'choices': choices} | more)}\n\n"
