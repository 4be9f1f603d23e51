"""The code on pages that set two libraries side by side."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
TABLE = re.compile(r"(<table>.*?</table>)", re.DOTALL)


def columns(name):
    """The blocks of a page, from top to bottom: pairs of the peer's, or None, and graphc's."""
    text = (DOCS / name).read_text()
    found = []
    for part in TABLE.split(text):
        blocks = BLOCK.findall(part)
        if TABLE.fullmatch(part):
            left, right = blocks
            found.append((left, right))
        else:
            found += [(None, block) for block in blocks]
    return found


def run(blocks, name):
    """Run blocks one after another in one namespace, and give it."""
    namespace = {"__name__": "page"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{name}:{number}", "exec"), namespace)
    return namespace
