"""Shapes, axes and diagonals against NumPy, views and copies told apart by writing to them."""

import numpy as np
import pytest

from tests.trace.arrays import DTYPES, sample, shapes, strided
from tests.trace.harness import same


def written(make):
    """A function that writes to what `make` gives, so that views show in the argument."""

    def run(x):
        y = make(x)
        y[...] = np.arange(y.size).reshape(y.shape)
        return y

    return run


VIEWS = {
    "reshape": lambda x: x.reshape(4, 3),
    "reshape tuple": lambda x: x.reshape((2, 6)),
    "reshape -1": lambda x: x.reshape(-1),
    "reshape 2, -1": lambda x: np.reshape(x, (2, -1)),
    "reshape F": lambda x: x.reshape((2, 6), order="F"),
    "reshape A": lambda x: x.reshape((2, 6), order="A"),
    "reshape copy": lambda x: np.reshape(x, (2, 6), copy=True),
    "reshape rows": lambda x: x.reshape(3, 2, 2),
    "reshape ones": lambda x: x.reshape(1, 3, 1, 4),
    "ravel": lambda x: np.ravel(x),
    "ravel F": lambda x: x.ravel("F"),
    "ravel A": lambda x: x.ravel("A"),
    "ravel K": lambda x: x.ravel("K"),
    "flatten": lambda x: x.flatten(),
    "flatten F": lambda x: x.flatten("F"),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "transpose": lambda x: np.transpose(x),
    "transpose axes": lambda x: x.transpose(1, 0),
    "transpose tuple": lambda x: x.transpose((-1, 0)),
    "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1),
    "rollaxis": lambda x: np.rollaxis(x, 1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "expand_dims two": lambda x: np.expand_dims(x, (0, -1)),
    "squeeze": lambda x: np.squeeze(x[None, :, None]),
    "squeeze axis": lambda x: x[None, :, None].squeeze(axis=2),
    "newaxis": lambda x: x[:, None],
    "slice": lambda x: x[1:, ::2],
    "negative": lambda x: x[::-1, 3:0:-2],
    "row": lambda x: x[1],
    "column": lambda x: x[..., -1],
    "slice of reshape": lambda x: x.reshape(2, 6)[1:, ::3],
    "reshape of slice": lambda x: x[1:].reshape(-1),
    "reshape of columns": lambda x: x[:, :2].reshape(-1),
    "flip": lambda x: np.flip(x),
    "flip axis": lambda x: np.flip(x, 1),
    "fliplr": lambda x: np.fliplr(x),
    "flipud": lambda x: np.flipud(x),
    "rot90": lambda x: np.rot90(x),
    "rot90 twice": lambda x: np.rot90(x, 2),
    "rot90 back": lambda x: np.rot90(x, -1),
    "atleast_3d": lambda x: np.atleast_3d(x),
    "real": lambda x: x.real,
    "array": lambda x: np.array(x),
    "asarray": lambda x: np.asarray(x),
    "astype": lambda x: x.astype(np.float64),
    "astype same": lambda x: x.astype(np.float64, copy=False),
    "copy": lambda x: x.copy(),
    "view": lambda x: x.view(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_and_copies(name):
    for x in strided().values():
        same(written(VIEWS[name]), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    def f(x):
        return x.reshape(-1), x.T, np.squeeze(x[None]), np.moveaxis(x, 0, 1), np.flip(x), x.ravel()

    same(f, sample((3, 4), dtype))


def test_shapes():
    for shape in shapes():
        same(lambda x: (x.reshape(-1), x.ravel(), x.T, np.flip(x), np.squeeze(x)), sample(shape))
        same(lambda x: (np.atleast_1d(x), np.atleast_2d(x), np.atleast_3d(x)), sample(shape))
        same(lambda x: (np.expand_dims(x, 0), np.expand_dims(x, -1), x.flatten()), sample(shape))
        same(lambda x: (x.copy(), x[...], x[None], np.shape(x), np.size(x), x.ndim), sample(shape))


def test_axes_of_three():
    x = sample((2, 3, 4))
    same(lambda x: (x.transpose(2, 0, 1), np.moveaxis(x, -1, 0), np.swapaxes(x, 0, 2)), x)
    same(lambda x: (np.moveaxis(x, [0, 1], [-1, -2]), np.rollaxis(x, 2), np.rollaxis(x, 0, 3)), x)
    same(lambda x: (x.mT, np.matrix_transpose(x), np.permute_dims(x, (1, 2, 0))), x)
    same(lambda x: (x.reshape(6, 4), x.reshape(2, -1), x.reshape((4, 3, 2), order="F")), x)


def test_mistakes():
    x = sample((3, 4))
    same(lambda x: x.reshape(5, -1), x)
    same(lambda x: x.reshape(5, 2), x)
    same(lambda x: x.reshape(-1, -1), x)
    same(lambda x: x.reshape(0, -1), x)
    same(lambda x: x.transpose(0), x)
    same(lambda x: x.transpose(0, 0), x)
    same(lambda x: np.transpose(x, (0, 2)), x)
    same(lambda x: np.squeeze(x, 0), x)
    same(lambda x: np.moveaxis(x, [0, 1], [1]), x)
    same(lambda x: np.moveaxis(x, 3, 0), x)
    same(lambda x: np.expand_dims(x, 4), x)
    same(lambda x: np.broadcast_to(x, (3, 5)), x)
    same(lambda x: np.broadcast_to(x, (4,)), x)
    same(lambda x: np.fliplr(x[0]), x)
    same(lambda x: np.diagonal(x[0]), x)
    same(lambda x: x[0].mT, x)


def test_numbers():
    same(lambda x: (np.reshape(x, (1, 1)), np.ravel(x), np.atleast_1d(x), np.transpose(x)), 2.5)
    same(lambda x: (np.squeeze(x), np.expand_dims(x, 0), np.broadcast_to(x, 3), np.shape(x)), 2.5)
    same(lambda x: (np.reshape(x, ()), np.squeeze(x), np.transpose(x), x.ravel()), np.float32(2.5))
    same(lambda x: (x.reshape(1), x.T, x.squeeze(), x.copy(), x.flatten()), np.float32(2.5))
    same(lambda x: (np.reshape([x, 2], (2, 1)), np.transpose([[x, 1]])), 2.5)


def test_broadcasting():
    x = sample((3, 1))
    same(lambda x: (np.broadcast_to(x, (2, 3, 4)), np.broadcast_to(x, (3, 1))), x)
    same(lambda x: np.broadcast_arrays(x, x.T, 2.0), x)
    same(lambda x: np.broadcast_shapes(x.shape, (4,), 1), x)

    def write(x):
        np.broadcast_to(x, (3, 4))[0] = 1

    same(write, x)


def test_diagonals():
    for shape in [(3, 3), (2, 4), (4, 2)]:
        for k in (-1, 0, 1, 5):
            same(lambda x: (np.diagonal(x, k), np.diag(x, k), np.trace(x, k)), sample(shape))
    x = sample((2, 3, 3))
    same(lambda x: (np.diagonal(x, axis1=1, axis2=2), np.trace(x), x.diagonal(1, 2, 1)), x)
    same(lambda x: (np.diag(x), np.diag(x, 1), np.diag(x, -2)), sample((3,)))
    same(lambda x: (np.trace(x), np.diag(x[0])), sample((3, 3), "int32"))

    def write(x):
        np.diagonal(x)[0] = 1

    same(write, sample((3, 3)))


def test_layout_of_results():
    for x in strided().values():
        same(lambda x: ((x + 1).ravel("K"), (x.T * 2).ravel("K"), np.exp(x).T.ravel("K")), x)
