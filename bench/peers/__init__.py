"""The workloads as the users of each peer would write them: one module a peer.

A module has ``VERSIONS`` (names of the packages that matter), and ``build(kind, inputs)``, which
gives a `Step`. It may have ``kernels(kind, inputs)``. A peer of your own is any module with these:
``--peers graphc,my.module``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Step(NamedTuple):
    """One step of a workload, ready to be called again and again.

    Attributes:
        call: does the step, waits for it, and gives what `results` takes.
        results: all results as NumPy arrays, after exactly one call.
    """

    call: Callable[[], Any]
    results: Callable[[Any], Mapping[str, np.ndarray]]
