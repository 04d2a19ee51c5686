"""`/v1/models`: what a client may name as its model."""

from __future__ import annotations

import time
from typing import Any

from routerbench.serving.errors import no_model
from routerbench.serving.service import Service
from routerbench.serving.spending import ROUTER, spending_of


def listed(service: Service) -> dict[str, Any]:
    """Routers and models; routers of any lambda, budget and share can be named beside them."""
    return {"object": "list", "data": [_entry(name) for name in _names(service)]}


def found(name: str, service: Service) -> dict[str, Any]:
    """One of them.

    Raises:
        InputError: the name begins like a router's and goes on wrongly.
        ServiceError: 404, there is no such model.
    """
    if name not in _names(service) and spending_of(name) is None:
        raise no_model(name)
    return _entry(name)


def _names(service: Service) -> list[str]:
    named = service.forwarder.known(service.served.current.router.models) if service.forwarder else []
    return [ROUTER] * service.served.default.is_given + [f"{ROUTER}-inf", *named]


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(time.time()), "owned_by": ROUTER}
