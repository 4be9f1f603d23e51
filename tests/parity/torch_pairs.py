"""Comparing a function of arrays with one of PyTorch's tensors: results and gradients."""

import numpy as np
import pytest

import graphc

torch = pytest.importorskip("torch")


def tensor(array, gradient=False):
    made = torch.from_numpy(np.array(array))
    return made.requires_grad_() if gradient and array.dtype.kind == "f" else made


def drawn(*shapes, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]


def compare(ours, theirs, arrays, by=None, rtol=1e-5, atol=1e-5):
    """`ours` compiled and not, and its gradients by the arrays at `by`, against `theirs`.

    The gradients are those of the sum of the result times fixed numbers.
    """
    by = [k for k, x in enumerate(arrays) if x.dtype.kind == "f"] if by is None else by
    tensors = [tensor(x, k in by) for k, x in enumerate(arrays)]
    wanted = theirs(*tensors)
    wanted_array = wanted.detach().numpy()
    plain = ours(*[x.copy() for x in arrays])
    compiled = graphc.compile(ours)(*[x.copy() for x in arrays])
    for found in (plain, compiled):
        assert found.dtype == wanted_array.dtype
        assert found.shape == wanted_array.shape
        np.testing.assert_allclose(found, wanted_array, rtol=rtol, atol=atol)
    if not by:
        return
    weights = np.asarray(np.random.default_rng(9).standard_normal(wanted_array.shape), np.float32)
    (wanted * torch.from_numpy(weights)).sum().backward()
    gradients = graphc.grad(lambda *xs: (ours(*xs) * weights).sum(), argnums=tuple(by))(*arrays)
    for k, gradient in zip(by, gradients, strict=True):
        expected = tensors[k].grad
        expected = np.zeros(arrays[k].shape) if expected is None else expected.numpy()
        np.testing.assert_allclose(gradient, expected, rtol=rtol, atol=atol, err_msg=f"by {k}")
