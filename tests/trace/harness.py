"""Runs a function plainly and traced, and compares results, kinds, writes and exceptions.

With ``GRAPHC_TEST_COMPILED=1`` in the environment the traced run is compiled to native code, which
takes minutes instead of seconds.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections import deque
from types import FunctionType
from typing import Any

import numpy as np

import graphc
from graphc.interp import evaluate
from graphc.trace.call_code import MISS, compile_call
from graphc.trace.capture import Policy
from graphc.trace.context import Respecialize
from graphc.trace.program import Program, trace_program
from graphc.verify import verify

COMPILED = os.environ.get("GRAPHC_TEST_COMPILED") == "1"


def runner(program: Program) -> Any:
    """What call code runs: the evaluator, then writes into the arrays given."""

    def run(arrays: tuple[Any, ...], sizes: dict[str, int], miss: Any) -> list[Any]:
        given = [np.array(array) for array in arrays]
        given += [None] * (len(program.graph.inputs) - len(given))
        outputs = evaluate(program.graph, given, sizes)
        outputs = [None if item is None else np.array(item) for item in outputs]
        for output, target in zip(outputs, program.graph.written, strict=True):
            if target is not None and target < len(arrays):
                arrays[target][...] = output
        return outputs

    return run


def traced_call(fn: Any, args: tuple[Any, ...], symbols: Any = None, kwargs: Any = None) -> Any:
    """A function ``call(fn, args, kwargs)`` that runs the traced program."""
    policy = Policy(symbols=dict(symbols or {}))
    while True:
        try:
            program = trace_program(fn, args, kwargs or {}, policy)
            break
        except Respecialize as need:
            policy = Policy({k: v for k, v in policy.symbols.items() if v not in need.names})
    verify(program.graph)
    code = compile_call(program.source, program.constants, "test", runner(program))

    def call(fn: Any, args: tuple[Any, ...], kwargs: Any = None) -> Any:
        return code(fn, args, kwargs or {})

    call.program = program  # type: ignore[attr-defined]
    return call


def traced(fn: Any, *args: Any, **kwargs: Any) -> Any:
    """``fn(*args)`` by way of its graph."""
    if COMPILED:
        return graphc.compile(fn)(*args, **kwargs)
    result = traced_call(fn, args, None, kwargs)(fn, args, kwargs)
    assert result is not MISS, "the call code refused the call that it was traced for"
    return result


def outcome(function: Any, args: tuple[Any, ...], kwargs: Any) -> tuple[Any, Any]:
    """The result and None, or None and the exception."""
    try:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs), None
    except Exception as error:
        return None, error


BUILTIN_ERRORS = (ValueError, TypeError, IndexError, OverflowError, ZeroDivisionError, KeyError)


def same(fn: Any, *args: Any, ulps: int = 4, **kwargs: Any) -> Any:
    """Assert that `fn` does the same traced as plainly; returns the plain result."""
    plain_args, traced_args = _copies(args), _copies(args)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, failure = outcome(fn, plain_args, kwargs)
    got, error = outcome(lambda *a, **k: traced(fn, *a, **k), traced_args, kwargs)
    if failure is not None:
        if error is None:
            raise AssertionError(f"NumPy raised {failure!r}, traced gave {got!r}")
        kinds = [kind for kind in BUILTIN_ERRORS if isinstance(failure, kind)]
        if not kinds or not any(isinstance(error, kind) for kind in kinds):
            raise AssertionError(f"NumPy raised {failure!r}, traced {error!r}") from error
        return failure
    if error is not None:
        raise error
    assert_same(got, expected, "result", ulps)
    assert_same(traced_args, plain_args, "arguments", ulps)
    return expected


def _copies(args: Any) -> Any:
    """Deep copies that keep each array's strides."""
    return copy.deepcopy(args, {id(a): clone(a) for a in _arrays(args)})


def _arrays(args: Any) -> Any:
    if isinstance(args, np.ndarray):
        yield args
    elif isinstance(args, dict):
        for item in args.values():
            yield from _arrays(item)
    elif isinstance(args, list | tuple):
        for item in args:
            yield from _arrays(item)


def clone(array: np.ndarray) -> np.ndarray:
    """A copy of `array` with its shape, strides and writeable flag."""
    if array.size == 0 or not any(array.strides):
        result = array.copy()
    else:
        low, high = np.lib.array_utils.byte_bounds(array)
        buffer = np.zeros(high - low, dtype=np.uint8)
        offset = array.__array_interface__["data"][0] - low
        result = np.ndarray(array.shape, array.dtype, buffer, offset, array.strides)
        result[...] = array
    result.flags.writeable = array.flags.writeable
    return result


def assert_same(got: Any, expected: Any, where: str, ulps: int = 4) -> None:
    """Same types, containers, dtypes, shapes, and values to a few units in the last place."""
    assert type(got) is type(expected), f"{where}: {type(got)} instead of {type(expected)}"
    if isinstance(expected, dict):
        assert list(got) == list(expected), where
        for key in expected:
            assert_same(got[key], expected[key], f"{where}[{key!r}]", ulps)
    elif isinstance(expected, list | tuple | deque):
        assert len(got) == len(expected), where
        for position, (a, b) in enumerate(zip(got, expected, strict=True)):
            assert_same(a, b, f"{where}[{position}]", ulps)
    elif isinstance(expected, np.ndarray | np.generic):
        assert got.dtype == expected.dtype, f"{where}: {got.dtype} instead of {expected.dtype}"
        assert got.shape == expected.shape, f"{where}: {got.shape} instead of {expected.shape}"
        assert_close(got, expected, where, ulps)
    elif isinstance(expected, float | complex):
        assert_close(np.asarray(got), np.asarray(expected), where, ulps)
    elif hasattr(expected, "__dict__") and not isinstance(expected, type | FunctionType):
        assert_same(vars(got), vars(expected), where, ulps)
    else:
        assert got == expected, f"{where}: {got!r} instead of {expected!r}"


def assert_close(got: Any, expected: Any, where: str, ulps: int) -> None:
    if expected.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, expected, err_msg=where)
        return
    eps = np.finfo(expected.dtype).eps
    scale = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    np.testing.assert_allclose(
        got, expected, rtol=ulps * eps, atol=ulps * eps * scale, err_msg=where
    )
