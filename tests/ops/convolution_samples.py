"""Samples of convolutions, against loops over every element."""

import itertools

import numpy as np

from graphc import ops
from graphc.ir import make
from graphc.ops.convolution.convolve import WEIGHTS

RNG = np.random.default_rng(7)


def terms(x, kernel, places, stride, low, dilation):
    """Each (place, element of the kernel, pixel) that lies inside the images."""
    axes = [
        [
            (out, k, out * stride[a] + k * dilation[a] - low[a])
            for out in range(places[a])
            for k in range(kernel[a])
            if 0 <= out * stride[a] + k * dilation[a] - low[a] < x.shape[3 + a]
        ]
        for a in range(2)
    ]
    return itertools.product(*axes)


def convolved(x, w, stride, low, high, dilation):
    """The definition, one product of numbers after another."""
    n, groups, channels = x.shape[:3]
    places = [
        (x.shape[3 + a] + low[a] + high[a] - dilation[a] * (w.shape[3 + a] - 1) - 1) // stride[a]
        + 1
        for a in range(2)
    ]
    y = np.zeros((groups, w.shape[1], n, *places))
    for (h, i, row), (v, j, column) in terms(x, w.shape[3:], places, stride, low, dilation):
        for g, o, image, c in np.ndindex(groups, w.shape[1], n, channels):
            y[g, o, image, h, v] += x[image, g, c, row, column] * w[g, o, c, i, j]
    return y


def by_weights(x, g, stride, low, dilation, kernel):
    """The derivative by the weights, likewise."""
    n, groups, channels = x.shape[:3]
    w = np.zeros((groups, g.shape[1], channels, *kernel))
    for (h, i, row), (v, j, column) in terms(x, kernel, g.shape[3:], stride, low, dilation):
        for group, o, image, c in np.ndindex(groups, g.shape[1], n, channels):
            w[group, o, c, i, j] += x[image, group, c, row, column] * g[group, o, image, h, v]
    return w


WINDOWS = [
    # images, weights, stride, low, high, dilation
    ((2, 1, 3, 4, 5), (1, 2, 3, 3, 2), (1, 1), (1, 0), (1, 1), (1, 1)),
    ((1, 2, 2, 5, 6), (2, 3, 2, 2, 3), (2, 3), (1, 1), (0, 2), (2, 1)),
    ((2, 1, 2, 5, 4), (1, 2, 2, 1, 1), (2, 2), (0, 0), (0, 0), (1, 1)),
    ((1, 1, 1, 8, 6), (1, 1, 1, 2, 2), (1, 1), (-1, 0), (-2, -1), (3, 2)),
]


def samples(sample):
    """The samples by op, made by the class `sample`."""
    convolve, weights = [], []
    for images, kernel, stride, low, high, dilation in WINDOWS:
        x, w = RNG.standard_normal(images), RNG.standard_normal(kernel)
        window = (stride, low, high, dilation)
        g = RNG.standard_normal(convolved(x, w, *window).shape)
        attrs = {
            "stride": stride,
            "low": low,
            "high": high,
            "dilation": dilation,
            "kernel": kernel[3:],
        }
        convolve.append(
            sample(
                lambda x, w, window=window: ops.convolve(x, w, *window),
                (x, w),
                lambda x, w, window=window: convolved(x, w, *window),
                ulps=8,
            )
        )
        weights.append(
            sample(
                lambda x, g, attrs=attrs: make(WEIGHTS, (x, g), attrs).out(),
                (x, g),
                lambda x, g, a=attrs: by_weights(
                    x, g, a["stride"], a["low"], a["dilation"], a["kernel"]
                ),
                ulps=8,
            )
        )
    return {"convolve": convolve, "convolve_weights": weights}
