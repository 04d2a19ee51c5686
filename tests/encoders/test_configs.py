"""Every file of conf/encoder builds its encoder and lists all its options."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

FILES = sorted(Path(__file__).parents[2].joinpath("conf", "encoder").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_config(file, tmp_path):
    config = OmegaConf.load(file)
    kind = get_class(config._target_)
    assert kind.__module__ == f"routerbench.encoders.{file.stem}"
    assert set(config) - {"_target_", "_convert_"} == set(inspect.signature(kind).parameters)
    assert file.read_text().startswith(f"# python train.py encoder={file.stem}")
    np.save(tmp_path / "vectors.npy", np.zeros((2, 2)))
    needed = {
        "huggingface": {"name": "some/model"},
        "precomputed": {"path": str(tmp_path / "vectors.npy")},
        "static": {"cache_dir": "~/.cache/routerbench"},
    }
    encoder = instantiate(config, **needed.get(file.stem, {}))
    # The defaults of the file are those of the code.
    assert vars(encoder).keys() == vars(kind(**needed.get(file.stem, {}))).keys()
    assert vars(encoder) == vars(kind(**needed.get(file.stem, {})))
