"""Mistakes of first days: each raises with the user's line, and says what to write instead."""

import inspect

import numpy as np
import pytest

import graphc
from graphc.errors import TraceError

X = np.array([1.0, 2.0])


def refused(function, kind=graphc.GraphcError):
    """The text of the error that `function`, of one line, raises; it names that line."""
    with pytest.raises(kind) as caught:
        function()
    found = caught.value
    first = inspect.getsourcelines(function)[1]
    assert found.location.file == __file__
    assert first <= found.location.line < first + len(inspect.getsourcelines(function)[0])
    assert found.hint
    return str(found)


# --- control flow: values in the place of functions -----------------------------------------------

VALUES = {
    "true_fn": lambda x: graphc.cond(x[0] > 0, x, lambda: -x),
    "false_fn": lambda x: graphc.cond(x[0] > 0, lambda: x, -x),
    "body": lambda x: graphc.scan(x, x, x),
    "cond": lambda x: graphc.while_loop(x[0] < 3, lambda c: c * 2, x),
    "body ": lambda x: graphc.while_loop(lambda c: c[0] < 3, x, x),
    "body  ": lambda x: graphc.fori_loop(0, 3, x, x),
}


@pytest.mark.parametrize("how", ["called", "compiled", "eager"])
@pytest.mark.parametrize("role", VALUES)
def test_a_value_where_a_function_belongs(role, how):
    call = graphc.compile(VALUES[role]) if how == "compiled" else VALUES[role]
    with graphc.eager(how == "eager"), pytest.raises(TypeError) as caught:
        call(X)
    text = str(caught.value)
    assert f"needs a function as {role.strip()}, but it is " in text
    assert "Write graphc." in text
    assert caught.value.location.file == __file__


def test_cond_of_values_names_where():
    assert "np.where(pred, x, -x)" in refused(lambda: graphc.cond(True, X, -X), TraceError)


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [np.random.default_rng(0), np.random.RandomState(0), None, "a"])
def test_what_a_key_is(key):
    text = refused(lambda: graphc.random.uniform(key, (3,)), TypeError)
    assert "a key is an array, uint32[2]" in text
    assert "graphc.random.key(0)" in text
    assert "graphc.random.split(key)" in text


def test_a_seed_is_no_key_and_no_float_a_seed():
    assert "graphc.random.key(0)" in refused(lambda: graphc.random.normal(7, (3,)), TypeError)
    with pytest.raises(TypeError, match=r"key takes an int, not the float 1\.5"):
        graphc.random.key(1.5)


# --- dtypes that there are not --------------------------------------------------------------------

NOT_SUPPORTED = [
    (np.ones(2, np.float16), ".astype(np.float32)"),
    (np.ones(2, np.longdouble), ".astype(np.float64)"),
    (np.ones(2, np.clongdouble), ".astype(np.complex128)"),
    (np.array(["a", "b"]), "np.unique(x, return_inverse=True)"),
    (np.array([b"a", b"b"]), "np.unique(x, return_inverse=True)"),
    (np.array(["2026-01-01"], "datetime64[D]"), "x.astype(np.int64)"),
    (np.array([1], "timedelta64[D]"), "np.timedelta64(1, 's')"),
    (np.array([None, 1]), "np.asarray(x, np.float64)"),
    (np.zeros(2, [("a", float)]), "x['name']"),
]


@pytest.mark.parametrize(("array", "instead"), NOT_SUPPORTED, ids=lambda x: str(x)[:12])
def test_a_dtype_that_there_is_not(array, instead):
    double = graphc.compile(lambda x: x)
    assert instead in refused(lambda: double(array), TypeError)


# --- debug="nan", debug_print ---------------------------------------------------------------------


def test_an_inf_and_a_nan():
    inverse = graphc.compile(lambda x: 1 / x, debug="nan")
    with pytest.raises(FloatingPointError, match="made an inf"):
        inverse(np.zeros(2))
    with pytest.raises(FloatingPointError, match="holds a NaN"):
        inverse(np.array([np.nan]))


@pytest.mark.parametrize("fmt", ["{name}", "{} {}", "{:.2f}", "{:d}", "{", "{0.nothing}"])
@pytest.mark.parametrize("how", ["called", "compiled", "eager"])
def test_a_format_that_does_not_fit(fmt, how):
    def show(x):
        graphc.debug_print(fmt, x)
        return x

    call = graphc.compile(show) if how == "compiled" else show
    with graphc.eager(how == "eager"), pytest.raises(ValueError, match="debug_print") as caught:
        call(X)
    assert "1 value as" in str(caught.value)
    assert "debug_print(fmt, x)" in caught.value.location.text


def test_a_value_where_the_format_belongs():
    assert 'debug_print("x is {}", x)' in refused(lambda: graphc.debug_print(X), TypeError)


def test_formats_of_single_numbers_and_parts(capsys):
    @graphc.compile
    def show(x):
        graphc.debug_print("{0[0]:.1f} {1:.2f} {0.shape} {{}} {2:>4}", x, x.sum(), x.size)
        return x

    show(X)
    assert capsys.readouterr().out == "1.0 3.00 (2,) {}    2\n"


# --- custom_vjp -----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["forward", "backward"])
def test_a_rule_is_made_of_functions(role):
    forward, backward = (3, abs) if role == "forward" else (abs, X)
    rule = graphc.custom_vjp(np.sin)
    with pytest.raises(TypeError, match=rf"custom_vjp\(sin\)\.defvjp takes functions, but {role}"):
        rule.defvjp(forward, backward)
