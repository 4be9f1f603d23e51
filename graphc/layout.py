"""Data layouts: a pass between fuse and lower, the identity until layouts are chosen."""

from __future__ import annotations

from graphc.fuse.values import Fused


def layout(fused: Fused) -> Fused:
    """The groups with their data layouts: C order, all of them."""
    return fused
