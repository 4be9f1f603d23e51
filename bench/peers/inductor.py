"""PyTorch with TorchInductor: the loss under `torch.compile`, the rest as in eager PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from bench.peers import Step
from bench.peers import torch as eager

VERSIONS = ("torch",)


def build(kind: str, inputs: Mapping[str, np.ndarray]) -> Step:
    """The step of a workload."""
    return eager.build(kind, inputs, torch.compile)
