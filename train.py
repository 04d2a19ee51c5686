"""Train a router: `python train.py router=mlp data=table data.path=FILE`; `--help` lists the options."""

import logging
import os
from pathlib import Path

import hydra
import numpy as np
from omegaconf import DictConfig

from routerbench import artefact
from routerbench.config import instantiate, one_line_errors, to_dict
from routerbench.data.outcomes import Examples
from routerbench.data.split import prompt_keys
from routerbench.encoders.store import EmbeddingStore
from routerbench.evaluation.evaluate import validation_aiq

log = logging.getLogger("routerbench.train")


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float:
    """Build the parts, fit, save; the returned validation AIQ is what a sweeper maximises."""
    import torch  # here, so that --help does not wait for it

    with one_line_errors():
        encoder = instantiate(cfg.encoder)
        table = instantiate(cfg.data)
        training = instantiate(cfg.training)
        torch.manual_seed(cfg.seed)  # of a network's first weights
        router = instantiate(cfg.router, embedding_dim=encoder.dim, num_models=table.num_models)
        embeddings = encoder.embed(table, EmbeddingStore(cfg.cache_dir))
        train, val = (Examples(table.part(split), embeddings[table.split == split]) for split in ("train", "val"))
        log.info("training on %d prompts of %s, %d models", len(train.table), table.source, table.num_models)

        training.fit(router, train, val)

        val_aiq = validation_aiq(router.predict(val.embeddings), val.table)
        folder = Path(os.path.relpath(cfg.output_dir)) / "router"
        data = {"config": to_dict(cfg.data), "digest": table.digest(), "split_digest": table.split_digest()}
        seen = np.concatenate([prompt_keys(train.table.prompts), prompt_keys(val.table.prompts)])
        artefact.save(folder, router, encoder, train.table, data, {"val/aiq": val_aiq}, seen)
        log.info("val/aiq %.4f; router saved in %s", val_aiq, folder)
        log.info("next: python evaluate.py 'routers=[%s]'", folder)
        return val_aiq


if __name__ == "__main__":
    main()
