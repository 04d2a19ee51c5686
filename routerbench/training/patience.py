"""Early stopping."""

from typing import Any

from lightning.pytorch.callbacks import EarlyStopping


class Patience(EarlyStopping):
    """Early stopping that keeps its own patience when a run is resumed. Lightning takes that of the checkpoint."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint, except for the patience."""
        super().load_state_dict(state_dict | {"patience": self.patience})
