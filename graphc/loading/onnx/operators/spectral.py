"""Fourier transforms; complex numbers are pairs along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import integer, lift, static


def _complex(x: Any) -> Any:
    """Complex numbers from pairs, or from real ones: in double, for their rounding."""
    x = x.astype(np.float64)
    return x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]


def _pairs(x: Any, dtype: Any) -> Any:
    return np.stack([x.real, x.imag], axis=-1).astype(dtype)


@operator("DFT", static=(1, 2))
def dft(node: Node, x: Any, length: Any = None, axis: Any = None) -> Any:
    """Along an axis; of real signals half of it, if told so."""
    place = node.number("axis", 1) if node.version < 20 else -2
    place = int(place if axis is None else integer(axis, "axis")) % x.ndim
    inverse, onesided = node.get("inverse", 0), node.get("onesided", 0)
    count = None if length is None else int(integer(length, "dft_length"))
    signal = _complex(x)
    if inverse:
        if onesided:
            return np.fft.irfft(signal, n=count, axis=place)[..., None].astype(x.dtype)
        return _pairs(np.fft.ifft(signal, n=count, axis=place), x.dtype)
    found = np.fft.fft(signal, n=count, axis=place)
    if onesided:
        part = [slice(None)] * found.ndim
        part[place] = slice(0, found.shape[place] // 2 + 1)
        found = found[tuple(part)]
    return _pairs(found, x.dtype)


@operator("STFT", static=(1, 3))
def stft(node: Node, x: Any, step: Any, window: Any = None, length: Any = None) -> Any:
    """Of frames of a signal, each weighted by a window."""
    if length is not None:
        size = int(integer(length, "frame_length"))
    else:
        size = int(x.shape[1] if window is None else window.shape[0])
    stride = int(integer(step, "frame_step"))
    count = 1 + (int(x.shape[1]) - size) // stride
    places = np.arange(count)[:, None] * stride + np.arange(size)
    frames = np.take(x, places, axis=1)
    frames = frames if window is None else frames * window.reshape((size, 1))
    found = np.fft.fft(_complex(frames), axis=2)
    if node.get("onesided", 1):
        found = found[:, :, : size // 2 + 1]
    return _pairs(found, x.dtype)


@operator("HannWindow", "HammingWindow", "BlackmanWindow", static=(0,))
def window(node: Node, size: Any) -> Any:
    """A window of cosines."""
    count = int(integer(size, "size"))
    terms = {
        "HannWindow": (0.5, -0.5),
        "HammingWindow": (25 / 46, -21 / 46),
        "BlackmanWindow": (0.42, -0.5, 0.08),
    }[node.operator]
    period = count if node.get("periodic", 1) else count - 1
    angle = 2 * np.pi * np.arange(count) / max(1, period)
    found = sum(term * np.cos(k * angle) for k, term in enumerate(terms))
    return np.asarray(found).astype(node.dtype("output_datatype", 1))


@operator("MelWeightMatrix", static=(0, 1, 2, 3, 4))
def mel_weight_matrix(node: Node, *operands: Any) -> Any:
    """Triangles on the mel scale, over the bins of a Fourier transform."""
    bins, length, rate, low, high = (static(x, "a bound").reshape(())[()] for x in operands)
    spectrum = int(length) // 2 + 1

    def mel(hertz: Any) -> Any:
        return 2595 * np.log10(1 + hertz / 700)

    edges = np.arange(int(bins) + 2) * (mel(high) - mel(low)) / (int(bins) + 2) + mel(low)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    places = ((int(length) + 1) * hertz // rate).astype(int)
    found = np.zeros((spectrum, int(bins)))
    for k in range(int(bins)):
        lower, center, upper = places[k : k + 3]
        if center == lower:
            found[center, k] = 1
        else:
            found[lower : center + 1, k] = (np.arange(lower, center + 1) - lower) / (center - lower)
        if upper > center:
            found[center:upper, k] = (upper - np.arange(center, upper)) / (upper - center)
    return lift(found.astype(node.dtype("output_datatype", 1)))
