"""Layers, losses and functions of networks, in plain NumPy: traced as a user's code is."""
