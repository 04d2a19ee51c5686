"""Batched prediction for requests that arrive together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from routerbench.errors import InputError
from routerbench.routers.base import Prediction
from routerbench.serving.errors import ServiceError
from routerbench.serving.served_router import Loaded, ServedRouter

# Predict from the last characters of a prompt only, so that one huge prompt does not delay all others.
MAX_CHARACTERS = 50_000


class Predicted(NamedTuple):
    """Predictions for one request's prompts, and the router that made them and has to decide."""

    loaded: Loaded
    prediction: Prediction


class _Job(NamedTuple):
    prompts: list[str]
    answer: asyncio.Future[Predicted]


class Batcher:
    """A queue of requests and one thread that predicts.

    The next batch collects while the thread works, so a single request does not wait for others. Only after a batch of
    several requests does the thread wait, up to ``window``, for as many to arrive again.

    Args:
        served: holder of the current router; one router predicts a whole batch.
        max_batch: number of prompts at which a batch accepts no further request; requests are not split.
        max_waiting: maximum number of waiting prompts; further requests are refused.
        window: maximum wait in seconds.
        on_batch: called with the number of prompts of each batch.
    """

    def __init__(
        self,
        served: ServedRouter,
        max_batch: int = 64,
        max_waiting: int = 1024,
        window: float = 0.002,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.served, self.max_batch, self.max_waiting, self.window = served, max_batch, max_waiting, window
        self._on_batch = on_batch
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")

    async def predict(self, prompts: Sequence[str]) -> Predicted:
        """Predict quality and cost of every model for N prompts from the last ``MAX_CHARACTERS`` of each.

        Raises:
            InputError: a prompt is empty or cannot be encoded as UTF-8.
            ServiceError: 503, too many prompts are waiting.
        """
        prompts = [prompt[-MAX_CHARACTERS:] for prompt in prompts]
        for i, prompt in enumerate(prompts):
            _check(prompt, i)
        # Accept a request larger than the queue when nothing else waits; it would be refused for ever otherwise.
        if self._waiting and self._waiting + len(prompts) > self.max_waiting:
            raise ServiceError(503, f"{self._waiting} prompts are waiting; try again later", {"Retry-After": "1"})
        job = _Job(prompts, asyncio.get_running_loop().create_future())
        self._waiting += len(prompts)
        self._jobs.put_nowait(job)
        return await job.answer

    async def run(self) -> None:
        """Process requests until cancelled."""
        num_before = 1
        try:
            while True:
                jobs = await self._gather(num_before)
                num_before = len(jobs)
                await self._answer(jobs)
        finally:
            self._thread.shutdown(wait=False)

    async def _gather(self, num_before: int) -> list[_Job]:
        jobs = [await self._jobs.get()]
        count = len(jobs[0].prompts)
        deadline = asyncio.get_running_loop().time() + self.window
        while count < self.max_batch:
            if self._jobs.empty():
                if len(jobs) >= num_before:
                    break
                try:
                    async with asyncio.timeout_at(deadline):
                        jobs.append(await self._jobs.get())
                except TimeoutError:
                    break
            else:
                jobs.append(self._jobs.get_nowait())
            count += len(jobs[-1].prompts)
        self._waiting -= count
        return [job for job in jobs if not job.answer.done()]  # done if the client disconnected

    async def _answer(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        loaded, prompts = self.served.current, [prompt for job in jobs for prompt in job.prompts]
        self._on_batch(len(prompts))
        try:
            prediction = await asyncio.get_running_loop().run_in_executor(self._thread, loaded.router.predict, prompts)
        except Exception as error:
            if len(jobs) > 1:  # one bad request must not fail the others
                for job in jobs:
                    await self._answer([job])
            elif not jobs[0].answer.done():
                jobs[0].answer.set_exception(error)
            return
        end = 0
        for job in jobs:
            start, end = end, end + len(job.prompts)
            if not job.answer.done():
                job.answer.set_result(Predicted(loaded, prediction.take(np.arange(start, end))))


def _check(prompt: str, i: int) -> None:
    if not prompt.strip():
        raise InputError(f"prompt {i} is empty; give the text that the model is to be sent")
    try:
        prompt.encode()
    except UnicodeEncodeError:
        raise InputError(f"prompt {i} holds half of a character and is no UTF-8; send the whole character") from None
