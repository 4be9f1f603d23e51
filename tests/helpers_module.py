"""A user's helper module: plain NumPy, no graphc."""

import numpy as np


def fill(x, scale):
    buffer = np.zeros(x.shape, dtype=x.dtype)
    buffer[:-1] = x[1:] * scale
    buffer[-1] = x[0]
    return buffer


def double_in_place(x):
    x *= 2
