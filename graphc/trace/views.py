"""Arrays that may be written: a storage holds a value, and a view is a path into it.

Each step of a path is a lens: ``get`` reads through it, ``put`` gives the base with the part
replaced, ``replay`` takes the same view of a NumPy array. A write through a view rebinds the
storage's value, so every other view of it sees the write, as in NumPy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from graphc import ops
from graphc.ir import Value
from graphc.ops.arrays.shape import inverse
from graphc.trace.context import Respecialize, active, refused
from graphc.types import Shape, Size, product

Resolve: TypeAlias = Callable[[Size], int]


def _numbers(sizes: Shape, resolve: Resolve) -> tuple[int, ...]:
    return tuple(resolve(size) for size in sizes)


@dataclass(frozen=True, slots=True)
class SliceStep:
    """Elements ``start + step * i`` of each axis."""

    start: Shape
    size: Shape
    step: tuple[int, ...]
    base_shape: Shape

    def keeps_order(self) -> bool:
        """Whether a C-contiguous array stays so: only the first axis is cut, without steps."""
        rest = zip(self.start[1:], self.size[1:], self.base_shape[1:], strict=True)
        return all(step == 1 for step in self.step) and all(
            start == 0 and size == extent for start, size, extent in rest
        )

    def get(self, base: Value) -> Value:
        return ops.slice_(base, self.start, self.size, self.step)

    def put(self, base: Value, part: Value) -> Value:
        return ops.update(base, part, self.start, self.step)

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        return tuple(stride * step for stride, step in zip(strides, self.step, strict=True))

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        slices = []
        start, size = _numbers(self.start, resolve), _numbers(self.size, resolve)
        for first, count, step in zip(start, size, self.step, strict=True):
            stop = first + count * step
            slices.append(slice(first, None if stop < 0 else stop, step) if count else slice(0, 0))
        return array[tuple(slices)]


@dataclass(frozen=True, slots=True)
class TransposeStep:
    """Axes permuted."""

    axes: tuple[int, ...]

    def get(self, base: Value) -> Value:
        return ops.transpose(base, self.axes)

    def put(self, base: Value, part: Value) -> Value:
        return ops.transpose(part, inverse(self.axes))

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        return tuple(strides[axis] for axis in self.axes)

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        return array.transpose(self.axes)


@dataclass(frozen=True, slots=True)
class ReshapeStep:
    """The same elements under another shape, where NumPy gives a view.

    `ravel`: as ``ravel`` decides that, which copies whatever is not contiguous.
    """

    shape: Shape
    base_shape: Shape
    ravel: bool = False

    def get(self, base: Value) -> Value:
        return ops.reshape(base, self.shape)

    def put(self, base: Value, part: Value) -> Value:
        return ops.reshape(part, self.base_shape)

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        raise AssertionError("the strides of a reshape are found where it is decided")

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        return array.ravel() if self.ravel else array.reshape(_numbers(self.shape, resolve))


@dataclass(frozen=True, slots=True)
class BroadcastStep:
    """A read-only view with repeated elements."""

    shape: Shape

    def get(self, base: Value) -> Value:
        return ops.broadcast_to(base, self.shape)

    def put(self, base: Value, part: Value) -> Value:
        raise ValueError("assignment destination is read-only")

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        lead = len(self.shape) - len(shape)
        kept = [0 if size == 1 else stride for size, stride in zip(shape, strides, strict=True)]
        return (0,) * lead + tuple(kept)

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        return np.broadcast_to(array, _numbers(self.shape, resolve))


@dataclass(frozen=True, slots=True)
class DiagonalStep:
    """`count` elements of a diagonal of two axes, as the last axis; `offset` as in NumPy."""

    axes: tuple[int, int]
    offset: int
    count: Size
    writable: bool = True

    def first(self) -> tuple[int, int]:
        """Where on the two axes the diagonal begins."""
        return max(-self.offset, 0), max(self.offset, 0)

    def _places(self) -> tuple[Value, ...]:
        place = ops.iota(self.count)
        return tuple(ops.add(place, ops.full_like(place, start)) for start in self.first())

    def get(self, base: Value) -> Value:
        taken = ops.gather(base, self._places(), self.axes)
        return ops.transpose(taken, [*range(1, taken.ndim), 0])

    def put(self, base: Value, part: Value) -> Value:
        if not self.writable:
            raise ValueError("assignment destination is read-only")
        moved = ops.transpose(part, [part.ndim - 1, *range(part.ndim - 1)])
        return ops.scatter(base, moved, self._places(), self.axes)

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        kept = [stride for axis, stride in enumerate(strides) if axis not in self.axes]
        return (*kept, sum(strides[axis] for axis in self.axes))

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        view: np.ndarray = array.diagonal(self.offset, *self.axes)
        if self.writable and array.flags.writeable:
            view.flags.writeable = True
        return view


@dataclass(frozen=True, slots=True)
class ComponentStep:
    """The real or the imaginary part of a complex array."""

    part: str

    def get(self, base: Value) -> Value:
        return ops.real(base) if self.part == "real" else ops.imag(base)

    def put(self, base: Value, part: Value) -> Value:
        if self.part == "real":
            return ops.complex_(part, ops.imag(base))
        return ops.complex_(ops.real(base), part)

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        return tuple(2 * stride for stride in strides)

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        view: np.ndarray = getattr(array, self.part)
        return view


@dataclass(frozen=True, slots=True)
class StridedStep:
    """A strided view of a flat block: how arguments that share memory are seen.

    `offset` and `element_strides` count elements.
    """

    offset: int
    shape: tuple[int, ...]
    element_strides: tuple[int, ...]

    def _positions(self) -> Value:
        shape = tuple(self.shape)
        total = ops.full(ops.iota(product(shape)).tensor.with_shape(shape), self.offset)
        for axis, stride in enumerate(self.element_strides):
            line = ops.multiply(ops.iota(shape[axis]), ops.full_like(ops.iota(shape[axis]), stride))
            spread = ops.reshape(line, (shape[axis],) + (1,) * (len(shape) - axis - 1))
            total = ops.add(total, ops.broadcast_to(spread, shape))
        return total

    def get(self, base: Value) -> Value:
        return ops.gather(base, (self._positions(),), (0,))

    def put(self, base: Value, part: Value) -> Value:
        return ops.scatter(base, part, (self._positions(),), (0,))

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        return self.element_strides

    def then(self, step: Step, shape: Sequence[int], strides: tuple[int, ...]) -> StridedStep:
        """This step and a view step after it as one; `strides` are the result's."""
        offset = self.offset
        if isinstance(step, SliceStep):
            for start, stride in zip(step.start, self.element_strides, strict=True):
                assert isinstance(start, int)
                offset += start * stride
        if isinstance(step, DiagonalStep):
            for axis, start in zip(step.axes, step.first(), strict=True):
                offset += start * self.element_strides[axis]
        return StridedStep(offset, tuple(shape), strides)

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        steps = tuple(stride * array.itemsize for stride in self.element_strides)
        return np.lib.stride_tricks.as_strided(array[self.offset :], self.shape, steps)


