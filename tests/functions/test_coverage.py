"""``docs/numpy.md`` says what is true."""

from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc.functions import coverage

PAGE = Path(__file__).parents[2] / "docs" / "numpy.md"


def test_the_page_is_the_registrys():
    assert PAGE.read_text() == coverage.page(), (
        "python -m graphc.functions.coverage > docs/numpy.md"
    )


def test_every_reason_is_of_a_function_that_is_not_covered():
    known = {name.removeprefix("np.") for name, covered, _ in coverage.rows() if not covered}
    names = {name.rsplit(".", 1)[-1] if name.count(".") > 1 else name for name in known}
    gone = {name for name in coverage.REASONS if name not in names | known}
    assert not gone


@pytest.mark.parametrize("name", [n for n, c, _ in coverage.rows() if not c and n.count(".") == 1])
def test_what_is_not_covered_is_refused(name):
    owner, attribute = name.split(".")
    if owner != "np" or coverage.REASONS.get(attribute) in (coverage.STATIC, coverage.TEXT):
        return
    function = getattr(np, attribute)

    @graphc.compile
    def call(x):
        return function(x)

    with pytest.raises((graphc.UnsupportedError, graphc.TraceError, TypeError)):
        call(np.ones(3))
