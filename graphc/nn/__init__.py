"""Layers, losses and functions of networks, in plain NumPy: traced as a user's code is."""

from graphc.nn.activations import relu
from graphc.nn.module import Module

__all__ = ["Module", "relu"]
