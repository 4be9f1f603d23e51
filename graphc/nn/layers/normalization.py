"""`BatchNorm1d`, `BatchNorm2d` and `LayerNorm`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.nn import normalization
from graphc.nn.module import Module


class _BatchNorm(Module):
    """Normalises each channel over the batch and all other axes; keeps running statistics.

    Attributes:
        weight, bias: (num_features,), at first 1 and 0; None without `affine`.
        running_mean, running_var, num_batches_tracked: buffers, written in place while training;
            None without `track_running_stats`, and then batches are normalised in `eval`, too.
    """

    _ranks: tuple[int, ...] = ()
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = np.ones(num_features, dtype) if affine else None
        self.bias = np.zeros(num_features, dtype) if affine else None
        kept = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if kept else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if kept else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if kept else None)

    def forward(self, x: Any) -> Any:
        """`x` normalised by its own statistics while training, else by the running ones.

        Raises:
            ShapeError: `x` has other axes or channels, or one value a channel while training.
        """
        if x.ndim not in self._ranks or x.shape[1] != self.num_features:
            name, ranks = type(self).__name__, " or ".join(map(str, self._ranks))
            raise ShapeError(
                f"{name}: the input is {tuple(x.shape)}, wanted {ranks} axes with "
                f"{self.num_features} channels, the second axis"
            )
        momentum = self.momentum
        tracked = self.track_running_stats
        if self.training and tracked:
            self.num_batches_tracked += 1
            if momentum is None:  # the mean of all batches so far
                momentum = (1 / self.num_batches_tracked).astype(self.running_mean.dtype)
        return normalization.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not tracked,
            momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (batch, channels) or (batch, channels, length).

    Ioffe and Szegedy, "Batch normalization", 2015.

    >>> import numpy as np, graphc
    >>> layer = graphc.nn.BatchNorm1d(2)
    >>> layer(np.array([[0, 1], [2, 5]], np.float32)).round(3)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> layer.running_mean
    array([0.1, 0.3], dtype=float32)
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (batch, channels, height, width)."""

    _ranks = (4,)


class LayerNorm(Module):
    """Normalises the last axes of each row, then scales and shifts.

    Ba, Kiros and Hinton, "Layer normalization", 2016.

    Attributes:
        weight, bias: of `normalized_shape`, at first 1 and 0; None without `elementwise_affine`.

    >>> import numpy as np, graphc
    >>> graphc.nn.LayerNorm(2)(np.array([[0, 2]], np.float32)).round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = np.ones(self.normalized_shape, dtype) if elementwise_affine else None
        shifted = elementwise_affine and bias
        self.bias = np.zeros(self.normalized_shape, dtype) if shifted else None

    def forward(self, x: Any) -> Any:
        """`x` normalised.

        Raises:
            ShapeError: the last axes of `x` are not `normalized_shape`.
        """
        return normalization.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        affine = self.elementwise_affine
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"
