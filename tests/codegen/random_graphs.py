"""Random graphs of every kind of lowering, to hold compiled code to the evaluator."""

import random

import numpy as np

from graphc import ops
from graphc.ir import close, fresh_input
from graphc.types import DTYPES, Dim, TensorType, product

F8, I8, B1 = DTYPES["float64"], DTYPES["int64"], DTYPES["bool"]
UNARY = ["sin", "tanh", "negative", "square", "expit", "absolute", "floor"]
BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]

KINDS = [
    *["unary"] * 2,
    *["binary"] * 3,
    *["reduce"] * 2,
    "keep",
    "row",
    "transpose",
    "slice",
    "flip",
    "broadcast",
    "reshape",
    "select",
    "cast",
    "divmod",
    "concatenate",
    "embed",
    "gather",
    "scatter_add",
    "update",
    "argmax",
    "matmul",
]


class Maker:
    """Draws a graph over the sizes `dims` (ints or symbols)."""

    def __init__(self, seed, dims, exact):
        self.random = random.Random(seed)
        self.dims = dims
        self.exact = exact
        self.inputs = []
        self.values = []
        for rank in (2, 1, 2, 0, 3):
            self.add_input(F8, tuple(self.random.choice(dims) for _ in range(rank)))
        self.add_input(I8, (dims[0],))

    def add_input(self, dtype, shape):
        value = fresh_input(TensorType(dtype, shape))
        self.inputs.append(value)
        if dtype == F8:
            self.values.append(value)
        return value

    def pick(self, test=lambda value: True):
        found = [value for value in self.values if test(value)]
        return self.random.choice(found[-8:]) if found else None

    def step(self):
        kind = self.random.choice(KINDS)
        made = getattr(self, kind)()
        for value in made if isinstance(made, tuple | list) else (made,):
            if value is not None:
                self.values.append(value)

    def unary(self):
        return getattr(ops, self.random.choice(UNARY))(self.pick())

    def binary(self):
        x = self.pick()
        y = self.pick(lambda value: value.shape == x.shape)
        return getattr(ops, self.random.choice(BINARY))(x, y)

    def axes(self, x):
        count = self.random.randint(1, x.ndim)
        return tuple(sorted(self.random.sample(range(x.ndim), count)))

    def reduce(self):
        x = self.pick(lambda value: value.ndim > 0)
        name = self.random.choice(["sum_", "sum_", "max_", "min_"])
        return getattr(ops, name)(x, self.axes(x))

    def keep(self):
        x = self.pick(lambda value: value.ndim > 0)
        axes = self.axes(x)
        reduced = ops.keep_axes(ops.max_(x, axes), axes, x.shape)
        return ops.subtract(x, reduced)

    def row(self):
        """Softmax over the last axis."""
        x = self.pick(lambda value: value.ndim > 0)
        axes = (x.ndim - 1,)
        shifted = ops.subtract(x, ops.keep_axes(ops.max_(x, axes), axes, x.shape))
        weights = ops.exp(shifted)
        total = ops.keep_axes(ops.sum_(weights, axes), axes, x.shape)
        return ops.divide(weights, total)

    def transpose(self):
        x = self.pick(lambda value: value.ndim > 1)
        axes = list(range(x.ndim))
        self.random.shuffle(axes)
        return ops.transpose(x, axes)

    def slice(self):
        x = self.pick(lambda value: value.ndim > 0 and all(s != 1 for s in value.shape))
        if x is None:
            return None
        start = tuple(self.random.randint(0, 1) for _ in x.shape)
        size = tuple(n - s for n, s in zip(x.shape, start, strict=True))
        return ops.slice_(x, start, size, (1,) * x.ndim)

    def flip(self):
        x = self.pick(lambda value: value.ndim > 0)
        return ops.flip(x, self.axes(x))

    def broadcast(self):
        x = self.pick(lambda value: value.ndim < 3)
        return ops.broadcast_to(x, (self.random.choice(self.dims), *x.shape))

    def reshape(self):
        x = self.pick(lambda value: value.ndim > 1)
        shape = (x.shape[0], product(x.shape[1:]))
        if self.random.random() < 0.5:
            shape = (*x.shape[:-1], 1, x.shape[-1])
        return ops.reshape(x, shape) if len(shape) < 4 else None

    def select(self):
        x = self.pick()
        y = self.pick(lambda value: value.shape == x.shape)
        return ops.select(ops.less(x, y), ops.sin(y), x)

    def cast(self):
        x = self.pick()
        whole = ops.cast(ops.multiply(ops.tanh(x), ops.full_like(x, 9)), I8)
        return ops.cast(ops.multiply(whole, whole), F8)

    def divmod(self):
        x = self.pick()
        y = ops.add(ops.square(self.pick(lambda v: v.shape == x.shape)), ops.full_like(x, 1))
        return ops.divmod_(ops.tanh(x), y)

    def concatenate(self):
        x = self.pick(lambda value: value.ndim > 0)
        return ops.concatenate([x, ops.sin(x)], self.random.randrange(x.ndim))

    def embed(self):
        x = self.pick(lambda value: value.ndim > 0)
        shape = tuple(2 * size + 1 for size in x.shape)
        step = tuple(self.random.choice([1, 2]) for _ in shape)
        return ops.embed(x, shape, (1,) * x.ndim, step)

    def indices(self, extent):
        """Indices that are in bounds: arg-max over an axis of that size, if there is one."""
        x = self.pick(lambda value: value.ndim == 2 and value.shape[1] == extent)
        return None if x is None else ops.argmax(x, (1,))

    def gather(self):
        x = self.pick(lambda value: 0 < value.ndim < 3)
        index = self.indices(x.shape[0])
        return None if index is None else ops.gather(x, [index], (0,))

    def scatter_add(self):
        x = self.pick(lambda value: 0 < value.ndim < 3)
        index = self.indices(x.shape[0])
        if index is None:
            return None
        return ops.scatter_add(x, ops.gather(x, [index], (0,)), [index], (0,))

    def update(self):
        x = self.pick(lambda value: value.ndim > 0)
        axis = self.random.randrange(x.ndim)
        start = tuple(1 if k == axis else 0 for k in range(x.ndim))
        size = tuple(n - 1 if k == axis else n for k, n in enumerate(x.shape))
        if any(n == 0 for n in size) or x.shape[axis] == 1:
            return None
        part = ops.slice_(x, (0,) * x.ndim, size, (1,) * x.ndim)
        return ops.update(x, ops.sin(part), start, (1,) * x.ndim)

    def argmax(self):
        x = self.pick(lambda value: value.ndim > 0)
        if self.exact:  # a tie after rounding is no error, so positions are compared only there
            return ops.cast(ops.argmax(ops.floor(x), self.axes(x)), F8)
        return None

    def matmul(self):
        x = self.pick(lambda value: value.ndim >= 2)
        order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
        return ops.tanh(ops.matmul(x, ops.transpose(x, order)))

    def graph(self, steps):
        for _ in range(steps):
            self.step()
        outputs = self.values[-4:] + [self.random.choice(self.values)]
        written = [None] * len(outputs)
        targets = set()
        for k, value in enumerate(outputs):
            for j, given in enumerate(self.inputs):
                fits = given.type == value.type and j not in targets
                if fits and self.random.random() < 0.7:
                    written[k] = j
                    targets.add(j)
                    break
        return close(self.inputs, outputs, written=written)


def arrays_for(graph, rng, sizes):
    """Random inputs; integers are small positions."""
    found = []
    for value in graph.inputs:
        shape = tuple(sizes[str(n)] if isinstance(n, Dim) else n for n in value.shape)
        if value.dtype == I8:
            found.append(rng.integers(0, 2, shape))
        else:
            found.append(np.asarray(np.round(rng.standard_normal(shape), 2)))
    return found
