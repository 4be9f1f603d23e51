"""Optimizers: plain NumPy, written in place, traced as a user's code is.

============ ======================================================================================
rules        `SGD`, `Adam`, `AdamW`, `RMSprop`, `Adagrad`; `Optimizer` is what they derive from
schedules    `linear`, `exponential`, `steps`, `cosine`: learning rates as functions of the step
clipping     `clip_by_global_norm`, `global_norm`
============ ======================================================================================
"""

from graphc.optim.adaptive import Adagrad, Adam, AdamW, RMSprop
from graphc.optim.base import Optimizer
from graphc.optim.clipping import clip_by_global_norm, global_norm
from graphc.optim.schedules import cosine, exponential, linear, steps
from graphc.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "clip_by_global_norm",
    "cosine",
    "exponential",
    "global_norm",
    "linear",
    "steps",
]