@dataclass(frozen=True, slots=True)
class PickStep:
    """The part at traced integer positions on some axes; those axes are gone."""

    axes: tuple[int, ...]
    positions: tuple[Value, ...]

    def get(self, base: Value) -> Value:
        return ops.gather(base, self.positions, self.axes)

    def put(self, base: Value, part: Value) -> Value:
        return ops.scatter(base, part, self.positions, self.axes)

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        return tuple(stride for axis, stride in enumerate(strides) if axis not in self.axes)

    def then(self, step: PickStep, rank: int) -> PickStep:
        """This step on an array of `rank` axes, and one after it, as one."""
        left = [axis for axis in range(rank) if axis not in self.axes]
        pairs = [
            *zip(self.axes, self.positions, strict=True),
            *((left[axis], at) for axis, at in zip(step.axes, step.positions, strict=True)),
        ]
        pairs.sort(key=lambda pair: pair[0])
        return PickStep(tuple(axis for axis, _ in pairs), tuple(at for _, at in pairs))

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        raise AssertionError("a picked part is returned as a copy")


@dataclass(frozen=True, slots=True)
class WindowStep:
    """`size` elements from a traced position on, along one axis."""

    axis: int
    position: Value
    size: int

    def _places(self) -> Value:
        places = ops.iota(self.size)
        return ops.add(places, ops.broadcast_to(self.position, places.shape))

    def get(self, base: Value) -> Value:
        found = ops.gather(base, (self._places(),), (self.axis,))
        order = (*range(1, self.axis + 1), 0, *range(self.axis + 1, base.ndim))
        return ops.transpose(found, order)

    def put(self, base: Value, part: Value) -> Value:
        others = (axis for axis in range(base.ndim) if axis != self.axis)
        moved = ops.transpose(part, (self.axis, *others))
        return ops.scatter(base, moved, (self._places(),), (self.axis,))

    def strides(self, shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
        return tuple(strides)

    def replay(self, array: np.ndarray, resolve: Resolve) -> np.ndarray:
        raise AssertionError("a window is returned as a copy")


Step: TypeAlias = (
    SliceStep
    | TransposeStep
    | ReshapeStep
    | BroadcastStep
    | DiagonalStep
    | ComponentStep
    | StridedStep
    | PickStep
    | WindowStep
)


class Storage:
    """Memory that traced arrays look into: a value that a write rebinds.

    `source` is the argument or captured array it stands for, or None for a fresh array. `version`
    counts the writes; `serial` tells older storages from newer ones. `contiguous`: in C order.
    `packed`: its strides are no whole items. `undecided` names the sizes that decide whether some
    reshape of it was a view.
    """

    __slots__ = (
        "contiguous",
        "packed",
        "readonly",
        "serial",
        "source",
        "undecided",
        "value",
        "version",
    )
    _serials = itertools.count()
    _last = 0

    def __init__(
        self,
        value: Value,
        source: Any = None,
        readonly: bool = False,
        contiguous: bool = True,
    ) -> None:
        self.value = value
        self.source = source
        self.readonly = readonly
        self.contiguous = contiguous
        self.packed = False
        self.undecided: frozenset[str] = frozenset()
        self.version = 0
        self.serial = Storage._last = next(Storage._serials)

    @staticmethod
    def created() -> int:
        """The serial of the newest storage."""
        return Storage._last

    def read(self, path: tuple[Step, ...]) -> Value:
        value = self.value
        for step in path:
            value = step.get(value)
        return value

    def write(self, path: tuple[Step, ...], part: Value) -> None:
        """Replace what `path` sees by `part`, which has its type."""
        if self.readonly:
            raise ValueError("assignment destination is read-only")
        bases = [self.value]
        for step in path:
            bases.append(step.get(bases[-1]))
        for step, base in zip(reversed(path), reversed(bases[:-1]), strict=True):
            part = step.put(base, part)
        self.assign(part)

    def assign(self, value: Value) -> None:
        """Replace the whole; the trace's log keeps what was there before its first write.

        Raises:
            Respecialize: an earlier reshape is a view for some sizes and a copy for others.
        """
        if self.undecided:
            raise refused(Respecialize(self.undecided, lasting=True))
        log = active().write_log
        log.setdefault(id(self), (self, self.value))
        self.rebind(value)

    def rebind(self, value: Value) -> None:
        """Replace the whole without a trace of it."""
        self.value = value
        self.version += 1


def contiguous_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of a C-contiguous array."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def stride_pattern(array: np.ndarray) -> tuple[Any, ...]:
    """What of an array's strides decides which reshapes are views and how results are laid out.

    The axes in memory order, the pairs of which one runs on into the other, and whether the
    innermost is dense. Arrays of one pattern may share a specialisation.
    """
    shape, strides = array.shape, array.strides
    axes = [axis for axis, size in enumerate(shape) if size != 1]
    order = sorted(axes, key=lambda axis: -abs(strides[axis]))
    runs = tuple(
        (outer, inner)
        for outer in axes
        for inner in axes
        if outer != inner and strides[outer] == shape[inner] * strides[inner]
    )
    innermost = strides[order[-1]] if order else 0
    dense = 0 if abs(innermost) != array.itemsize else innermost // array.itemsize
    return tuple(order), runs, dense, array.flags.c_contiguous, is_packed(array)


def is_packed(array: np.ndarray) -> bool:
    """Whether a stride is no multiple of the item's size, as in a field of a packed struct."""
    return any(
        size > 1 and stride % array.itemsize
        for size, stride in zip(array.shape, array.strides, strict=True)
    )


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether elements lie in C order without gaps; the strides of size-1 axes do not count."""
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size == 0:
            return True
        if size != 1 and stride != step:
            return False
        step *= size
    return True


def reshaped_strides(
    shape: Sequence[int], strides: Sequence[int], target: Sequence[int]
) -> tuple[int, ...] | None:
    """The strides of a reshape that is a view, or None where NumPy copies.

    Runs of source and target axes with equal products are matched; within a run the source must be
    stepped evenly.
    """
    if product(tuple(shape)) == 0:
        return contiguous_strides(target)
    source = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size != 1]
    result: list[int] = []
    position = axis = 0
    wanted = [size for size in target if size != 1]
    while axis < len(wanted):
        have, want = source[position][0], wanted[axis]
        first, first_axis = position, axis
        while have != want:
            if have < want:
                position += 1
                have *= source[position][0]
            else:
                axis += 1
                want *= wanted[axis]
        run = source[first : position + 1]
        for (_, stride), (size, inner) in pairwise(run):
            if stride != size * inner:
                return None
        step, steps = run[-1][1], []
        for size in reversed(wanted[first_axis : axis + 1]):
            steps.append(step)
            step *= size
        result.extend(reversed(steps))
        position, axis = position + 1, axis + 1
    found = iter(result)
    return tuple(next(found) if size != 1 else 1 for size in target)
