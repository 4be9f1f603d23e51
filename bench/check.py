"""Do all peers compute the same? Compared with the steps by hand, or another peer's, in float64."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import numpy as np

from bench.workloads import Workload

Results = Mapping[str, np.ndarray]


class Mismatch(Exception):
    """A peer computes something else; the message says what and by how much."""


def reference(workload: Workload, inputs: Results) -> dict[str, np.ndarray]:
    """The results of one step in float64."""
    wide = {
        name: array.astype(np.float64) if array.dtype.kind == "f" else array
        for name, array in inputs.items()
    }
    peer = importlib.import_module(f"bench.peers.{workload.reference}")
    step = peer.build(workload.kind, wide)
    return step.results(step.call())


def compare(
    workload: Workload, inputs: Results, expected: Results, found: Results, peer: str
) -> float:
    """The largest difference of a peer's results, as a share of the largest element.

    Updated parameters are compared by their change, with a few roundings of the parameter granted.

    Raises:
        Mismatch: a result is missing, of another shape, or off by more than the tolerance.
    """
    if set(found) != set(expected):
        raise Mismatch(f"{workload.name}: {peer} gives {sorted(found)}, not {sorted(expected)}")
    worst = 0.0
    for name, wanted in expected.items():
        given = np.asarray(found[name], np.float64)
        if given.shape != np.shape(wanted):
            raise Mismatch(f"{workload.name}: {name} of {peer} has the shape {given.shape}")
        granted = 0.0
        if name in inputs:
            granted = 4 * np.finfo(np.float32).eps * float(np.abs(wanted).max())
            given, wanted = given - inputs[name], wanted - inputs[name]
        largest = float(np.abs(wanted).max())
        difference = float(np.abs(given - wanted).max())
        if not difference <= workload.tolerance * largest + granted:
            raise Mismatch(
                f"{workload.name}: {name} of {peer} is off by {difference:.2e}; its largest "
                f"element is {largest:.2e} and the tolerance {workload.tolerance:.0e} of that"
            )
        worst = max(worst, max(difference - granted, 0.0) / largest)
    return worst
