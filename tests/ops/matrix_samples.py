"""Samples of the ops on matrices, as in `op_samples`."""

from dataclasses import replace

import numpy as np
from sample import Sample

import graphc
from graphc import ops
from graphc.ops.matrices.spectral import scaled

RNG = np.random.default_rng(41)


def real(*shape):
    return RNG.normal(size=shape)


def complex_(*shape):
    return real(*shape) + 1j * real(*shape)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def positive(a):
    """Hermitian matrices with eigenvalues well above 0."""
    return a @ adjoint(a) + 2 * np.eye(a.shape[-1])


def substituted(a, b, lower):
    keep = np.tril if lower else np.triu
    return np.stack([np.linalg.solve(keep(x), y) for x, y in zip(a, b, strict=True)])


def without_phase(decompose):
    """The results that do not depend on the phase of complex vectors, as a builder."""

    def build(a):
        *first, vectors = decompose(a)
        sizes = [ops.absolute(vectors)]
        if len(first) == 2:  # u, s, vh
            u, s = first
            return s, ops.absolute(u), *sizes, ops.matmul(scaled(u, ops.sin(s)), vectors)
        (values,) = first
        return values, *sizes, ops.matmul(vectors, ops.adjoint(vectors))

    return build


def without_phase_by_numpy(decompose):
    def expected(a):
        *first, vectors = decompose(a)
        sizes = [np.abs(vectors)]
        if len(first) == 2:
            u, s = first
            return s, np.abs(u), *sizes, (u * np.sin(s)[..., None, :]) @ vectors
        (values,) = first
        return values, *sizes, vectors @ adjoint(vectors)

    return expected


def least_squares(a, b, tolerance):
    x, _, rank, values = np.linalg.lstsq(a, b, rcond=tolerance)
    return x, np.int64(rank), values


def part(function, *which):
    """Some results of a builder."""
    return lambda *x: tuple(function(*x)[k] for k in which)


TOLERANCE = np.float64(1e-10)
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
QR_SAMPLES = [
    Sample(lambda a, mode=mode: ops.qr(a, mode), (a,), lambda a, mode=mode: np.linalg.qr(a, mode))
    for mode in ("reduced", "r")
    for a in (real(2, 4, 3), complex_(3, 3), real(3, 5), real(1, 4), complex_(2, 3))
]

ROUNDING = 64
"""Units in the last place that BLAS differs by from call to call, where layouts differ."""

