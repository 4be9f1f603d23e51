"""`Sequential`, and `Flatten`, which joins axes between layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphc.nn.module import Module


class Sequential(Module):
    """Modules called one after another; they are named ``"0"``, ``"1"``, ...

    >>> import numpy as np, graphc
    >>> from graphc import nn
    >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> net(np.ones((5, 3), np.float32)).shape
    (5, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Module) -> None:
        for position, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"Sequential takes modules, not a {type(module).__name__}")
            setattr(self, str(position), module)
        self._length = len(modules)

    def forward(self, x: Any) -> Any:
        """What the last module gives for what the one before it gives, and so on."""
        for position in range(self._length):
            x = getattr(self, str(position))(x)
        return x

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> Module:
        if not -self._length <= position < self._length:
            raise IndexError(f"Sequential has {self._length} modules, none at {position}")
        module: Module = getattr(self, str(position % self._length))
        return module

    def __iter__(self) -> Iterator[Module]:
        return (self[position] for position in range(self._length))


class Flatten(Module):
    """Join the axes from `start_dim` to `end_dim`, both included, into one.

    >>> import numpy as np, graphc
    >>> graphc.nn.Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """`x` with fewer axes.

        Raises:
            IndexError: `x` has no such axes.
        """
        first, last = (_axis(dim, x.ndim) for dim in (self.start_dim, self.end_dim))
        if first > last:
            raise IndexError(f"Flatten: the first axis, {first}, comes after the last, {last}")
        size = 1
        for length in x.shape[first : last + 1]:
            size = size * length
        return x.reshape((*x.shape[:first], size, *x.shape[last + 1 :]))

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


def _axis(dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        raise IndexError(f"Flatten: axis {dim} of an array with {ndim} axes")
    return dim % ndim
