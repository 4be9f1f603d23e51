"""Random NumPy programs give the same compiled as plain: results, kinds, writes, gradients.

A program is grown line by line: a random line is kept if plain NumPy runs it and its numbers stay
moderate. The seed alone decides the program; a failure prints it.
"""

from __future__ import annotations

import linecache
import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = ("bool", *INTEGERS, "float32", "float64", "complex64", "complex128")
WEIGHTS = (2, 1, 1, 2, 3, 2, 1, 1, 1, 5, 8, 1, 2)
SIZES = (0, 1, 2, 3, 5)
LINES = 9
ULPS = 4096


# --- arguments ------------------------------------------------------------------------------------


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype in INTEGERS:
        low = 0 if dtype.startswith("u") else -9
        return rng.integers(low, 10, shape).astype(dtype)
    values = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def _laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same elements, lying in memory as `layout` says."""
    if layout == "fortran":
        return np.asfortranarray(array)
    if layout == "reversed":
        return array[::-1].copy()[::-1] if array.ndim else array
    if layout == "gaps" and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array


def _arguments(seed: int, grown: int = 0) -> tuple[Any, ...]:
    """The arguments of program `seed`; every call makes new ones that are equal.

    Args:
        grown: added to every size, to meet the same program with other shapes.
    """
    choice = random.Random(f"arguments {seed}")
    rng = np.random.default_rng((seed, grown))
    n, m = (size + grown for size in choice.choices(SIZES, (1, 2, 2, 6, 6), k=2))
    shapes = [(n,), (n, m), (m,), (n, 1), (1, m), (m, n), (n, m, 2), ()]
    arrays: list[Any] = []
    for _ in range(3):
        dtype = choice.choices(DTYPES, WEIGHTS)[0]
        shape = choice.choices(shapes, (4, 6, 3, 1, 1, 2, 1, 1))[0]
        layout = choice.choices(("C", "fortran", "reversed", "gaps"), (6, 1, 1, 1))[0]
        arrays.append(_laid_out(_numbers(rng, shape, dtype), layout))
    sharing = choice.random()
    if sharing < 0.1 and arrays[0].ndim and len(arrays[0]):
        arrays[1] = arrays[0][1:] if len(arrays[0]) > 1 else arrays[0][:]
    elif sharing < 0.15:
        arrays[1] = arrays[0]
    scalar = choice.choice([2, -3, 0.5, True, np.float32(1.5), np.int16(7), np.float64(-0.25)])
    return (*arrays, scalar)


# --- programs -------------------------------------------------------------------------------------

ELEMENTWISE = (
    "np.sin({a})",
    "np.tanh({a})",
    "np.exp(-abs({a}))",
    "np.sqrt(abs({a}) + 1)",
    "np.log1p(abs({a}))",
    "np.square({a})",
    "-{a}",
    "abs({a})",
    "{a} + {b}",
    "{a} - {b}",
    "{a} * {b}",
    "{a} / (abs({b}) + 2)",
    "np.maximum({a}, {b})",
    "np.minimum({a}, {b})",
    "np.where({a} > {b}, {a}, {b})",
    "np.clip({a}, -1, 2)",
    "{a} + {number}",
    "{number} - {a}",
    "{a} * {number}",
    "{a} ** {exponent}",
    "np.arctan2({a}, abs({b}) + 1)",
)
DISCRETE = (
    "{a} < {b}",
    "{a} == {b}",
    "({a} > 0) & ({b} > 0)",
    "{a} & {b}",
    "{a} | {b}",
    "{a} ^ {b}",
    "~{a}",
    "{a} << ({b} & 3)",
    "{a} >> ({b} & 3)",
    "{a} // {number}",
    "{a} % {number}",
    "{a} // {b}",
    "{a} % {b}",
    "divmod({a}, {number})[{bit}]",
    "{a}.argmax()",
    "{a}.argmin(axis={axis})",
    "{a}.any(axis={axis})",
    "{a}.all()",
    "np.floor({a})",
    "np.sign({a})",
    "np.isfinite({a})",
    "{a}.astype(np.{dtype})",
    "np.eye(4)[{a} % 4]",
    "{b}[{a} % len({b})]",
    "np.arange(len({a}))",
    "np.real({a})",
    "np.conj({a})",
)
REDUCTIONS = (
    "{a}.sum()",
    "{a}.sum(axis={axis}, keepdims={flag})",
    "{a}.mean(axis={axis})",
    "{a}.var(axis={axis})",
    "{a}.std()",
    "{a}.max(axis={axis}, keepdims={flag})",
    "{a}.min()",
    "{a}.prod(axis={axis})",
    "{a} @ {b}",
    "np.dot({a}, {b})",
    "np.outer({a}, {b})",
    "np.einsum('ij,kj->ik', {a}, {b})",
    "np.einsum('i,i->', {a}, {b})",
)
SHAPES = (
    "{a}.T",
    "{a}.reshape(-1)",
    "{a}.ravel()",
    "{a}[None]",
    "{a}[..., None]",
    "{a}.copy()",
    "np.flip({a})",
    "np.concatenate([{a}, {b}])",
    "np.stack([{a}, {b}], axis=-1)",
    "np.swapaxes({a}, 0, 1)",
    "np.moveaxis({a}, 0, -1)",
    "np.broadcast_to({a}, (2, *{a}.shape))",
    "np.zeros({a}.shape, {a}.dtype)",
    "np.array([{a}.sum(), {number}])",
    "{a}[{slice}]",
    "{a}[{slice}, {slice}]",
    "{a}[{index}]",
    "{a}[..., {index}]",
    "{a}[[{index}, {index}, {index}]]",
    "{a}[{slice}, [{index}, {index}]]",
)
WRITES = (
    "{a}[{slice}] = {number}",
    "{a}[{slice}] = {b}[{slice}]",
    "{a}[{slice}] += {b}",
    "{a}[...] = {b}",
    "{a}[{index}] = {b}[{index}]",
    "{a}[[{index}, {index}]] = {b}",
    "{a}[[{index}, {index}]] *= 2",
    "{a} += {b}",
    "{a} *= {number}",
    "{a}[1:] += {a}[:-1]",
    "{a}[...] = {a}[::-1]",
    "{a}[0], {a}[1] = {a}[1], {a}[0]",
    "{a}.T[{slice}] -= 1",
    "{a}.reshape(-1)[{slice}] = {number}",
    "{a}[{a} > 0] = {number}",
    "np.add({a}, {b}, out={a})",
)
SMOOTH = (
    *(text for text in ELEMENTWISE if "arctan2" not in text),
    *(text for text in REDUCTIONS if "argm" not in text and "std" not in text),
    *(text for text in SHAPES if "zeros" not in text),
)


def _filled(choice: random.Random, template: str, names: Sequence[str]) -> str:
    """`template` with a random variable or literal for each of its holes."""

    def bound() -> str:
        return str(choice.randint(-4, 4)) if choice.random() < 0.6 else ""

    def part() -> str:
        step = choice.choices(("", ":2", ":-1", ":-2"), (5, 1, 2, 1))[0]
        return f"{bound()}:{bound()}{step}"

    while "{" in template:
        template = template.replace("{a}", choice.choice(names))
        for hole, made in (
            ("{b}", lambda: choice.choice(names)),
            ("{number}", lambda: choice.choice(("2", "3", "-2", "0.5", "1.5", "True", "scalar"))),
            ("{exponent}", lambda: choice.choice(("0", "1", "2", "3"))),
            ("{axis}", lambda: choice.choice(("0", "1", "-1", "None"))),
            ("{flag}", lambda: choice.choice(("True", "False"))),
            ("{bit}", lambda: choice.choice("01")),
            ("{dtype}", lambda: choice.choices(DTYPES, WEIGHTS)[0]),
            ("{slice}", part),
            ("{index}", lambda: str(choice.randint(-2, 2))),
        ):
            template = template.replace(hole, made(), 1)
    return template


def _function(lines: Sequence[str], result: str, label: str) -> Callable[..., Any]:
    source = "".join(f"    {line}\n" for line in (*lines, f"return {result}"))
    source = f"def program(x, y, z, scalar):\n{source}"
    file = f"<fuzz {label}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace = {"np": np, "__name__": __name__}
    exec(compile(source, file, "exec"), namespace)
    return namespace["program"]


def _source(function: Callable[..., Any]) -> str:
    return "".join(linecache.getlines(function.__code__.co_filename))


def _quietly(function: Callable[..., Any], *args: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args)


def _moderate(values: Any) -> bool:
    """Whether a line's result is one that graphc has, neither large, NaN nor huge in number."""
    if type(values) is tuple:
        return all(map(_moderate, values))
    array = np.asarray(values)
    if array.dtype.name not in DTYPES or array.size > 400:
        return False
    return array.dtype.kind in "biu" or bool(np.all(abs(array) < 1e4))


