"""Evaluate routers and all references: `python evaluate.py 'routers=[DIR,DIR]'`; `--help` lists the options."""

import hydra
from omegaconf import DictConfig

from routerbench import artefact
from routerbench.config.building import chosen, folder_of, instantiate
from routerbench.config.running import running
from routerbench.encoders.store import EmbeddingStore
from routerbench.errors import InputError
from routerbench.programs.evaluate import Protocol, evaluate_routers, table_of


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    """Build the objects, then predict the test prompts once, sweep lambda, and report."""
    with running(cfg, "evaluate") as tracker:
        protocol = Protocol(cfg.baselines, cfg.keep, cfg.budget_usd_per_1k, cfg.resamples, cfg.seed)
        policies, decliners = chosen(cfg, "cascade", "budget"), chosen(cfg, "abstention")
        encoder = instantiate(cfg.encoder) if cfg.encoder else None
        if not cfg.routers:
            raise InputError("routers is empty; write 'routers=[DIR,DIR]'")
        routers = [artefact.load(folder, encoder, cfg.device) for folder in cfg.routers]
        table = instantiate(cfg.data) if cfg.data else table_of(routers)
        evaluate_routers(
            routers,
            table,
            protocol,
            policies=policies,
            decliners=decliners,
            store=EmbeddingStore(cfg.cache_dir),
            folder=folder_of(cfg),
            tracker=tracker,
        )


if __name__ == "__main__":
    main()
