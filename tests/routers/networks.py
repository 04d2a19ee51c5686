"""Common parts of the tests of networks."""

import numpy as np
import torch


def randomised(router):
    """The network with all its parameters drawn: those that begin at 0 would hide a mistake."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in router.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return router.eval()


def weights(router):
    """All parameters and buffers as NumPy arrays in double precision."""
    return {name: array.astype(np.float64) for name, array in router.arrays().items() if array.dtype != bool}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
