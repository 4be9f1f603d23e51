"""C libraries compute what the functions compute, in any program, and tell what went wrong."""

import copy
import ctypes
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc import nn
from tests.exporting.c_library import TASK, Library, built

F32, F64, I64 = np.float32, np.float64, np.int64


def arrays(*shapes, dtype=F32, seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


def scan_of(x):
    return graphc.scan(lambda carry, row: (np.tanh(carry + row), carry * 2), x[0] * 0, x)


def newton(x):
    return graphc.while_loop(
        lambda s: np.abs(s * s - x).max() > 1e-9, lambda s: (s + x / s) / 2, x + 1
    )


def branch(x, flag):
    return graphc.cond(flag > 0, lambda x: np.sin(x), lambda x: x * 2, x)


def put(x, places):
    y = x * 1
    y[places] += 3
    return y.cumsum(), np.sort(x), np.argsort(x)


CASES = {
    "elementwise": (lambda x, y: np.exp(np.sin(x) * y) + x**2, arrays((7, 5), (5,))),
    "product": (lambda a, b: np.maximum(a @ b, 0), arrays((50, 70), (70, 90))),
    "product of float64": (lambda a, b: a @ b.T, arrays((33, 20), (41, 20), dtype=F64)),
    "product of few rows": (lambda a, b: a @ b, arrays((2, 2000), (2000, 3000))),
    "row and column": (lambda a, b: (a[0] @ b, b @ b[0]), arrays((3, 40), (40, 40))),
    "batch of products": (lambda a, b: a @ b, arrays((6, 5, 8), (6, 8, 3))),
    "complex product": (
        lambda a, b: (a @ b, np.abs(a).sum()),
        [x + 1j * x[::-1] for x in arrays((4, 5), (5, 6), dtype=F64)],
    ),
    "integers": (
        lambda a, b: (a @ b, a // 3, a % 5, a > b.T),
        [np.arange(12).reshape(3, 4), np.arange(12).reshape(4, 3)],
    ),
    "bools": (lambda a: (a & ~a.T, a.any(), a.all(axis=0)), [np.eye(3, dtype=bool)]),
    "softmax": (lambda x: np.exp(x - x.max(1, keepdims=True)) / x.sum(), arrays((9, 33))),
    "convolution": (
        lambda x, w: nn.relu(nn.conv2d(x, w, padding=1)),
        arrays((3, 4, 9, 8), (6, 4, 3, 3)),
    ),
    "attention": (lambda q: nn.attention(q, q, q, is_causal=True), arrays((2, 3, 70, 16))),
    "scan": (scan_of, arrays((6, 4), dtype=F64)),
    "while": (newton, [np.array([2.0, 3.0, 5.0])]),
    "cond": (branch, [np.array([2.0, 3.0]), np.array(1.0)]),
    "writes and sorts": (put, [np.array([3.0, 1.0, 2.0, 0.5]), np.array([0, 2])]),
    "a number": (lambda x, rate: (x * rate, rate), [*arrays((3,)), 0.5]),
    "nothing": (lambda x: x[:0].sum(axis=0), arrays((0, 3))),
    "random": (
        lambda key, x: graphc.random.normal(key, (5,)) + x,
        [graphc.random.key(3), np.ones(5)],
    ),
    "gradient": (graphc.grad(lambda w, x: (np.tanh(x @ w) ** 2).sum()), arrays((5, 4), (7, 5))),
    "a tree": (
        lambda p: {"sum": p["a"] + p["b"][0], "n": 3, "more": [p["b"][1], 1.5]},
        [{"a": arrays((3,))[0], "b": arrays((3,), (2,))}],
    ),
}


def leaves(tree):
    if isinstance(tree, dict):
        return [x for item in tree.values() for x in leaves(item)]
    if isinstance(tree, tuple | list):
        return [x for item in tree for x in leaves(item)]
    return [tree]


@pytest.mark.parametrize("cpu", ["native", "generic"])
@pytest.mark.parametrize("name", CASES)
def test_a_library_computes_what_the_function_does(name, cpu, tmp_path):
    function, args = CASES[name]
    library = built(tmp_path, function, *args, cpu=cpu)
    given = [np.ascontiguousarray(leaf) for leaf in leaves(args)]
    inputs = [entry["name"] for entry in library.arrays if entry["role"] == "input"]
    assert not any(entry["role"] == "state" for entry in library.arrays)
    status, results = library.run(**dict(zip(inputs, given, strict=True)))
    assert status == 0, library.message(status)
    wanted = [leaf for leaf in leaves(graphc.compile(function)(*args)) if type(leaf) is not int]
    for result, expected in zip(results.values(), wanted, strict=True):
        single = result.dtype in (np.float32, np.complex64)
        tolerance = 1e-4 if single else 1e-12
        assert result.dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(result, expected, tolerance, tolerance)


# --- training -------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self):
        self.first, self.second = nn.Linear(20, 32), nn.Linear(32, 5)
        self.norm = nn.BatchNorm1d(32)

    def forward(self, x):
        return self.second(nn.relu(self.norm(self.first(x))))


def train_step(model, optimizer, x, y):
    loss, grads = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
    optimizer.step(model, grads)
    return loss


def network():
    graphc.random.seed(0)
    model = Net()
    return model, graphc.optim.Adam(model, lr=0.01)


BATCH = (graphc.spec(("batch", 20), F32), graphc.spec(("batch",), I64))


def test_a_training_step_trains_to_the_same_losses(tmp_path):
    model, optimizer = network()
    library = built(tmp_path, graphc.compile(train_step), model, optimizer, *BATCH, name="train")
    assert library.path.stat().st_size < 2 << 20
    state = library.state()
    step = graphc.compile(train_step)
    random = np.random.default_rng(1)
    for size in (16, 16, 9, 30, 2):
        x = random.standard_normal((size, 20)).astype(F32)
        y = random.integers(0, 5, size)
        status, results = library.run({"batch": size}, x=x, y=y, **state)
        assert status == 0, library.message(status)
        assert abs(results["result"] - step(model, optimizer, x, y)) < 1e-5
    np.testing.assert_allclose(state["model_first_weight"], model.first.weight, 1e-4, 1e-5)
    assert state["optimizer_count"] == optimizer.count == 5


def parallel(context, count, task, job):
    """Chunks on two threads."""
    run = TASK(task)
    found = [0, 0]

    def work(which):
        for chunk in range(which, count, 2):
            found[which] |= run(job, chunk, chunk + 1)

    other = threading.Thread(target=work, args=(1,))
    other.start()
    work(0)
    other.join()
    return max(found)


def test_threads_of_the_caller_give_the_same_bits(tmp_path):
    def sums(x, w):
        y = np.maximum(x @ w, 0)
        return y, (y * y).sum(axis=0), np.sort(x, axis=1)

    x, w = arrays((700, 120), (120, 80))
    library = built(tmp_path, sums, x, w)
    counts = []

    def counted(context, count, task, job):
        counts.append(count)
        return parallel(context, count, task, job)

    _, alone = library.run(x=x, w=w)
    status, together = library.run(x=x, w=w, parallel=counted)
    assert status == 0
    assert max(counts) > 1
    for name, array in alone.items():
        assert (array == together[name]).all()


def test_several_calls_at_once(tmp_path):
    (x,) = arrays((300, 40))
    library = built(tmp_path, lambda x: (np.tanh(x) @ x.T).sum(axis=1), x)
    wanted = library.run(x=x)[1]["result"]
    found = []
    threads = [threading.Thread(target=lambda: found.append(library.run(x=x)[1])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all((one["result"] == wanted).all() for one in found)


# --- what goes wrong ------------------------------------------------------------------------------


def test_statuses_and_what_they_say(tmp_path):
    def pick(x, places):
        x *= 2
        return x[places]

    x, places = np.arange(5.0), np.array([0, 7])
    library = built(tmp_path, pick, x, np.array([0, 1]))
    status, _ = library.run(x=x, places=places)
    assert status > 0
    assert "test_c_library.py" in library.message(status)
    assert "out of bounds" in library.message(status)
    assert (x == np.arange(5.0)).all()
    assert library.run(x=None, places=places)[0] == -2
    assert "NULL" in library.message(-2)
    both = np.arange(5.0)
    overlapping = both.view(I64)[:2]
    assert library.run(x=both, places=overlapping)[0] == 1
    assert "overlap" in library.message(1)
    assert "no status" in library.message(12345)


def test_sizes_that_do_not_fit(tmp_path):
    def first_three(x):
        return x[:3] + x[-3:] if x.shape[0] > 3 else x

    library = built(tmp_path, first_three, graphc.spec(("n",), F64))
    x = np.arange(8.0)
    assert (library.run({"n": 8}, x=x)[1]["result"] == x[:3] + x[-3:]).all()
    assert library.run({"n": -1}, x=x, workspace=np.zeros(4096, np.uint8))[0] == -1
    status, _ = library.run({"n": 2}, x=x)
    assert status == -3
    assert "n" in library.message(status)


def test_results_on_other_arrays_are_refused(tmp_path):
    library = built(tmp_path, lambda x: x[::-1] + x, graphc.spec(("n",), F64))
    x, workspace = np.arange(4.0), np.zeros(4096, np.uint8)
    address = ctypes.c_void_p(x.ctypes.data)
    room = ctypes.c_void_p(workspace.ctypes.data)
    run_f = library.library.f_run
    assert run_f(ctypes.c_int64(4), address, address, room) == 1
    assert run_f(ctypes.c_int64(4), address, room, room) == 1
    assert (x == np.arange(4)).all()
    result = np.zeros(4)
    assert run_f(ctypes.c_int64(4), address, ctypes.c_void_p(result.ctypes.data), room) == 0
    assert result.tolist() == [3, 3, 3, 3]
    assert run_f(ctypes.c_int64(0), None, None, room) == 0


def test_a_parallel_that_leaves_chunks_out_is_told(tmp_path):
    def change(x):
        x[:] = np.exp(x) * 2 + 1

    x = np.zeros((3000, 400))
    library = built(tmp_path, change, x)

    def half(context, count, task, job):
        TASK(task)(job, 0, count // 2)
        return 7

    status, _ = library.run(x=x, parallel=half)
    assert status == -4
    assert "did not run every chunk" in library.message(status)
    assert set(np.unique(x)) == {0.0, 3.0}


def test_names_that_c_has(tmp_path):
    count, words = arrays((3,), (3,))
    graphc.export(
        lambda count, words, printf: count + words * printf,
        count, words, count, path=tmp_path / "lib", name="f",
    )  # fmt: skip
    run("cc", "-Wall", "-Werror", "main.c", "libf.a", "-lm", "-o", "f", cwd=tmp_path / "lib")
    assert "done" in run("./f", cwd=tmp_path / "lib")
    for axis in ("int", "größe", "workspace"):
        with pytest.raises(graphc.ExportError, match="has no name for C"):
            graphc.export(lambda x: x * 2, graphc.spec((axis,), F32), path=tmp_path / "x.so")
    with pytest.raises(graphc.ExportError, match="no name for functions"):
        graphc.export(lambda x: x * 2, count, path=tmp_path / "x.so", name="größe")


def test_the_compiler_may_have_options(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "cc -m64")
    assert built(tmp_path, lambda x: x * 2, np.ones(3)).run(x=np.ones(3))[0] == 0


def test_what_an_earlier_export_left_is_removed(tmp_path, monkeypatch):
    graphc.export(lambda x: x * W, np.ones(3), path=tmp_path, name="f")
    assert (tmp_path / "f.bin").exists()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.warns(RuntimeWarning, match="no C compiler"):
        graphc.export(lambda x: x * 2, np.ones(3), path=tmp_path, name="f")
    assert {file.name for file in tmp_path.iterdir()} == {"f.o", "f.h", "main.c", "CMakeLists.txt"}


W = np.full(3, 2.0)


def inverse(x):
    return np.linalg.inv(x)


def printing(x):
    graphc.debug_print("{}", x)
    return x * 2


def test_what_no_library_can_do_is_refused(tmp_path):
    with pytest.raises(
        graphc.ExportError, match=r"(?s)solve calls dgesv of LAPACK.*np.linalg.inv.*lapack"
    ):
        graphc.export(inverse, np.eye(3), path=tmp_path / "x.so")
    with pytest.raises(graphc.ExportError, match=r"(?s)print.*Python"):
        graphc.export(printing, np.eye(3), path=tmp_path / "x.so")
    with pytest.raises(graphc.ExportError, match="cpu='i486'"):
        graphc.export(inverse, np.eye(3), path=tmp_path / "x.so", cpu="i486")
    with pytest.raises(graphc.ExportError, match="no name for functions in C"):
        graphc.export(lambda x: x, np.eye(3), path=tmp_path / "x.so", name="int")
    assert not list(tmp_path.iterdir())


SHIM = """
void scipy_dgesv_64_(void *, void *, void *, void *, void *, void *, void *, void *);
void dgesv_(void *a, void *b, void *c, void *d, void *e, void *f, void *g, void *h)
{ scipy_dgesv_64_(a, b, c, d, e, f, g, h); }
"""


def test_lapack_where_it_is_asked_for(tmp_path, monkeypatch):
    with monkeypatch.context() as without_compiler:
        without_compiler.setenv("PATH", "")
        without_compiler.delenv("CC", raising=False)
        with pytest.warns(RuntimeWarning, match="-llapack"):
            graphc.export(inverse, np.eye(3), path=tmp_path / "f.so", link="lapack", name="f")
    wheel = next(Path(np.__file__).parent.parent.glob("numpy.libs/libscipy_openblas64_*"), None)
    if wheel is None:
        assert b"dgesv_" in (tmp_path / "f.o").read_bytes()
        return
    # NumPy's own LAPACK, under the names that other builds have.
    (tmp_path / "shim.c").write_text(SHIM)
    run("cc", "-shared", "-fPIC", "f.o", "shim.c", wheel, f"-Wl,-rpath,{wheel.parent}", "-lm",
        "-o", "f.so", cwd=tmp_path)  # fmt: skip
    library = Library(tmp_path / "f.so", "f")
    x = np.random.default_rng(0).standard_normal((3, 3))
    status, results = library.run(x=x)
    assert status == 0
    np.testing.assert_allclose(results["result"], np.linalg.inv(x), 1e-10)
    status, _ = library.run(x=np.zeros((3, 3)))
    assert "ingular" in library.message(status)


def test_without_a_compiler_object_and_header_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.warns(RuntimeWarning, match="cc -shared twice.o -o libtwice.so -lm"):
        graphc.export(lambda x: x * 2, np.ones(3), path=tmp_path / "lib", name="twice")
    names = {file.name for file in (tmp_path / "lib").iterdir()}
    assert names == {"twice.o", "twice.h", "main.c", "CMakeLists.txt"}


# --- the files ------------------------------------------------------------------------------------


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("library")
    model, optimizer = network()
    graphc.export(
        copy.deepcopy(train_step), model, optimizer, *BATCH, path=place, name="train",
        cpu="x86-64-v3",
    )  # fmt: skip
    return place


def test_a_library_needs_nothing_but_the_c_library(folder):
    undefined = [line.split()[-1] for line in run("nm", "-u", folder / "train.o").splitlines()]
    assert {name.split("@")[0] for name in undefined} <= {"memset", "memcpy", "memmove", "expf"}
    public = run("nm", "-g", "--defined-only", folder / "train.o").split()[2::3]
    assert all(name.startswith("train_") for name in public)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind here")
def test_valgrind_finds_nothing_in_the_example(folder):
    run("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "main.c", "libtrain.a",
        "-lm", "-o", "plain", cwd=folder)  # fmt: skip
    text = run("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "./plain", cwd=folder)
    assert "done" in text


def test_the_example_on_openmp_and_the_header_in_cpp(folder):
    run(
        "cc",
        "-fopenmp",
        "-Wall",
        "-Werror",
        "main.c",
        "libtrain.a",
        "-lm",
        "-o",
        "openmp",
        cwd=folder,
    )
    assert "done" in run("./openmp", cwd=folder)
    (folder / "header.cpp").write_text('#include "train.h"\nint main() { return 0; }\n')
    run(
        "c++", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "header.cpp", cwd=folder
    )


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake here")
def test_cmake_builds_the_example(folder):
    run("cmake", "-S", ".", "-B", "built", cwd=folder)
    run("cmake", "--build", "built", cwd=folder)
    assert "done" in run("built/train_example", "train.bin", cwd=folder)


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake here")
def test_cmake_of_another_project_links_to_it(folder, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(other C)\n"
        f"add_subdirectory({folder} library)\n"
        "add_executable(program program.c)\ntarget_link_libraries(program train)\n"
    )
    (tmp_path / "program.c").write_text(
        '#include "train.h"\n#include <stdio.h>\n'
        "int main(void) { puts(train_version()); return train_workspace_size(3) <= 0; }\n"
    )
    run("cmake", "-S", ".", "-B", "built", cwd=tmp_path)
    run("cmake", "--build", "built", cwd=tmp_path)
    assert "made by graphc" in run("built/program", cwd=tmp_path)


def test_a_failing_linker_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(graphc.ExportError, match="false -shared"):
        graphc.export(lambda x: x, np.ones(3), path=tmp_path / "lib", name="same")
    assert not list(tmp_path.iterdir())
    assert ctypes.sizeof(ctypes.c_void_p) == 8
