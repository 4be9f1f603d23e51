"""NumPy's functions on generated arrays: compiled code gives the same values, dtypes and shapes.

Every function of the registry has a call in `CALLS`, or a reason in `ELSEWHERE`. `x` is any array,
`y` one that broadcasts with it, `{axis}` an axis of x, `v` and `w` are 1-d, `a` and `b` matrices.
"""

from __future__ import annotations

import linecache
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphc
from graphc.trace.dispatch import FUNCTIONS
from graphc.trace.trees import leaves
from tests.functions.generated import DTYPES, FLOATS, arrays, broadcastable, shapes

EXAMPLES = 4

REDUCED = ("({f}(x, axis={axis}))", "({f}(x))", "({f}(x, axis={axis}, keepdims=True))")
CALLS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("sum", "prod", "any", "all", "mean", "count_nonzero"), REDUCED),
    **dict.fromkeys(("max", "min", "amax", "amin", "ptp", "argmax", "argmin"), REDUCED),
    "std": ("(np.std(x, axis={axis}))", "(np.std(x, ddof=1))"),
    "var": ("(np.var(x, axis={axis}, ddof=1))", "(np.var(x))"),
    "average": ("(np.average(x, axis={axis}))", "(np.average(v, weights=v * 0 + 2))"),
    "allclose": ("(np.allclose(x, x + 1e-9))", "(np.allclose(x, y))"),
    "isclose": ("(np.isclose(x, y, equal_nan=True))",),
    "array_equal": ("(np.array_equal(x, y))", "(np.array_equal(x, x))"),
    **dict.fromkeys(
        ("angle", "real", "imag", "isreal", "iscomplex", "copy", "ravel", "flip", "squeeze"),
        ("({f}(x))",),
    ),
    **dict.fromkeys(("around", "round"), ("({f}(x, 1))", "({f}(x))")),
    **dict.fromkeys(("atleast_1d", "atleast_2d", "atleast_3d", "transpose"), ("({f}(x))",)),
    **dict.fromkeys(("zeros_like", "ones_like"), ("({f}(x))", "({f}(x, dtype=np.float32))")),
    "full_like": ("(np.full_like(x, 2))",),
    **dict.fromkeys(("array", "asarray", "asanyarray", "ascontiguousarray"), ("({f}(x) * 1)",)),
    "array_equiv": ("(np.array_equiv(x, x[None]))", "(np.array_equiv(x, y))"),
    "asfortranarray": ("(np.asfortranarray(x))",),
    "astype": ("(np.astype(x, np.complex64))",),
    "cross": ("(np.cross(np.resize(v, (2, 3)), w))", "(np.cross(w, np.resize(v, (2, 2))))"),
    "delete": ("(np.delete(v, 1))", "(np.delete(x, [], axis={axis}))", "(np.delete(a, [0, 0], 0))"),
    "diagflat": ("(np.diagflat(a, -1))",),
    **dict.fromkeys(("fix", "isneginf", "isposinf"), ("({f}(x))",)),
    "geomspace": ("(np.geomspace(np.abs(v) + 1, 8, 4))",),
    "insert": ("(np.insert(v, [2, 0], w))", "(np.insert(x, 0, 2, axis={axis}))"),
    "kron": ("(np.kron(x, w))", "(np.kron(v, a))"),
    "logspace": ("(np.logspace(x, y, 3, base=2))",),
    "append": ("(np.append(x, y))", "(np.append(v, w))"),
    "array_split": ("(np.array_split(v, 3))",),
    "broadcast_arrays": ("(np.broadcast_arrays(x, y))",),
    "broadcast_to": ("(np.broadcast_to(x, (2,) + x.shape))",),
    "clip": ("(np.clip(x, -1, 2))", "(np.clip(x, None, y))"),
    "concatenate": ("(np.concatenate([x, x], axis={axis}))", "(np.concatenate([v, w]))"),
    "stack": ("(np.stack([x, x], axis={axis}))", "(np.stack([v, v], axis=-1))"),
    **dict.fromkeys(
        ("hstack", "vstack", "row_stack", "dstack", "column_stack"), ("({f}([v, v]))",)
    ),
    "diag": ("(np.diag(v))", "(np.diag(a, 1))"),
    "diagonal": ("(np.diagonal(a, -1))",),
    "trace": ("(np.trace(a))",),
    "diff": ("(np.diff(x, axis={axis}))", "(np.diff(v, n=2))"),
    "dot": ("(np.dot(a, b))", "(np.dot(v, v))", "(np.dot(x, 2))"),
    "inner": ("(np.inner(a, b.T))",),
    "vdot": ("(np.vdot(a, a))",),
    "vecdot": ("(np.vecdot(a, a))",),
    "outer": ("(np.outer(v, w))",),
    "matmul": ("(np.matmul(a, b))", "(a @ b)"),
    "matvec": ("(np.matvec(a, b[:, 0]))",),
    "vecmat": ("(np.vecmat(b[:, 0], b))",),
    "tensordot": ("(np.tensordot(a, b, 1))",),
    "einsum": ("(np.einsum('ij,jk->ik', a, b))", "(np.einsum('ij->j', a))"),
    "expand_dims": ("(np.expand_dims(x, 0))",),
    **dict.fromkeys(("fliplr", "flipud"), ("({f}(a))",)),
    "hsplit": ("(np.hsplit(v, [1]))",),
    "vsplit": ("(np.vsplit(a, [1]))",),
    "dsplit": ("(np.dsplit(a[:, :, None], [0]))",),
    "split": ("(np.split(v, [1, 2]))",),
    "indices": ("(np.indices(a.shape) + a)",),
    "linspace": ("(np.linspace(x, y, 5))",),
    "matrix_transpose": ("(np.matrix_transpose(a))",),
    "meshgrid": ("(np.meshgrid(v, w))",),
    "moveaxis": ("(np.moveaxis(x, {axis}, 0))",),
    "nan_to_num": ("(np.nan_to_num(x))", "(np.nan_to_num(x, nan=1.5))"),
    "pad": ("(np.pad(a, 2))", "(np.pad(v, (1, 2), mode='edge'))"),
    "put_along_axis": ("(np.take_along_axis(v, np.argmax(v)[None], 0))",),
    "take_along_axis": ("(np.take_along_axis(a, np.argmax(a, 0)[None], 0))",),
    "repeat": ("(np.repeat(x, 2, axis={axis}))", "(np.repeat(x, 3))"),
    "reshape": ("(np.reshape(x, -1))",),
    "roll": ("(np.roll(x, 2, axis={axis}))", "(np.roll(x, -1))"),
    "rollaxis": ("(np.rollaxis(x, {axis}))",),
    "rot90": ("(np.rot90(a))", "(np.rot90(a, 2))"),
    "select": ("(np.select([x > 0, x < 0], [x, y], 1))",),
    "swapaxes": ("(np.swapaxes(x, 0, {axis}))",),
    "take": ("(np.take(v, [0, -1], mode='clip'))", "(np.take(a, 0, axis=1))"),
    "tile": ("(np.tile(x, 2))", "(np.tile(v, (2, 2)))"),
    **dict.fromkeys(("tril", "triu"), ("({f}(a))", "({f}(a, 1))")),
    "unstack": ("(list(np.unstack(a)))",),
    "where": ("(np.where(x > 0, x, y))",),
}
CALLS |= {
    "sort": ("(np.sort(x, axis={axis}))", "(np.sort(x, axis=None))"),
    "argsort": ("(np.argsort(x, axis={axis}, kind='stable'))",),
    "partition": ("(np.partition(v, 1)[1])",),
    "argpartition": ("(v[np.argpartition(v, 1)[1]])",),
    "sort_complex": ("(np.sort_complex(v))",),
    "lexsort": ("(np.lexsort((v, v[::-1])))",),
    "searchsorted": ("(np.searchsorted(np.sort(v), w, side='right'))",),
    "digitize": ("(np.digitize(v, np.array([0.0, 1.0])))",),
    "isin": ("(np.isin(v, w))",),
    **dict.fromkeys(("median", "nanmedian"), ("({f}(x, axis={axis}))",)),
    "quantile": ("(np.quantile(v, 0.3))", "(np.quantile(a, [0.2, 1.0], axis=0))"),
    "percentile": ("(np.percentile(a, 40, method='nearest'))",),
    "nanquantile": ("(np.nanquantile(v, 0.3))",),
    "nanpercentile": ("(np.nanpercentile(v, 60))",),
    **dict.fromkeys(("cumsum", "cumprod", "nancumsum", "nancumprod"), ("({f}(x, axis={axis}))",)),
    "cumulative_sum": ("(np.cumulative_sum(v, include_initial=True))",),
    "cumulative_prod": ("(np.cumulative_prod(v))",),
    **dict.fromkeys(("nansum", "nanprod", "nanmax", "nanmin", "nanmean"), REDUCED[:2]),
    **dict.fromkeys(("nanargmax", "nanargmin"), ("({f}(a, axis=0))",)),
    **dict.fromkeys(("nanstd", "nanvar"), ("({f}(x, axis={axis}))",)),
    "ediff1d": ("(np.ediff1d(v))",),
    "gradient": ("(np.gradient(v))", "(np.gradient(v, 0.5, edge_order=2))"),
    "trapezoid": ("(np.trapezoid(v, dx=0.5))",),
    "unwrap": ("(np.unwrap(v))",),
    "interp": ("(np.interp(v, np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0])))",),
    **dict.fromkeys(("convolve", "correlate"), ("({f}(v, w))", "({f}(v, w, 'same'))")),
    "cov": ("(np.cov(a, ddof=0))",),
    "corrcoef": ("(np.corrcoef(a * 2 + v[0] * 0))",),
    "histogram": ("(np.histogram(a, bins=3, range=(-4, 4)))",),
    **dict.fromkeys(("sinc", "i0"), ("({f}(v))",)),
    "vander": ("(np.vander(v, 3))",),
    "polyval": ("(np.polyval(w, v))",),
    **dict.fromkeys(("polyadd", "polysub", "polymul"), ("({f}(v, w))",)),
    **dict.fromkeys(("polyder", "polyint"), ("({f}(v))",)),
    "block": ("(np.block([[v, v], [w, v, v[:1] * 0, v[:0]]]))", "(np.block([v, w]))"),
    "resize": ("(np.resize(v, (3, 3)))",),
    "sliding_window_view": ("(np.lib.stride_tricks.sliding_window_view(v, 2) * 1)",),
    "apply_along_axis": ("(np.apply_along_axis(lambda r: r * 2, 0, a))",),
}
FOURIER = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fftshift", "ifftshift")
SEVERAL = ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
CALLS |= {name: (f"(np.fft.{name}(a))",) for name in (*FOURIER, *SEVERAL)}
ELSEWHERE = {
    **dict.fromkeys(
        """bartlett blackman hamming hanning kaiser diag_indices tril_indices triu_indices
        mask_indices diag_indices_from tril_indices_from triu_indices_from ix_ unravel_index
        ravel_multi_index packbits unpackbits
        """.split(),  # noqa: SIM905
        "made of numbers or positions: tests/functions/test_places.py",
    ),
    **dict.fromkeys(
        ("fill_diagonal", "place", "put", "putmask"), "writes: tests/functions/test_writing.py"
    ),
    **dict.fromkeys(("choose", "piecewise", "apply_over_axes"), "tests/functions/test_applying.py"),
    **dict.fromkeys(
        ("histogram2d", "histogram_bin_edges", "histogramdd"), "tests/functions/test_histograms.py"
    ),
    **dict.fromkeys(("poly", "polydiv", "polyfit", "roots"), "tests/functions/test_polynomials.py"),
    **dict.fromkeys(
        ("setxor1d", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
        "refused: tests/functions/test_coverage.py",
    ),
    **dict.fromkeys(
        """cholesky cond det eig eigh eigvals eigvalsh inv lstsq matrix_norm matrix_power
        matrix_rank multi_dot pinv qr slogdet solve svd svdvals tensorinv tensorsolve
        """.split(),  # noqa: SIM905
        "takes matrices of a kind: tests/functions/test_linear_algebra.py",
    ),
    "fftfreq": "made of numbers: tests/functions/test_fourier.py",
    "rfftfreq": "made of numbers: tests/functions/test_fourier.py",
    **dict.fromkeys(
        ("arange", "empty", "empty_like", "eye", "full", "identity", "ones", "tri", "zeros")
        + ("fromfunction", "asarray_chkfinite"),
        "made of numbers, not of arrays: tests/functions/test_creation.py",
    ),
    **dict.fromkeys(
        ("broadcast_shapes", "can_cast", "iscomplexobj", "isrealobj", "isscalar", "ndim", "shape"),
        "asks about types: tests/functions/test_queries.py",
    ),
    **dict.fromkeys(
        ("result_type", "min_scalar_type", "size"),
        "asks about types: tests/functions/test_queries.py",
    ),
    "copyto": "writes: tests/functions/test_selection.py",
    "norm": "tests/functions/test_products.py",
    "vector_norm": "tests/functions/test_products.py",
    **dict.fromkeys(
        ("argwhere", "compress", "extract", "flatnonzero", "intersect1d", "nonzero"),
        "refused: tests/functions/test_coverage.py",
    ),
    **dict.fromkeys(
        ("setdiff1d", "trim_zeros", "union1d", "unique", "bincount", "real_if_close"),
        "refused: tests/functions/test_coverage.py",
    ),
}
UFUNCS = sorted({u.__name__ for u in vars(np).values() if isinstance(u, np.ufunc)})
CALLS |= {
    name: (f"(np.{name}({', '.join('xyxx'[: getattr(np, name).nin])}))",)
    for name in UFUNCS
    if getattr(np, name).signature is None and name != "isnat"  # of dates
}
NUMBERS = tuple(dtype for dtype in DTYPES if dtype != "bool")  # bools round to float16
REALS = tuple(dtype for dtype in DTYPES if dtype[0] != "c")
DTYPES_OF = {
    "round": NUMBERS,
    "around": NUMBERS,
    "ldexp": FLOATS,
    **dict.fromkeys(("rfft", "ihfft", "rfft2", "rfftn"), REALS),
    **dict.fromkeys(("digitize", "interp", "histogram", "i0", "unwrap", "gradient"), FLOATS),
    **dict.fromkeys(("corrcoef", "cov", "nanargmax", "nanargmin"), FLOATS),
    **dict.fromkeys(("linspace", "logspace", "geomspace"), FLOATS),
    "cross": NUMBERS,
    "pad": DTYPES,
}


def test_every_function_of_the_registry_is_called_here():
    names = {function.__name__ for function in FUNCTIONS}
    missing = names - set(CALLS) - set(ELSEWHERE)
    assert not missing
    assert not set(CALLS) & set(ELSEWHERE)


@st.composite
def programs(draw, name, call):
    """The text of a call, and its arguments."""
    shape = draw(shapes(least=1 if "{axis}" in call else 0))
    axis = draw(st.integers(-len(shape), len(shape) - 1)) if "{axis}" in call else 0
    dtypes = DTYPES_OF.get(name, DTYPES)
    x = draw(arrays(shape, dtypes))
    arguments = {"x": x}
    if "y" in call:
        arguments["y"] = draw(arrays(draw(broadcastable(shape)), (x.dtype.name, "float32", "int8")))
    rows, inner = draw(st.sampled_from((1, 2, 3))), draw(st.sampled_from((2, 3)))
    arguments["v"] = draw(arrays((draw(st.sampled_from((3, 4, 5))),), dtypes))
    arguments["w"] = draw(arrays((2,), (arguments["v"].dtype.name,)))
    arguments["a"] = draw(arrays((rows, inner), dtypes, special=False))
    arguments["b"] = draw(arrays((inner, inner), (arguments["a"].dtype.name,), special=False))
    text = call.format(f=f"np.{name}", axis=axis)
    used = [key for key in arguments if f"{key}" in _names(text)]
    return text, {key: arguments[key] for key in used}


def _names(text):
    return set(compile(text, "<call>", "eval").co_names)


def function_of(text, names):
    source = f"def call({', '.join(names)}):\n    return {text}\n"
    file = f"<generated {text} {sorted(names)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace = {"np": np}
    exec(compile(source, file, "exec"), namespace)
    return namespace["call"]


def outcome(function, arguments):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(*arguments.values()), None
        except Exception as error:  # what it is gets compared
            return None, error


def close(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if wanted.dtype.kind not in "fc":
        np.testing.assert_array_equal(found, wanted)
        return
    tolerance = 64 * float(np.finfo(wanted.dtype).eps)
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


ALL = [(name, call) for name in sorted(CALLS) for call in CALLS[name]]


@pytest.mark.parametrize(("name", "call"), ALL)
def test_generated_calls(name, call):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(data):
        text, arguments = data.draw(programs(name, call))
        function = function_of(text, arguments)
        wanted, problem = outcome(function, arguments)
        found, ours = outcome(graphc.compile(function), arguments)
        if isinstance(ours, graphc.DTypeError) and "float16" in str(ours):
            return
        if problem is not None:
            wanted_kind = next(k for k in type(problem).__mro__ if k.__module__ == "builtins")
            assert isinstance(ours, wanted_kind), (problem, ours)
            return
        if ours is not None:
            raise ours
        for left, right in zip(leaves(found), leaves(wanted), strict=True):
            assert type(left) is type(right)
            close(left, right)

    run()