def _grow(
    seed: int, templates: Sequence[Sequence[str]], weights: Sequence[int], arguments: Any
) -> tuple[list[str], list[str]]:
    """The lines of program `seed`, and the variables alive at its end."""
    choice = random.Random(f"program {seed}")
    lines: list[str] = []
    names = ["x", "y", "z"]
    for _ in range(400):
        if len(lines) == LINES:
            break
        group = choice.choices(templates, weights)[0]
        line = _filled(choice, choice.choice(group), names)
        fresh = None
        if group is not WRITES:
            fresh = f"v{len(lines)}"
            line = f"{fresh} = {line}"
        alive = [*names, fresh] if fresh else names
        function = _function([*lines, line], ", ".join(alive), "draft")
        try:
            result = _quietly(function, *arguments())
        except (TypeError, ValueError, IndexError, ArithmeticError, AttributeError):
            continue
        if _moderate(result):
            lines.append(line)
            names = alive
    return lines, names


# --- comparison -----------------------------------------------------------------------------------


def _spread(values: Any) -> float:
    """The relative error allowed: that of the coarsest floating dtype among `values`."""
    if isinstance(values, tuple):
        return max(map(_spread, values))
    dtype = np.asarray(values).dtype
    return ULPS * float(np.finfo(dtype if dtype.kind in "fc" else np.float64).eps)


