"""One chat completion on its way: who may answer it, and who does."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from routerbench.errors import InputError
from routerbench.serving.batching import Predicted
from routerbench.serving.decisions import Terms
from routerbench.serving.errors import ServiceError
from routerbench.serving.forwarding import Forwarder
from routerbench.serving.prompts import prompt_of
from routerbench.serving.service import Service
from routerbench.serving.spending import spending_of
from routerbench.trained import Decision

TERMS = "router"  # the field of a request that is ours, and not the provider's
MODELS_TRIED = 3  # the best for the request, and up to two that stand in for it


@dataclass
class Call:
    """One request on its way.

    Attributes:
        id: by which feedback names it.
        prompt: what the router saw.
        predicted: what the router, the one of that moment, makes of it.
        lambda_: by which the model is chosen; None for a model that the client named.
        price_factors: as ``TrainedRouter.decide`` takes them.
        left: models that may still be called.
        decision: the one that is called.
        failed: models that were called before.
        start: when the request came, by ``time.perf_counter``.
    """

    id: str
    prompt: str
    predicted: Predicted
    lambda_: float | None
    price_factors: Mapping[str, float] | None
    left: Sequence[str]
    decision: Decision = field(init=False)
    failed: list[str] = field(default_factory=list)
    start: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self._choose()

    @property
    def cost(self) -> float | None:
        """Predicted cost of the answer in USD; None if the router was trained without costs."""
        return None if math.isnan(self.decision.cost) else self.decision.cost

    def headers(self) -> dict[str, str]:
        """What is said beside the answer."""
        found = {
            "x-router-id": self.id,
            "x-router-model": quote(self.decision.model, safe="/:@ ()"),
            "x-router-expected-quality": f"{self.decision.quality:.6g}",
            "x-router-expected-cost": f"{self.decision.cost:.6g}",
            "x-router-digest": self.predicted.loaded.digest,
        }
        if self.lambda_ is not None:
            found["x-router-lambda"] = f"{self.lambda_:.6g}"
        if self.failed:
            found["x-router-fallbacks"] = quote(",".join(self.failed), safe="/:@ (),")
        return found

    def try_next(self) -> bool:
        """Let the next best model stand in for the one that failed; False if none may."""
        if self.lambda_ is None or not self.left or len(self.failed) + 1 >= MODELS_TRIED:
            return False
        self.failed.append(self.decision.model)
        self._choose()
        return True

    def _choose(self) -> None:
        # A model that the client named is the only one left.
        lambda_ = math.inf if self.lambda_ is None else self.lambda_
        router, prediction = self.predicted.loaded.router, self.predicted.prediction
        (self.decision,) = router.decide(prediction, lambda_, self.left, self.price_factors)
        self.left = [name for name in self.left if name != self.decision.model]


async def begin(body: Mapping[str, Any], service: Service, forwarder: Forwarder) -> Call:
    """Decide who answers a request.

    Raises:
        InputError: the request is wrong.
        ServiceError: there is no such model, or too many requests are waiting.
    """
    prompt, name, terms = prompt_of(body["messages"]), body["model"], _terms(body)
    # A model may bear the name of a router, "router-max" say; then it is that model.
    spending = None if name in service.served.current.router.models else spending_of(name)
    predicted = await service.batcher.predict([prompt])
    router = predicted.loaded.router
    router.check_names(terms.models or ())
    known = forwarder.known(router.models)
    if spending is None:
        if name not in known:
            raise ServiceError(404, f"no model {name!r}; GET /v1/models lists them")
        if terms.models is not None and name not in terms.models:
            raise InputError(f"{TERMS}.models does not allow the model {name!r}; name a router or one that is allowed")
        return Call(service.new_id(), prompt, predicted, None, terms.price_factors, [name])
    left = [model for model in known if terms.models is None or model in terms.models]
    if not left:
        raise InputError(f"{TERMS}.models allows none that this server can call; those are {', '.join(known)}")
    return Call(service.new_id(), prompt, predicted, service.lambda_of(spending, router), terms.price_factors, left)


def _terms(body: Mapping[str, Any]) -> Terms:
    given = body.get(TERMS)
    try:
        return Terms() if given is None else Terms.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (TERMS, *first["loc"]))
        example = f'{{"{TERMS}": {{"models": ["a", "b"], "price_factors": {{"a": 0.5}}}}}}'
        raise InputError(f"{where}: {first['msg']}; it is of the form {example}") from None
