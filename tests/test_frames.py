"""Tracebacks hold the user's frames only, whichever way graphc was called; the cause stays."""

import traceback

import numpy as np
import pytest

import graphc
from graphc.trace.context import location_of

X = np.array([1.0, 2.0])


def wrong(x):
    return (x + np.ones(3)).sum()


class Model:
    @graphc.compile
    def loss(self, x):
        return wrong(x)


CALLS = {
    "compiled": lambda: graphc.compile(wrong)(X),
    "by name": lambda: graphc.compile(wrong)(x=X),
    "method": lambda: Model().loss(X),
    "lower": lambda: graphc.compile(wrong).lower(X),
    "explain": lambda: graphc.compile(wrong).explain(X),
    "lower of a method": lambda: Model().loss.lower(X),
    "grad": lambda: graphc.grad(wrong)(X),
    "nested": lambda: graphc.compile(lambda x: graphc.grad(graphc.compile(wrong))(x))(X),
    "vjp": lambda: graphc.vjp(wrong, X),
    "jvp": lambda: graphc.jvp(wrong, (X,), (X,)),
    "vmap": lambda: graphc.vmap(wrong)(np.ones((4, 2))),
    "pullback": lambda: graphc.vjp(lambda x: x * x, X)[1](np.ones(3)),
    "cond": lambda: graphc.cond(X[0] > 0, wrong, wrong, X),
    "cond of values": lambda: graphc.cond(X[0] > 0, X, X),
    "scan": lambda: graphc.scan(lambda c, x: (wrong(c), x), X, X),
    "while_loop": lambda: graphc.while_loop(lambda c: c[0] > 0, wrong, X),
    "fori_loop": lambda: graphc.fori_loop(0, 3, lambda i, c: wrong(c), X),
    "random": lambda: graphc.random.uniform(7, (3,)),
    "debug_print": lambda: graphc.debug_print("{name}", X),
    "at run time": lambda: graphc.compile(lambda x, k: x[k])(X, np.int64(5)),
}


def files_of(call):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return {frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)}


@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize("eager", [False, True])
def test_only_frames_of_the_user(how, eager):
    if eager and how in ("lower", "explain", "lower of a method"):
        pytest.skip("compiles all the same")
    with graphc.eager(eager):
        assert files_of(CALLS[how]) == {__file__}


def test_all_frames_where_they_are_asked_for(monkeypatch):
    monkeypatch.setenv("GRAPHC_DEBUG", "1")
    assert any("graphc/trace" in file for file in files_of(CALLS["grad"]))


def test_a_second_call_of_a_compiled_form():
    pick = graphc.compile(lambda x, k: x[k])
    pick(X, np.int64(0))
    assert files_of(lambda: pick(X, np.int64(5))) == {__file__}


def test_the_cause_of_an_error_stays():
    @graphc.compile
    def chained(x):
        try:
            return {}["missing"] + x
        except KeyError as error:
            raise RuntimeError("no such entry") from error

    with pytest.raises(RuntimeError) as caught:
        chained(X)
    assert isinstance(caught.value.__cause__, KeyError)


def test_equal_code_in_two_files_is_in_two_places():
    """Python takes code objects of equal text for equal, whatever their files are."""
    first, second = (compile("step()", file, "eval") for file in ("one.py", "two.py"))
    assert first == second
    assert [location_of(code, 2).file for code in (first, second)] == ["one.py", "two.py"]
