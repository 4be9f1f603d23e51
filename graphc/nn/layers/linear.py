"""`Linear`: an affine map of the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.nn import init
from graphc.nn.checks import require_arrays
from graphc.nn.module import Module


def check_last_axis(name: str, x: Any, size: int) -> None:
    """Refuse an input whose last axis has another size than a layer wants.

    Raises:
        ShapeError: says both.
        DTypeError: it is no array.
    """
    require_arrays(name, x)
    if x.ndim == 0 or x.shape[-1] != size:
        raise ShapeError(f"{name}: the input is {tuple(x.shape)}, wanted (..., {size})")


class Linear(Module):
    """``x @ weight.T + bias``, for `x` of shape (*, in_features) gives (*, out_features).

    Attributes:
        weight: (out_features, in_features); bias: (out_features,) or None. Both start uniform in
            ±1/sqrt(in_features), drawn from the default key (`graphc.random.seed`).

    >>> import numpy as np, graphc
    >>> layer = graphc.nn.Linear(3, 2)
    >>> layer(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = np.float32
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        bound = 1 / math.sqrt(in_features) if in_features else 0.0
        self.weight = init.uniform((out_features, in_features), -bound, bound, dtype)
        self.bias = init.uniform((out_features,), -bound, bound, dtype) if bias else None

    def forward(self, x: Any) -> Any:
        """The map of each row of `x`.

        Raises:
            ShapeError: the last axis of `x` is not ``in_features`` long.
        """
        check_last_axis("Linear", x, self.in_features)
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The sizes."""
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"
