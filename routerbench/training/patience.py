"""Stopping a training that no longer improves."""

from typing import Any

from lightning.pytorch.callbacks import EarlyStopping


class Patience(EarlyStopping):
    """Early stopping whose patience is that of this run: Lightning goes on with that of the checkpoint."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what was in the checkpoint, but for the patience."""
        super().load_state_dict(state_dict | {"patience": self.patience})