def _assert_same(plain: Any, compiled: Any, where: str, spread: float) -> None:
    assert type(compiled) is type(plain), f"{where}: {type(plain)} became {type(compiled)}"
    if isinstance(plain, tuple):
        assert len(plain) == len(compiled)
        for position, (one, other) in enumerate(zip(plain, compiled, strict=True)):
            _assert_same(one, other, f"{where}[{position}]", spread)
        return
    one, other = np.asarray(plain), np.asarray(compiled)
    assert (other.dtype, other.shape) == (one.dtype, one.shape), where
    if one.dtype.kind in "biu":
        np.testing.assert_array_equal(other, one, err_msg=where)
        return
    finite = abs(one[np.isfinite(one)])
    scale = max(1.0, float(finite.max(initial=0.0)))
    np.testing.assert_allclose(other, one, rtol=spread, atol=spread * scale, err_msg=where)


def _shared(result: Any, arguments: Sequence[Any]) -> list[tuple[int, int]]:
    """Which results lie in the memory of which arguments."""
    return [
        (position, k)
        for position, item in enumerate(result)
        for k, argument in enumerate(arguments)
        if isinstance(item, np.ndarray) and np.shares_memory(item, argument)
    ]


def _check_call(
    plain: Callable[..., Any], compiled: Callable[..., Any], arguments: Callable[[], Any]
) -> None:
    given, compiled_given = arguments(), arguments()
    try:
        expected = _quietly(plain, *given)
    except (TypeError, ValueError, IndexError, ArithmeticError) as error:
        base = next(
            kind
            for kind in (IndexError, ZeroDivisionError, OverflowError, TypeError, ValueError)
            if isinstance(error, kind)
        )
        with pytest.raises(base):
            compiled(*compiled_given)
        return
    result = compiled(*compiled_given)
    spread = max(_spread(expected), _spread(given))
    _assert_same(expected, result, "result", spread)
    _assert_same(given, compiled_given, "argument", spread)
    assert _shared(result, compiled_given) == _shared(expected, given), "views of arguments"


@pytest.mark.parametrize("seed", range(44))
def test_program_gives_the_same_compiled_as_plain(seed: int) -> None:
    groups = (ELEMENTWISE, DISCRETE, REDUCTIONS, SHAPES, WRITES)
    lines, names = _grow(seed, groups, (5, 2, 3, 4, 4), lambda: _arguments(seed))
    plain = _function(lines, ", ".join(names), f"{seed}")
    compiled = graphc.compile(plain)
    try:
        _check_call(plain, compiled, lambda: _arguments(seed))
        if seed % 4 == 0:
            for grown in (1, 2, 0):
                _check_call(plain, compiled, lambda grown=grown: _arguments(seed, grown))
    except BaseException as error:
        described = [f"{a.dtype}{a.shape}" for a in _arguments(seed)[:3]]
        error.add_note(f"seed {seed}, {described}:\n{_source(plain)}")
        raise


def _float_arguments(seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng((seed, 99))
    return (*(rng.standard_normal(shape) for shape in [(3, 4), (4,), (3, 1)]), 0.75)


def _central_difference(function: Callable[..., Any], position: int, seed: int) -> np.ndarray:
    step = 1e-6
    gradient = np.zeros(_float_arguments(seed)[position].shape)
    for place in np.ndindex(gradient.shape):
        values = []
        for sign in (1, -1):
            arguments = _float_arguments(seed)
            arguments[position][place] += sign * step
            values.append(_quietly(function, *arguments))
        gradient[place] = (values[0] - values[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("seed", range(14))
def test_gradient_of_a_program_is_its_slope(seed: int) -> None:
    arguments = _float_arguments(seed)
    lines, names = _grow(seed, (SMOOTH, WRITES), (4, 1), lambda: _float_arguments(seed))
    loss = " + ".join(f"np.tanh({name}).sum() * {k}.5" for k, name in enumerate(names))
    plain = _function(lines, loss, f"gradient {seed}")
    try:
        value, found = graphc.value_and_grad(plain, (0, 1, 2))(*arguments)
        assert value == pytest.approx(_quietly(plain, *_float_arguments(seed)), rel=1e-12)
        for position, gradient in enumerate(found):
            slope = _central_difference(plain, position, seed)
            np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-5)
    except BaseException as error:
        error.add_note(f"seed {seed}:\n{_source(plain)}")
        raise
