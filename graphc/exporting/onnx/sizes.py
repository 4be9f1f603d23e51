"""Symbolic sizes, computed when the model runs from the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.onnx.builder import Builder
from graphc.exporting.onnx.tensors import INT64, Tensor
from graphc.types import Dim, FloorDiv, Mod, Shape, Size


class Sizes:
    """The sizes of a model; each name is the size of an axis of some input."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._axes: dict[str, tuple[Tensor, int]] = {}

    def note(self, tensor: Tensor, shape: Shape) -> None:
        """Take the sizes from `tensor`, an input of the model, where they are plain names."""
        for axis, size in enumerate(shape):
            if isinstance(size, Dim) and str(size).isidentifier():
                self._axes.setdefault(str(size), (tensor, axis))

    def of(self, size: Size) -> Tensor:
        """`size` as a row of one int64, made in the outermost graph, where all bodies see it."""
        if isinstance(size, int):
            return self._builder.integers([size])
        with self._builder.inside(self._builder.root):
            return self._sum(size)

    def scalar(self, size: Size) -> Tensor:
        """`size` as an int64 without axes."""
        if isinstance(size, int):
            return self._builder.number(size, INT64)
        return self.of(size).op("Squeeze", self._builder.integers([0]))

    def row(self, shape: Sequence[Size]) -> Tensor:
        """`shape` as a row of int64."""
        if not any(isinstance(size, Dim) for size in shape):
            return self._builder.integers([int(size) for size in shape if isinstance(size, int)])
        parts: list[Tensor] = [self.of(size) for size in shape]
        return parts[0].op("Concat", *parts[1:], axis=0) if len(parts) > 1 else parts[0]

    def _sum(self, size: Dim) -> Tensor:
        total: Tensor | None = None
        for monomial, coefficient in size.terms:
            product: Tensor | None = None
            for atom in monomial:
                factor = self._atom(atom)
                product = factor if product is None else product * factor
            if product is None:
                product = self._builder.integers([coefficient])
            elif coefficient != 1:
                product = product * self._builder.integers([coefficient])
            total = product if total is None else total + product
        assert total is not None
        return total

    def _atom(self, atom: Hashable) -> Tensor:
        if isinstance(atom, FloorDiv | Mod):
            numerator, denominator = self.of(atom.numerator), self.of(atom.denominator)
            rest = numerator.op("Mod", denominator)
            return rest if isinstance(atom, Mod) else (numerator - rest) / denominator
        if str(atom) not in self._axes:
            raise ExportError(
                f"the size {atom} is no axis of an input of the model, so it can't be known there",
                hint="Such a size is a Python int that calls passed several values of (pass a 0-d "
                "array), or of an array whose shape alone is read (give it a known shape).",
            )
        tensor, axis = self._axes[str(atom)]
        shape = tensor.op("Shape", dtype=np.dtype(np.int64))
        return shape.op("Gather", self._builder.integers([axis]), axis=0)
