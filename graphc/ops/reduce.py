"""Reductions over the axes in the attribute ``axes`` (sorted, not kept); of no axes: the operand."""

from __future__ import annotations
