"""The node test cases that the package ``onnx`` ships, and ``docs/onnx.md``, which counts them.

Every case runs uncompiled, every twelfth compiled; the page is made of a compiled run of all
(``python -m graphc.loading.onnx.coverage``).
"""

import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from graphc.loading.onnx.cases import PASSED, all_cases, operator_of, run_case, single_nodes
from graphc.loading.onnx.coverage import _outcomes, has_static_shapes, in_scope, page

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"
EACH = 12
PARTS = 6


@cache
def cases():
    return all_cases()


def listed():
    """The names of the cases that do not pass, by the page."""
    text = PAGE.read_text().split("## Cases that do not pass")[1]
    return set(re.findall(r"`(test_\w+)`", text))


@cache
def uncompiled():
    return _outcomes(range(len(cases())), "eager")


def test_what_does_not_pass_uncompiled_is_on_the_page():
    failing = {one.name for one in uncompiled() if one.result != PASSED}
    assert failing <= listed()
    # NumPy's own shapes may depend on data; its Fourier transform rounds otherwise.
    only_compiled = listed() - failing
    assert len(only_compiled) <= 4, only_compiled


def test_over_85_percent_of_static_shapes_pass():
    static = [one for one in uncompiled() if has_static_shapes(one)]
    assert len(static) > 1700
    assert sum(one.result == PASSED for one in static) / len(static) > 0.85
    known = [one for one in static if one.kind != "dtype"]
    assert sum(one.result == PASSED for one in known) / len(known) > 0.97


@pytest.mark.parametrize("part", range(PARTS))
def test_a_sample_compiled(part):
    """The page says of each whether it passes."""
    missing = listed()
    chosen = cases()[part * EACH :: EACH * PARTS]
    names = single_nodes(cases())
    wrong = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in chosen:
            outcome = run_case(case, operator_of(case, names))
            if (outcome.result == PASSED) == (outcome.name in missing):
                wrong.append(f"{outcome.name}: {outcome.result} {outcome.reason}")
    assert len(chosen) > 20
    assert not wrong


def test_the_page_has_a_row_for_each_operator():
    found = uncompiled()
    text = page(found, "0")
    rows = re.findall(r"^\| (\w+) \| *(\d*) \| *(\d*) \| *(\d*) \|$", text, re.MULTILINE)
    assert sum(int(n or 0) for row in rows for n in row[1:]) == sum(map(in_scope, found))
    assert {row[0] for row in rows} == {one.operator for one in found if in_scope(one)}
