"""Fitting a router that needs no gradient: it computes what it needs from the train prompts."""

from dataclasses import dataclass

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Router
from routerbench.training.score import validation_score


@dataclass
class ClosedForm:
    """Fits routers by their own ``fit``, choosing by AIQ on validation."""

    def fit(self, router: Router, train: Examples, val: Examples) -> None:
        """Fit ``router`` in place."""
        if not isinstance(router, ClosedFormRouter):
            raise InputError(f"training=closed_form cannot fit {type(router).__name__}; use training=gradient")
        router.fit(train, val, validation_score)
