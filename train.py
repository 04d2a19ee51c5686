"""Train a router: `python train.py router=mlp data=table data.path=FILE`; `--help` lists the options."""

import hydra
from omegaconf import DictConfig

from routerbench.config.building import (
    check_online,
    configuration,
    folder_of,
    instantiate,
    recipes_of,
    router_of,
    word_of,
)
from routerbench.config.running import running
from routerbench.encoders.store import EmbeddingStore
from routerbench.programs.experiment import run_experiment
from routerbench.programs.online import run_online
from routerbench.programs.train import train


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Build the objects and run one program; a sweeper maximises the returned validation AIQ."""
    with running(cfg, "train") as tracker:
        encoder, table = instantiate(cfg.encoder), instantiate(cfg.data)
        sizes, folder = {"embedding_dim": encoder.dim, "num_models": table.num_models}, folder_of(cfg)
        common = {"store": EmbeddingStore(cfg.cache_dir), "folder": folder, "tracker": tracker}
        if cfg.online:
            check_online(cfg)
            replay, name = instantiate(cfg.online, bandit=sizes), word_of(cfg.online.bandit)
            return run_online(replay, name, table, encoder, seed=cfg.seed, configuration=configuration(cfg), **common)
        parts = router_of(cfg, **sizes, output_dir=folder / "frozen" if cfg.finetune else cfg.output_dir)
        if cfg.experiment:
            recipes = recipes_of(cfg, **sizes)
            run_experiment(instantiate(cfg.experiment), recipes, table, encoder, seed=cfg.seed, **common)
            return None
        finetune = instantiate(cfg.finetune) if cfg.finetune else None
        return train(table, encoder, *parts, finetune=finetune, configuration=configuration(cfg), **common)


if __name__ == "__main__":
    main()
