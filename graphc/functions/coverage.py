"""Which of NumPy's public functions compiled code covers, from the registry: ``docs/numpy.md``.

::

    python -m graphc.functions.coverage > docs/numpy.md
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphc.functions.classes import MASKED, REFUSED
from graphc.functions.refused import HINTS
from graphc.trace.base import nearest
from graphc.trace.dispatch import FUNCTIONS
from graphc.trace.ufuncs import covered_ufunc
from graphc.trace.values import TracedArray

MODULES: tuple[tuple[str, Any], ...] = (
    ("np", np),
    ("np.linalg", np.linalg),
    ("np.fft", np.fft),
    ("np.lib.stride_tricks", np.lib.stride_tricks),
)

DATA = "the shape of the result depends on data"
TEXT = "reads or writes files or text"
STATIC = "asks about dtypes or settings: it runs as it is while tracing"
DATES = "dates are no numbers"
OBJECTS = "makes objects or calls back into Python for each element"
MEMORY = "asks where elements lie in memory"


def _each(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


REASONS: dict[str, str] = (
    _each(
        TEXT,
        """array2string array_repr array_str base_repr binary_repr format_float_positional
        format_float_scientific fromfile fromregex fromstring genfromtxt info load loadtxt save
        savetxt savez savez_compressed show_config show_runtime test get_include typename
        ndarray.dump ndarray.dumps ndarray.tofile ndarray.tobytes ndarray.tolist""",
    )
    | _each(
        STATIC,
        """common_type einsum_path geterr geterrcall getbufsize get_printoptions isdtype
        issubdtype iterable mintypecode printoptions promote_types
        set_printoptions setbufsize seterr seterrcall""",
    )
    | _each(DATES, "busday_count busday_offset datetime_as_string datetime_data is_busday isnat")
    | _each(
        OBJECTS,
        """frompyfunc fromiter nested_iters from_dlpack frombuffer asmatrix bmat
        ndarray.to_device""",
    )
    | _each(
        MEMORY,
        """may_share_memory shares_memory isfortran require ndarray.base
        ndarray.byteswap ndarray.ctypes ndarray.flags ndarray.data ndarray.getfield ndarray.setfield
        ndarray.setflags""",
    )
    | _each("needs a value that is known only when the code runs: keep an array", "ndarray.item")
    | _each("changes the size of an array: np.resize gives another", "ndarray.resize")
    | _each(
        DATA,
        """setxor1d unique_all unique_counts unique_inverse unique_values ndarray.compress
        ndarray.nonzero""",
    )
)


def _public(module: Any) -> Iterator[tuple[str, Any]]:
    for name in sorted(set(getattr(module, "__all__", dir(module)))):
        value = getattr(module, name, None)
        if name.startswith("_") or isinstance(value, type | types.ModuleType):
            continue
        if callable(value):
            yield name, value


def _status(name: str, function: Any) -> tuple[bool, str]:
    """Whether a function is covered, and why not."""
    if isinstance(function, np.ufunc):
        return covered_ufunc(function), REASONS.get(name, nearest(name))
    if function in HINTS:
        return False, f"{DATA}. {HINTS[function]}"
    if function in FUNCTIONS:
        return True, ""
    return False, REASONS.get(name, nearest(name))


def rows() -> Iterator[tuple[str, bool, str]]:
    """Each public function, method and attribute: its name, whether it is covered, why not."""
    for prefix, module in MODULES:
        for name, function in _public(module):
            covered, reason = _status(name, function)
            yield f"{prefix}.{name}", covered, "" if covered else reason
    for name in sorted(dir(np.ndarray)):
        if not name.startswith("_"):
            full = f"ndarray.{name}"
            covered = hasattr(TracedArray, name) and full not in REASONS
            yield full, covered, "" if covered else REASONS.get(full, nearest(name))


LIMITS = {
    "np.arange": "bounds and step known while tracing",
    "np.bincount": "of a traced array with `minlength=`, which must exceed every element",
    "np.delete": "positions known while tracing, or one that is traced",
    "np.histogram": "a number of bins, or edges; not `bins='auto'`",
    "np.insert": "any positions; a mask must be known while tracing",
    "np.linalg.eig": "of complex matrices",
    "np.linalg.qr": "modes `reduced`, `complete` and `r`",
    "np.pad": "every mode but a function",
    "np.partition": "`kth` known while tracing",
    "np.polyfit": "without the warning at a poor condition",
    "np.repeat": "counts known while tracing",
    "np.where": "with three arguments",
    "ndarray.view": "without a dtype",
}
"""What is covered in part."""

OBJECTS_COVERED = {
    "np.r_, np.c_": "",
    "np.mgrid, np.ogrid": "with static bounds",
    "np.s_, np.index_exp, np.newaxis": "",
    "np.vectorize": (
        "without `excluded` and `signature`; the function does not branch on its numbers"
    ),
    "np.ndindex, np.ndenumerate": "loops over them are kept as loops where those over ranges are",
    "np.broadcast": "its shape, size and ndim",
    "np.ndarray": "`isinstance`, unbound methods as in `np.ndarray.sum(x)`, an empty array",
}


def _objects() -> list[str]:
    """Classes and objects that are no functions."""
    rows = [f"| `{name}` | yes{f': {limit}' if limit else ''} |" for name, limit in _named()]
    refused = {f"np.{kind.__name__}": hint for kind, hint in REFUSED.items()} | {"np.ma": MASKED}
    rows += [f"| `{name}` | no. {hint} |" for name, hint in sorted(refused.items())]
    return ["## Classes and objects", "", "| name | covered |", "|---|---|", *rows, ""]


def _named() -> list[tuple[str, str]]:
    return [(names.replace(", ", "`, `"), limit) for names, limit in OBJECTS_COVERED.items()]


def page() -> str:
    """The page as Markdown."""
    listed = list(rows())
    count = sum(covered for _, covered, _ in listed)
    lines = [
        "# What of NumPy compiles",
        "",
        f"Of NumPy's {len(listed)} public functions, methods and attributes, {count} are covered",
        "for traced arrays; the others, and why not, stand first. On arguments known while",
        "tracing every function works. Written by `python -m graphc.functions.coverage` from the",
        "registry; a test compares.",
        "",
        "## Not covered",
        "",
        "| function | why |",
        "|---|---|",
        *(f"| `{name}` | {reason} |" for name, covered, reason in listed if not covered),
        "",
        "## Covered in part",
        "",
        "| function | what of it |",
        "|---|---|",
        *(f"| `{name}` | {limit} |" for name, limit in LIMITS.items()),
        "",
        *_objects(),
        "## Covered",
        "",
    ]
    for prefix, title in (
        *((f"{name}.", f"`{name}`") for name, _ in reversed(MODULES)),
        ("ndarray.", "`ndarray`"),
    ):
        names = [n for n, covered, _ in listed if covered and n.startswith(prefix)]
        if prefix == "np.":
            names = [n for n in names if n.count(".") == 1]
        lines += [f"**{title}** " + ", ".join(f"`{n.removeprefix(prefix)}`" for n in names), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
