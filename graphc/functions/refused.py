"""Functions whose result has a shape that depends on data: refused, with what to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import UnsupportedError
from graphc.trace.context import user_location
from graphc.trace.dispatch import implements

HINTS: dict[Any, str] = {
    np.nonzero: "Keep the mask: np.where(mask, x, 0), or mask.sum() to count.",
    np.flatnonzero: "Keep the mask: np.where(mask, x, 0), or mask.sum() to count.",
    np.argwhere: "Keep the mask: np.where(mask, x, 0), or mask.sum() to count.",
    np.extract: "Keep the shape: np.where(condition, x, 0), then reduce.",
    np.compress: "Keep the shape: np.where(condition, x, 0), then reduce.",
    np.unique: "Call it outside the compiled function and pass the result in.",
    np.trim_zeros: "Call it outside the compiled function and pass the result in.",
    np.union1d: "Call it outside the compiled function and pass the result in.",
    np.intersect1d: "Call it outside the compiled function and pass the result in.",
    np.setdiff1d: "Call it outside the compiled function and pass the result in.",
    np.polydiv: "Call it outside the compiled function and pass the result in.",
    np.real_if_close: "The dtype depends on data: take x.real.",
    np.roots: "Call it outside the compiled function and pass the result in.",
    np.setxor1d: "Call it outside the compiled function and pass the result in.",
    np.unique_all: "Call it outside the compiled function and pass the result in.",
    np.unique_counts: "Call it outside the compiled function and pass the result in.",
    np.unique_inverse: "Call it outside the compiled function and pass the result in.",
    np.unique_values: "Call it outside the compiled function and pass the result in.",
}


def _refusal(function: Any, hint: str) -> Any:
    def refused(*args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            f"np.{function.__name__} of a traced array has a shape that depends on data",
            location=user_location(),
            hint=hint,
        )

    return refused


for _function, _hint in HINTS.items():
    implements(_function)(_refusal(_function, _hint))
