"""Optimizers: plain NumPy, written in place, traced as a user's code is."""
