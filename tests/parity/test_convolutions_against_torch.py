"""Convolutions and pooling of `graphc.nn` against ``torch.nn.functional``: results and gradients.

Runs where PyTorch is installed (``make parity``).
"""

import itertools

import numpy as np
import pytest

from graphc import nn
from tests.parity.torch_pairs import compare, drawn, torch

F = torch.nn.functional

CASES = [
    # input, weight, options
    ((2, 3, 9, 8), (4, 3, 3, 3), {}),
    ((2, 3, 9, 8), (4, 3, 3, 3), {"padding": 1}),
    ((2, 3, 9, 8), (4, 3, 3, 2), {"padding": (2, 0), "stride": (1, 2)}),
    ((2, 3, 9, 11), (4, 3, 3, 3), {"padding": 1, "stride": 2}),
    ((2, 3, 9, 11), (4, 3, 3, 3), {"padding": 2, "dilation": (2, 3)}),
    ((2, 3, 13, 11), (4, 3, 3, 3), {"padding": 2, "dilation": 2, "stride": (2, 3)}),
    ((2, 6, 7, 7), (4, 3, 3, 3), {"groups": 2, "padding": 1}),
    ((2, 6, 7, 7), (6, 1, 3, 3), {"groups": 6, "padding": 1, "stride": 2}),
    ((2, 6, 8, 8), (5, 6, 1, 1), {}),
    ((2, 6, 8, 8), (5, 6, 1, 1), {"stride": 2}),
    ((2, 3, 8, 8), (4, 3, 4, 3), {"padding": "same"}),
    ((2, 3, 8, 8), (4, 3, 4, 3), {"padding": "valid"}),
    ((2, 3, 8, 8), (4, 3, 2, 2), {"stride": 3, "padding": 1}),
    ((3, 20, 4, 4), (33, 20, 3, 3), {"padding": 1}),
    ((1, 40, 5, 5), (15, 40, 5, 5), {"padding": 2}),
    ((3, 9, 8), (4, 3, 3, 3), {"padding": 1}),
    ((1, 2, 20, 20), (3, 2, 17, 17), {"padding": 8}),
]


@pytest.mark.parametrize(("image", "kernel", "options"), CASES)
def test_conv2d(image, kernel, options):
    x, w, b = drawn(image, kernel, kernel[0])
    compare(
        lambda x, w, b: nn.conv2d(x, w, b, **options),
        lambda x, w, b: F.conv2d(x, w, b, **options),
        [x, w, b],
        atol=3e-5,
    )


@pytest.mark.parametrize(
    "options", [{}, {"padding": 3, "stride": 2}, {"dilation": 2, "padding": "same"}, {"groups": 2}]
)
def test_conv1d(options):
    x, w = drawn((2, 4, 21), (6, 4 // options.get("groups", 1), 4))
    compare(lambda x, w: nn.conv1d(x, w, **options), lambda x, w: F.conv1d(x, w, **options), [x, w])


POOLS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "stride": (1, 2), "ceil_mode": True},
    {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "ceil_mode": True},
]


@pytest.mark.parametrize("options", [*POOLS, {"kernel_size": 2, "dilation": 3, "padding": 1}])
def test_max_pool2d(options):
    (x,) = drawn((2, 3, 9, 10))
    tied = np.round(x)
    for array in (x, tied):
        compare(
            lambda x: nn.max_pool2d(x, **options), lambda x: F.max_pool2d(x, **options), [array]
        )


@pytest.mark.parametrize(("options", "counted"), itertools.product(POOLS, [True, False]))
def test_avg_pool2d(options, counted):
    (x,) = drawn((2, 3, 9, 10))
    options = {**options, "count_include_pad": counted}
    compare(lambda x: nn.avg_pool2d(x, **options), lambda x: F.avg_pool2d(x, **options), [x])


def test_divisor():
    (x,) = drawn((3, 8, 8))
    options = {"kernel_size": 4, "divisor_override": 3}
    compare(lambda x: nn.avg_pool2d(x, **options), lambda x: F.avg_pool2d(x, **options), [x])
