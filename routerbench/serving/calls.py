"""A chat completion in progress, with its model and fallbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from routerbench.artefact.decisions import Decision
from routerbench.errors import InputError
from routerbench.serving.batching import Predicted
from routerbench.serving.decisions import Terms
from routerbench.serving.errors import no_model
from routerbench.serving.forwarding import Forwarder
from routerbench.serving.prompts import prompt_of
from routerbench.serving.service import Service
from routerbench.serving.spending import spending_of

TERMS = "router"  # field of a request that is not passed on to the provider
MODELS_TRIED = 3  # the best model and up to two fallbacks


@dataclass
class Call:
    """A request in progress.

    Attributes:
        id: identifier for feedback.
        prompt: text of the user; None if there is none.
        digest: digest of the router's artefact.
        decision: the model that is called now.
        others: decisions for fallback models, best first.
        lambda_: lambda that chose the models; None if the client named one.
        failed: models that were called before.
        start: time of arrival by ``time.perf_counter``.
    """

    id: str
    prompt: str | None
    digest: str
    decision: Decision
    others: Iterator[Decision] = field(default_factory=lambda: iter(()))
    lambda_: float | None = None
    failed: list[str] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    @property
    def quality(self) -> float | None:
        """Expected quality in [0, 1]; None for a model that the client named."""
        return None if self.lambda_ is None else self.decision.quality

    @property
    def cost(self) -> float | None:
        """Expected cost in USD; None for a model that the client named, or of a router trained without costs."""
        return self.decision.known_cost

    def try_next(self) -> bool:
        """Switch to the next best model after a failure; return False if there is none."""
        following = next(self.others, None)
        if following is None:
            return False
        self.failed.append(self.decision.model)
        self.decision = following
        return True

    def headers(self) -> dict[str, str]:
        """Make the response headers that describe the decision."""
        names = {"model": self.decision.model, "fallbacks": ",".join(self.failed)}
        numbers = {"expected-quality": self.quality, "expected-cost": self.cost, "lambda": self.lambda_}
        found = {"id": self.id, "digest": self.digest}
        found |= {name: quote(text, safe="/:@ (),") for name, text in names.items() if text}
        found |= {name: f"{number:.6g}" for name, number in numbers.items() if number is not None}
        return {f"x-router-{name}": text for name, text in found.items()}


async def begin(body: Mapping[str, Any], service: Service, forwarder: Forwarder) -> Call:
    """Choose the model for a request.

    Raises:
        InputError: the request is invalid.
        ServiceError: the model does not exist, or too many requests are waiting.
    """
    name, terms, loaded = body["model"], _terms(body), service.served.current
    loaded.router.check_names([*(terms.models or ()), *(terms.price_factors or ())])
    # A model may have the name of a router, such as "router-max"; then it is that model.
    spending = None if name in loaded.router.models else spending_of(name)
    if spending is None:
        if name not in forwarder.known(loaded.router.models):
            raise no_model(name)
        if terms.models is not None and name not in terms.models:
            raise InputError(f"{TERMS}.models does not allow the model {name!r}; name a router or one that is allowed")
        return Call(service.new_id(), _prompt_if_any(body), loaded.digest, Decision(name, math.nan, math.nan))
    prompt = prompt_of(body["messages"])
    predicted = await service.batcher.predict([prompt])  # perhaps by a newer router than ``loaded``
    known = forwarder.known(predicted.loaded.router.models)
    allowed = [model for model in known if terms.models is None or model in terms.models]
    if not allowed:
        raise InputError(f"{TERMS}.models allows none that this server can call; those are {', '.join(known)}")
    lambda_ = service.lambda_of(spending, predicted.loaded.router)
    decisions = islice(_best_first(predicted, lambda_, allowed, terms.price_factors), MODELS_TRIED)
    return Call(service.new_id(), prompt, predicted.loaded.digest, next(decisions), decisions, lambda_)


def _best_first(
    predicted: Predicted, lambda_: float, allowed: Sequence[str], price_factors: Mapping[str, float] | None
) -> Iterator[Decision]:
    """Yield the decision for a prompt, then the decisions without the models chosen before."""
    left = list(allowed)
    while left:
        (decision,) = predicted.loaded.router.decide(predicted.prediction, lambda_, left, price_factors)
        yield decision
        left.remove(decision.model)


def _prompt_if_any(body: Mapping[str, Any]) -> str | None:
    """Return the text of the user for the log; a request for a named model may have none."""
    try:
        return prompt_of(body["messages"])
    except InputError:
        return None


def _terms(body: Mapping[str, Any]) -> Terms:
    given = body.get(TERMS)
    try:
        return Terms() if given is None else Terms.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (TERMS, *first["loc"]))
        example = f'{{"{TERMS}": {{"models": ["a", "b"], "price_factors": {{"a": 0.5}}}}}}'
        raise InputError(f"{where}: {first['msg']}; it is of the form {example}") from None
