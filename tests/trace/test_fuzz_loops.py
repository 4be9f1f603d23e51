"""Random loops: compiled and plain give the same results, writes and kinds. A seed is a program."""

import copy
import linecache
import random

import numpy as np
import pytest

import graphc
from graphc.trace.trees import leaves

ARRAYS = ("x", "y", "z")


class Writer:
    """Grows a function with loops from a seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.lines = ["def program(x, y, z, s):"]
        self.temporaries = 0
        self.indices = []

    def pick(self, *choices):
        return self.rng.choice(choices)

    def array(self):
        return self.pick(*ARRAYS)

    def position(self):
        if self.indices and self.rng.random() < 0.7:
            index = self.pick(*self.indices)
            return self.pick(index, f"{index} % 3", f"{index} - 1", f"5 - {index} % 6")
        return str(self.rng.randrange(6))

    def number(self):
        return self.pick("s", "s * 0.5", "0.25", "float(k)", "k", *self.indices, "count[0]")

    def statement(self, depth):
        a, b, c = (self.array() for _ in range(3))
        return self.pick(
            f"{a} = np.tanh({b} + {c} * {self.number()})",
            f"{a} = np.sin({b}) - 0.5 * {c}",
            f"{a} += np.cos({b}) * {self.number()}; {a} *= 0.3",
            f"{a}[1:] = 0.5 * ({b}[:-1] + {c}[1:])",
            f"{a}[{self.position()}] = np.tanh({self.number()} + {b}[{self.position()}])",
            f"{a}[{self.position()}] += {b}.mean() * 0.1",
            f"{a}, {b} = {b}, {a}" if a != b else f"{a} = {a} * 0.9",
            f"v = {a}[::2]; v *= 0.7",
            f"w = {a}; w += 0.01",
            f"s = np.tanh(s + {a}.sum())",
            f"s = np.tanh(s * 0.5 + {self.number()})",
            "k += 1",
            f"m['a'] = 0.9 * m['a'] + {a}",
            f"m['b'][0] = {a}[{self.position()}] + 0.5",
            f"found.append({a} * 0.5)",
            "found.append(s)",
            f"step({a})",
            "count[0] += 2",
            f"{a} = {b}.copy()",
            f"t = {a} @ np.outer({b}, {c}) * 0.01; {a} = np.tanh(t)",
            f"{a} = np.tanh({b} + {c}) if len(rows) > 9 else np.sin({b}) * 0.5",
            f"{a} = np.where({b} > 0, {c}, {a} * 0.5)",
            f"{a} = np.minimum({b}, {c})",
        )

    def loop(self, depth):
        indent = "    " * depth
        self.temporaries += 1
        index = f"i{self.temporaries}"
        turns = self.pick(6, 40, 41, 60) if depth == 1 else self.pick(3, 25)
        over = self.pick(
            f"{index} in range({turns})",
            f"{index} in range({turns})",
            f"{index} in range(2, {turns})",
            f"{index}, row in enumerate(rows)",
        )
        self.lines.append(f"{indent}for {over}:")
        reads_row = "row" in over
        if "enumerate" not in over and turns > 6:
            self.lines.append(f"{indent}    {index} = {index} % 6")
        self.indices.append(index)
        for _ in range(self.rng.randrange(2, 6)):
            if depth < 2 and self.rng.random() < 0.12:
                self.loop(depth + 1)
            else:
                self.lines += [f"{indent}    {part}" for part in self.statement(depth).split("; ")]
        if reads_row:
            self.lines.append(f"{indent}    {self.array()} += 0.1 * row")
        self.indices.remove(index)

    def source(self):
        self.lines += [
            "    k, count, found = 0, [1], []",
            "    m = {'a': x * 0.5, 'b': [0.0]}",
            "    rows = np.stack([x, y, z, x + y, y - z, z * 0.5])",
            "    h = z * 0.1",
            "    def step(v):",
            "        nonlocal h",
            "        h = np.tanh(h + v)",
        ]
        for _ in range(self.rng.randrange(1, 3)):
            self.lines += [f"    {part}" for part in self.statement(1).split("; ")]
            self.loop(1)
        self.lines.append(
            "    return x, y, z, s, k, m, h, count, found[:3], found[-2:], len(found)"
        )
        return "\n".join(self.lines)


def program(seed):
    text = Writer(seed).source()
    file = f"<loops {seed}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    namespace = {"np": np}
    exec(compile(text, file, "exec"), namespace)
    return namespace["program"], text


def arguments(seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=6) for _ in range(3)] + [float(rng.normal())]


def run(function, args):
    try:
        return function(*args), None
    except IndexError:
        return None, IndexError


@pytest.mark.parametrize("seed", range(40))
def test_random_loops(seed):
    check(seed)


def check(seed):
    function, text = program(seed)
    plain, ours = arguments(seed), arguments(seed)
    expected, problem = run(function, plain)
    actual, ours_problem = run(graphc.compile(function), ours)
    assert problem == ours_problem, text
    if problem is not None:
        return
    pairs = zip(leaves(copy.copy(expected)), leaves(actual), strict=True)
    for wanted, found in pairs:
        assert type(wanted) is type(found), text
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9, err_msg=text)
    for wanted, found in zip(plain, ours, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9, err_msg=text)
