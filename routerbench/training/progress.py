"""A progress bar for the whole training; epochs on a table of embeddings are too short for a bar each."""

import lightning as L
from tqdm import tqdm


class EpochProgress(L.Callback):
    """Progress bar over epochs with the validation metrics of the last one."""

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Open the bar. A resumed run starts at its epoch."""
        self.bar = tqdm(
            total=trainer.max_epochs, initial=trainer.current_epoch, desc="training", unit="epoch", mininterval=1
        )

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Advance the bar and show the metrics of the epoch."""
        figures = {name: f"{value:.4f}" for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        self.bar.set_postfix(figures, refresh=False)
        self.bar.update()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Close the bar."""
        self.bar.close()
