"""Layers: modules with PyTorch's arguments, defaults, names and layouts of arrays."""
