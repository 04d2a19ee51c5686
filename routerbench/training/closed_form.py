"""Training of routers that need no gradient."""

from dataclasses import dataclass

from routerbench.data.outcomes import Examples
from routerbench.errors import InputError
from routerbench.routers.base import ClosedFormRouter, Router
from routerbench.training.score import validation_score


@dataclass
class ClosedForm:
    """Training by the router's own ``fit``, which selects by AIQ on validation."""

    def fit(self, router: Router, train: Examples, val: Examples) -> None:
        """Fit ``router`` in place."""
        if not isinstance(router, ClosedFormRouter):
            raise InputError(f"training=closed_form cannot fit {type(router).__name__}; use training=gradient")
        router.fit(train, val, validation_score)
