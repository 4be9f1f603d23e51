"""What the tests of Python loops share."""

import copy

import numpy as np

import graphc
from graphc.trace.trees import leaves

RNG = np.random.default_rng(7)


def kept_loops(function, *args):
    """How many loops the graph has, those within loops included."""

    def count(graph):
        return sum(
            (node.op.name == "scan") + sum(count(region) for region in node.regions)
            for node in graph.nodes
        )

    return count(function.lower(*copy.deepcopy(args)).graph)


def agrees(function, *args, loops):
    """Compiled and plain give the same results and writes; `loops` are kept as loops."""
    compiled = graphc.compile(function)
    assert kept_loops(compiled, *args) == loops
    plain_args, args = copy.deepcopy(args), copy.deepcopy(args)
    expected, actual = function(*plain_args), compiled(*args)
    for wanted, found in zip(leaves(expected), leaves(actual), strict=True):
        assert type(found) is type(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    for wanted, found in zip(leaves(plain_args), leaves(args), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def normal(*shape):
    return RNG.normal(size=shape)


def differences(function, x, step=1e-6):
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[place] += step
        below[place] -= step
        found[place] = (function(above) - function(below)) / (2 * step)
    return found
