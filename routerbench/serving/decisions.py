"""``/v1/route``: routing decisions for prompts."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from routerbench.serving.batching import Predicted
from routerbench.serving.prompts import prompt_of
from routerbench.serving.service import Service
from routerbench.serving.spending import Spending

MAX_PROMPTS = 1024


class Terms(BaseModel):
    """Options of one request: the allowed models, and current prices as multiples of those in training."""

    model_config = ConfigDict(extra="forbid", strict=True)

    models: list[str] | None = None
    price_factors: dict[str, float] | None = None


class RouteRequest(Terms):
    """Prompts to route, in one of the first three fields, and the spending, in at most one of the next three."""

    prompt: str | None = None
    prompts: Annotated[list[str], Field(min_length=1, max_length=MAX_PROMPTS)] | None = None
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    willingness_to_pay: Annotated[float, Field(strict=False)] | None = None
    budget_usd_per_1k: float | None = None
    keep: float | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> RouteRequest:
        if sum(given is not None for given in (self.prompt, self.prompts, self.messages)) != 1:
            raise ValueError("give one of prompt, prompts and messages")
        return self

    def texts(self) -> list[str]:
        """Return the N prompts."""
        if self.prompts is not None:
            return self.prompts
        return [self.prompt if self.prompt is not None else prompt_of(self.messages or [])]


class RouteDecision(BaseModel):
    """Decision for one prompt.

    Attributes:
        id: identifier for feedback.
        model: name of the model to call.
        quality: expected quality in [0, 1].
        cost: expected cost in USD; None if the router was trained without costs.
    """

    id: str
    model: str
    quality: float
    cost: float | None


class RouteResponse(BaseModel):
    """Decisions, the lambda behind them ("inf" for quality at any cost), and the digest of the artefact."""

    decisions: list[RouteDecision]
    willingness_to_pay: float | str
    digest: str


async def route(request: RouteRequest, service: Service) -> RouteResponse:
    """Answer one request.

    Raises:
        InputError: a prompt or an option is invalid.
        ServiceError: too many requests are waiting.
    """
    prompts = request.texts()
    spending = Spending(request.willingness_to_pay, request.budget_usd_per_1k, request.keep)
    predicted: Predicted = await service.batcher.predict(prompts)
    router, digest = predicted.loaded.router, predicted.loaded.digest
    lambda_ = service.lambda_of(spending, router)
    found = router.decide(predicted.prediction, lambda_, request.models, request.price_factors)
    decisions = []
    for prompt, decision in zip(prompts, found, strict=True):
        model, quality, cost = decision.model, decision.quality, decision.known_cost
        decisions.append(RouteDecision(id=service.new_id(), model=model, quality=quality, cost=cost))
        service.count(model, cost)
        await service.log(
            decisions[-1].id, prompt=prompt, model=model, expected_quality=quality, expected_cost=cost,
            willingness_to_pay=shown(lambda_), digest=digest,
        )  # fmt: skip
    return RouteResponse(decisions=decisions, willingness_to_pay=shown(lambda_), digest=digest)


def shown(lambda_: float) -> float | str:
    """Represent lambda in JSON."""
    return "inf" if math.isinf(lambda_) else lambda_