MATRIX_SAMPLES = {
    "solve": [
        Sample(ops.solve, (real(3, 3), real(3, 2)), np.linalg.solve, order=3),
        Sample(ops.solve, (positive(real(2, 4, 4)), real(2, 4, 1)), np.linalg.solve),
        Sample(ops.solve, (complex_(3, 3), complex_(3, 2)), np.linalg.solve),
        Sample(ops.solve, (real(0, 0), real(0, 2)), np.linalg.solve),
        Sample(ops.solve, (real(0, 2, 2), real(0, 2, 3)), np.linalg.solve),
        Sample(ops.inverse_matrix, (real(1, 1),), np.linalg.inv),
        Sample(
            lambda a: ops.inverse_matrix(a, checked=False),
            (np.stack((SINGULAR, np.eye(2))),),
            lambda a: np.stack((np.full((2, 2), np.nan), np.eye(2))),
            (),
        ),
    ],
    "solve_triangular": [
        Sample(
            lambda a, b, lower=lower: ops.solve_triangular(a, b, lower=lower),
            (a, b),
            lambda a, b, lower=lower: substituted(a, b, lower),
        )
        for lower in (True, False)
        for a, b in (
            (positive(real(2, 3, 3)), real(2, 3, 2)),
            (positive(complex_(1, 3, 3)), complex_(1, 3, 1)),
        )
    ],
    "slogdet": [
        Sample(ops.slogdet, (real(4, 4),), np.linalg.slogdet, order=3),
        Sample(ops.slogdet, (real(5, 1, 1),), np.linalg.slogdet),
        Sample(ops.slogdet, (complex_(2, 3, 3),), np.linalg.slogdet),
        Sample(ops.slogdet, (real(2, 0, 0),), np.linalg.slogdet),
        Sample(ops.slogdet, (SINGULAR,), np.linalg.slogdet, ()),
    ],
    "cholesky": [
        Sample(ops.cholesky, (positive(real(4, 4)),), np.linalg.cholesky, order=3),
        Sample(ops.cholesky, (positive(complex_(2, 3, 3)),), np.linalg.cholesky),
        Sample(ops.cholesky, (real(0, 0),), np.linalg.cholesky),
    ],
    "qr": [
        *QR_SAMPLES,
        Sample(
            lambda a: ops.qr(a, "complete"),
            (real(3, 5),),
            lambda a: np.linalg.qr(a, "complete"),
        ),
        Sample(
            lambda a: ops.qr(a, "complete"),
            (real(4, 2),),
            lambda a: np.linalg.qr(a, "complete"),
            (),
        ),
        Sample(ops.qr, (real(0, 3),), np.linalg.qr),
    ],
    "eigh": [
        Sample(ops.eigh, (real(2, 3, 3),), np.linalg.eigh, order=3),
        Sample(lambda a: ops.eigh(a, lower=False), (real(4, 4),), lambda a: np.linalg.eigh(a, "U")),
        Sample(without_phase(ops.eigh), (complex_(3, 3),), without_phase_by_numpy(np.linalg.eigh)),
        Sample(ops.eigvalsh, (complex_(2, 3, 3),), np.linalg.eigvalsh),
        Sample(ops.eigh, (real(0, 0),), np.linalg.eigh),
        Sample(ops.eigh, (real(1, 1),), np.linalg.eigh),
    ],
    "svd": [
        *(
            Sample(ops.svd, (a,), lambda a: np.linalg.svd(a, full_matrices=False))
            for a in (real(3, 3), real(2, 4, 2), real(2, 4), real(0, 3))
        ),
        *(
            Sample(
                without_phase(ops.svd),
                (a,),
                without_phase_by_numpy(lambda a: np.linalg.svd(a, full_matrices=False)),
            )
            for a in (complex_(3, 3), complex_(4, 2), complex_(2, 3))
        ),
        *(
            Sample(lambda a: ops.svd(a, full=True), (a,), np.linalg.svd, ())
            for a in (real(4, 2), complex_(2, 3), real(0, 2), real(2, 3, 0))
        ),
        Sample(ops.svdvals, (complex_(2, 3, 4),), np.linalg.svdvals),
    ],
    "eig": [
        Sample(without_phase(ops.eig), (complex_(3, 3),), without_phase_by_numpy(np.linalg.eig)),
        Sample(ops.eigvals, (complex_(2, 3, 3),), np.linalg.eigvals),
        Sample(ops.eig, (complex_(0, 0),), np.linalg.eig),
    ],
    "lstsq": [
        *(
            Sample(
                part(ops.lstsq, 0, 1),
                (a, b, TOLERANCE),
                part(least_squares, 0, 1),
                (0, 1),
            )
            for a, b in (
                (real(4, 3), real(4, 2)),
                (positive(real(3, 3)), real(3, 1)),
                (real(2, 4), real(2, 3)),
                (complex_(4, 2), complex_(4, 2)),
                (complex_(2, 3), complex_(2, 1)),
            )
        ),
        Sample(ops.lstsq, (real(4, 2) @ real(2, 3), real(4, 2), TOLERANCE), least_squares, ()),
        Sample(ops.lstsq, (real(0, 3), real(0, 2), TOLERANCE), least_squares, ()),
        Sample(ops.lstsq, (real(3, 2), real(3, 0), TOLERANCE), least_squares, ()),
    ],
    "pinv": [
        *(
            Sample(ops.pseudo_inverse, (a, np.full(a.shape[:-2], 1e-10)), np.linalg.pinv, (0,))
            for a in (real(2, 3, 2), real(2, 4), complex_(3, 2), positive(complex_(2, 3, 3)))
        ),
        Sample(ops.pseudo_inverse, (real(0, 3), TOLERANCE), np.linalg.pinv, ()),
        Sample(ops.pseudo_inverse, (real(4, 2) @ real(2, 3), TOLERANCE), np.linalg.pinv, ()),
    ],
    "fft": [
        Sample(
            lambda x, inverse=inverse, scale=scale: ops.fft(x, inverse=inverse, scale=scale),
            (x,),
            lambda x, inverse=inverse, norm=norm: (np.fft.ifft if inverse else np.fft.fft)(
                x, norm=norm
            ),
        )
        for inverse, scale, norm in (
            (False, "one", "backward"),
            (False, "root", "ortho"),
            (True, "size", "backward"),
            (True, "one", "forward"),
        )
        for x in (complex_(8), complex_(2, 15), complex_(3, 1), complex_(2, 17), complex_(0, 4))
    ],
}
MATRIX_SAMPLES |= {
    name: [
        Sample(
            lambda x, c, error=error: ops.require(x, c, "must be positive", error),
            (np.abs(real(3)), np.array([True] * 3)),
            lambda x, c: x,
        ),
    ]
    for name, error in (
        ("require", graphc.DomainError),
        ("require_division", graphc.DivisionError),
        ("require_bounds", graphc.OutOfBoundsError),
        ("require_finite", graphc.NonFiniteError),
    )
}

MATRIX_SAMPLES = {
    name: [replace(sample, ulps=ROUNDING) for sample in samples]
    for name, samples in MATRIX_SAMPLES.items()
}
