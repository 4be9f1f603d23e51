"""Which of ONNX's own test cases pass: ``python -m graphc.loading.onnx.coverage > docs/onnx.md``.

Each node test case of the installed ``onnx`` is loaded and run compiled; its own tolerances decide.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphc.loading.onnx.cases import (
    FAILED,
    OTHER_TYPES,
    PASSED,
    UNSUPPORTED,
    Outcome,
    all_cases,
    operator_of,
    run_case,
    single_nodes,
)
from graphc.specialize import eager

_REASONS = {
    "dtype": "an element type that graphc does not have (float16, bfloat16, float8, int4, ...)",
    "strings": "texts",
    "sequences": "sequences of tensors",
    "optionals": "optional values",
    "shape depends on data": "the shape of the result depends on data",
    "random numbers": "numbers of another random generator: only their distribution is defined",
    "operator or option": "the operator, or an option of it, is not supported",
    "differs": "the result differs by more than the case allows",
}


def outcomes(jobs: int = 1, mode: str = "compiled") -> list[Outcome]:
    """What becomes of every case; in `jobs` processes; `mode` ``"eager"`` runs them uncompiled."""
    count = len(all_cases())
    parts = [(range(k, count, jobs), mode) for k in range(jobs)]
    if jobs == 1:
        found = [_outcomes(*parts[0])]
    else:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            found = pool.starmap(_outcomes, parts)
    return sorted((one for part in found for one in part), key=lambda one: one.name)


def _outcomes(numbers: Iterable[int], mode: str) -> list[Outcome]:
    cases = all_cases()
    names = single_nodes(cases)
    chosen = [cases[number] for number in numbers]
    way: Any = eager() if mode == "eager" else contextlib.nullcontext()
    with way, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [run_case(case, operator_of(case, names)) for case in chosen]


def in_scope(one: Outcome) -> bool:
    """Whether a case is of the domain ai.onnx, with tensors of numbers as inputs and outputs."""
    return one.kind not in OTHER_TYPES and not one.kind.startswith("domain")


def has_static_shapes(one: Outcome) -> bool:
    """Whether a case is in scope, and the shapes of its results do not depend on data."""
    return in_scope(one) and one.kind != "shape depends on data"


def share(found: Sequence[Outcome]) -> str:
    """How many of some cases pass: ``90 of 100 (90.0 %)``."""
    passed = sum(one.result == PASSED for one in found)
    return f"{passed} of {len(found)} ({100 * passed / max(1, len(found)):.1f} %)"


def page(found: Sequence[Outcome], version: str, mode: str = "compiled") -> str:
    """The page of the documentation, as Markdown."""
    static = [one for one in found if has_static_shapes(one)]
    numbers = [one for one in static if one.kind != "dtype"]
    lines = [
        "# ONNX models",
        "",
        *_INTRODUCTION,
        "",
        "## ONNX's own test cases",
        "",
        f"The package `onnx` {version} ships {len(found)} node test cases. Each was loaded and run "
        f"{mode}, and compared with the case's own tolerances; dtypes and shapes had to be equal. "
        "Made by `python -m graphc.loading.onnx.coverage`.",
        "",
        "| cases | passed |",
        "|---|---|",
        f"| all | {share(found)} |",
        f"| of the domain ai.onnx, with tensors | {share([o for o in found if in_scope(o)])} |",
        f"| of these with static shapes | {share(static)} |",
        f"| of these with element types that graphc has | {share(numbers)} |",
        "",
        f"In {sum(one.while_compiling for one in found)} of those that pass, all inputs are "
        "numbers that shapes are made of (the bounds of a `Range`, the size of a window): the "
        "result is computed while compiling.",
        "",
        *_by_operator(found),
        "",
        "## Cases that do not pass",
        "",
        *_by_reason(found),
    ]
    return "\n".join(lines) + "\n"


_INTRODUCTION = (
    '`graphc.load("model.onnx")` gives a module: it runs compiled, has derivatives, is mapped and',
    "exported like any other, and `graphc.fit` trains it. Its parameters are the file's float",
    "initialisers, by their ONNX names; the running statistics of batch norms are buffers. From",
    "its second size on an axis, such as a batch, is symbolic, and others compile nothing new.",
    "Inputs that shapes are made of (the target of a `Reshape` that is an input of the model) are",
    "read when it compiles; each new value compiles once. `model.listing` is the model as text, a",
    "line for each node; `explain` and errors name these lines.",
    "",
    "Not supported: results whose shape depends on data (`NonZero`, `Unique`, `NonMaxSuppression`,",
    "a `Loop` that collects as many rows as a computed condition lets it); float16, bfloat16,",
    "float8 and integers below 8 bits; texts, sequences, optionals; the domains besides ai.onnx.",
    "Such a model is refused with `ExportError`, which names the node. A model's own functions,",
    "and operators that ONNX defines by others, are expanded.",
)


def _by_operator(found: Sequence[Outcome]) -> list[str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        if in_scope(one):
            counts[one.operator][one.result] += 1
    lines = ["| operator | passed | failed | not supported |", "|---|---|---|---|"]
    for name in sorted(counts):
        row = (counts[name][result] or "" for result in (PASSED, FAILED, UNSUPPORTED))
        lines.append(f"| {name} | {' | '.join(map(str, row))} |")
    return lines


def _by_reason(found: Sequence[Outcome]) -> list[str]:
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in found:
        if one.result != PASSED:
            groups[one.kind].append(one)
    lines = []
    for kind in sorted(groups, key=lambda kind: (-len(groups[kind]), kind)):
        group = groups[kind]
        lines += [f"**{_REASONS.get(kind, kind)}**: {len(group)}", ""]
        messages: dict[str, list[str]] = defaultdict(list)
        for one in group:
            told = kind in ("operator or option", "differs") or kind not in _REASONS
            messages[one.reason if told else ""].append(f"`{one.name}`")
        for reason, names in messages.items():
            # What stands in angle brackets or pipes would be read as marks of the page.
            text = reason.replace("|", "/").replace("<", "(").replace(">", ")")
            lines.append(f"- {', '.join(names)}" + (f": {text}" if text else ""))
        lines.append("")
    return lines[:-1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the page; how long it took goes to where errors go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mode", choices=("compiled", "eager"), default="compiled")
    options = parser.parse_args(arguments)
    from onnx import __version__  # noqa: PLC0415  # optional

    print(page(outcomes(options.jobs, options.mode), __version__, options.mode), end="")


if __name__ == "__main__":
    main()
