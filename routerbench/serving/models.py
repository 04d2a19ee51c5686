"""``/v1/models``: the names that a client may use as its model."""

from __future__ import annotations

import time
from typing import Any

from routerbench.serving.errors import no_model
from routerbench.serving.service import Service
from routerbench.serving.spending import ROUTER, spending_of


def listed(service: Service) -> dict[str, Any]:
    """List routers and models. Routers for any other lambda, budget or share can be named as well."""
    return {"object": "list", "data": [_entry(name) for name in _names(service)]}


def found(name: str, service: Service) -> dict[str, Any]:
    """Describe one model.

    Raises:
        InputError: the name starts like a router's but is malformed.
        ServiceError: 404, the model does not exist.
    """
    if name not in _names(service) and spending_of(name) is None:
        raise no_model(name)
    return _entry(name)


def _names(service: Service) -> list[str]:
    named = service.forwarder.known(service.served.current.router.models) if service.forwarder else []
    return [ROUTER] * service.served.default.is_given + [f"{ROUTER}-inf", *named]


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(time.time()), "owned_by": ROUTER}
