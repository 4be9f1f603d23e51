"""The rules of all ops, by name."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.exporting.onnx.rules import (
    arithmetic,
    arrays,
    control,
    indexing,
    integers,
    products,
    reductions,
    refused,
    rounding,
    softmax,
    special,
    transcendental,
)
from graphc.exporting.onnx.walker import Rule

RULES: Mapping[str, Rule] = {
    **arrays.RULES,
    **arithmetic.RULES,
    **rounding.RULES,
    **softmax.RULES,
    **transcendental.RULES,
    **special.RULES,
    **integers.RULES,
    **reductions.RULES,
    **indexing.RULES,
    **products.RULES,
    **control.RULES,
    **refused.RULES,
}
