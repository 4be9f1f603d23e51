"""Generated source against the files in ``tests/golden``.

After a change to code generation, look at what changed with::

    GRAPHC_GOLDEN=write python -m pytest tests/codegen/test_golden.py && git diff tests/golden
"""

import os
from pathlib import Path

import pytest

from graphc import ops
from graphc.codegen.source.module import write_module
from graphc.errors import Location
from graphc.fuse.groups import fuse
from graphc.ir import Note, close
from graphc.loops_text import format_kernel
from graphc.lower import lower
from graphc.memory import plan_memory
from graphc.types import Dim

from .graphs import softmax, tensor, training_step

FOLDER = Path(__file__).parent.parent / "golden"


def chain():
    x, y = tensor("float32", Dim.symbol("n"), 8), tensor("float32", 8)
    total = ops.add(ops.exp(x), ops.broadcast_to(y, x.shape))
    out = ops.tanh(total)
    notes = {out.node: Note(Location("model.py", 3)), total.node: Note(Location("model.py", 2))}
    return close([x, y], [out, ops.sum_(out, (0,))], names=["x", "bias"], notes=notes)


def rows():
    x = tensor("float64", Dim.symbol("n"), Dim.symbol("m"))
    return close([x], [softmax(x)], names=["x"])


def loop():
    carry, x = tensor("float64", 3), tensor("float64", 3)
    body = close([carry, x], [ops.add(carry, x), ops.sin(carry)])
    start, xs = tensor("float64", 3), tensor("float64", Dim.symbol("n"), 3)
    return close(
        [start, xs], ops.scan(body, [start], [xs], [], Dim.symbol("n")), names=["start", "xs"]
    )


def indexing():
    table, index = tensor("float32", 10, 4), tensor("int64", 6)
    taken = ops.gather(table, [index], (0,))
    added = ops.scatter_add(table, ops.multiply(taken, taken), [index], (0,))
    return close([table, index], [added], written=[0], names=["table", "index"])


def equations():
    """Routines of LAPACK and BLAS: a symbolic batch, one that can fail and one that can't."""
    a, b = tensor("float64", Dim.symbol("n"), 3, 3), tensor("float64", Dim.symbol("n"), 3, 2)
    factor = ops.cholesky(a)
    return close([a, b], [ops.solve_triangular(factor, b, lower=True)], names=["a", "b"])


def fourier():
    x = tensor("complex64", Dim.symbol("n"), 12)
    return close([x], [ops.fft(x)], names=["x"])


GRAPHS = {
    "chain": chain,
    "softmax": rows,
    "scan": loop,
    "indexing": indexing,
    "training_step": training_step,
    "equations": equations,
    "fourier": fourier,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_generated_source(name):
    source = write_module(plan_memory(lower(fuse(GRAPHS[name]()))), name).source
    path = FOLDER / f"{name}.py.txt"
    if os.environ.get("GRAPHC_GOLDEN") == "write":
        path.write_text(source, encoding="utf-8")
    assert source == path.read_text(encoding="utf-8")
    compile(source, str(path), "exec")


@pytest.mark.parametrize("name", GRAPHS)
def test_loop_ir_prints(name):
    for step in lower(fuse(GRAPHS[name]())).steps:
        if hasattr(step, "kernel"):
            assert format_kernel(step.kernel).startswith(f"kernel {step.kernel.name}")
