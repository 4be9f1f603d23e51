"""The table of ops that a registry test leaves out is the one in the docs."""

from pathlib import Path

from op_samples import NO_SAMPLE
from test_batching import NO_RULE
from test_forward import NO_FORWARD

from graphc.ir import INPUT, PARAMETER
from graphc.ops import OPS

TABLE = Path(__file__).parents[2] / "docs" / "ops.md"


def rows():
    lines = TABLE.read_text().splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("| `")]
    return {(op.strip(" `"), test.strip()): why.strip() for op, test, why in cells}


def test_the_docs_list_what_is_left_out():
    found = rows()
    expected = {(op, "values"): why for op, why in NO_SAMPLE.items()}
    expected |= {(op, "forward mode"): why for op, why in NO_FORWARD.items()}
    expected |= {(op, "mapping"): why for op, why in NO_RULE.items()}
    assert {key: why for key, why in found.items() if key[1] != "lowering"} == expected
    unlowered = {n for n, op in OPS.items() if op.lower is None and op not in (INPUT, PARAMETER)}
    assert {op for op, test in found if test == "lowering"} == unlowered
