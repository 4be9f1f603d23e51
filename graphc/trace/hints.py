"""What to write instead of Python code that asks for a traced value, from the user's source line.

Only what the syntax tree around the place of the error tells: where the source can't be read, a
hint is general.
"""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache

from graphc.errors import Location

EAGER = "Under graphc.eager() plain Python works."
BRANCH = f"Choose between values with np.where(condition, a, b), or run one of two functions with \
graphc.cond. {EAGER}"
ARRAY = "NumPy has no truth of an array: reduce it with .any() or .all() first. "
KEEP = "Keep it an array, or compute this part outside the compiled function."
_LOOP = (
    "A Python loop needs to know its number of turns while tracing: write graphc.fori_loop(0, n, "
    "body, init), or graphc.while_loop(cond, body, init)."
)
_TABLE = "To look up in a table make it an array: np.array(table)[i]."
_SIZE = (
    "A shape must not depend on data: make the array as large as it may become, and mask the rest "
    "with np.where."
)
_MAKERS = {"zeros", "ones", "empty", "full", "reshape", "broadcast_to", "tile", "eye", "identity"}
_CALLS = {
    "max": "Write np.maximum(a, b), or x.max() for the elements of an array.",
    "min": "Write np.minimum(a, b), or x.min() for the elements of an array.",
    "sorted": "Write np.sort(x), or x[np.argsort(key)].",
    "any": "Write np.any(x), of an array or a list.",
    "all": "Write np.all(x), of an array or a list.",
    "filter": "Choose between values with np.where(condition, a, b).",
}


def branch_hint(location: Location | None, is_array: bool) -> str:
    """What to write instead of a branch on a traced value."""
    array = ARRAY if is_array else ""
    path = _path(location)
    for node in path:
        found = _without_branch(node)
        if found:
            return f"{found} {EAGER}"
        if isinstance(node, ast.stmt):
            break
    if any(_is_none_test(node) for node in path):
        return f"Write `x is None`: `==` compares element by element. {EAGER}"
    return array + (_statement_hint(path) or BRANCH)


def value_hint(location: Location | None) -> str:
    """What to write instead of what asks for a traced number: ``int()``, an index, ``range``."""
    for node in _path(location):
        name = _called(node)
        if name == "range":
            return _LOOP
        if name in _MAKERS:
            return _SIZE
        if isinstance(node, ast.Subscript):
            return _TABLE
        if isinstance(node, ast.stmt):
            break
    return KEEP


def _without_branch(node: ast.AST) -> str:
    """How to write an expression that asks for the truth of its parts."""
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        parts = [node.left, *node.comparators]
        pairs = zip(parts, node.ops, parts[1:], strict=False)
        compared = " & ".join(f"({ast.unparse(ast.Compare(a, [op], [b]))})" for a, op, b in pairs)
        return f"Python turns a chain into a branch: write {compared}."
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return "`in` compares one by one: write np.any(x == values), or np.isin(x, values)."
    if isinstance(node, ast.BoolOp):
        word, sign = ("and", "&") if isinstance(node.op, ast.And) else ("or", "|")
        return f"`{word}` branches: write {sign}, as in (a > 0) {sign} (b > 0), with parentheses."
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return "`not` branches: write ~condition, or np.logical_not(x)."
    return _CALLS.get(_called(node), "")


def _statement_hint(path: list[ast.AST]) -> str:
    for node in path:
        if isinstance(node, ast.While):
            return f"Write the loop with graphc.while_loop(cond, body, init). {EAGER}"
        if isinstance(node, ast.Assert):
            return (
                "An assert on data can't be compiled: check outside, or count what fails with "
                f"np.sum and return it. {EAGER}"
            )
        if isinstance(node, ast.stmt):
            break
    return ""


def _is_none_test(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return False
    sides = [node.left, *node.comparators]
    return any(isinstance(side, ast.Constant) and side.value is None for side in sides)


def _called(node: ast.AST) -> str:
    """The last part of the name of what a call calls; "" for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _path(location: Location | None) -> list[ast.AST]:
    """The nodes around a place in the source, the innermost first, down to the module."""
    if location is None or location.column < 0:
        return []
    tree = _tree(location.file, "".join(linecache.getlines(location.file)))
    path: list[ast.AST] = []
    node: ast.AST | None = tree
    while node is not None:
        path.append(node)
        node = next((child for child in _below(node) if _holds(child, location)), None)
    return path[::-1]


@lru_cache(maxsize=16)
def _tree(file: str, source: str) -> ast.AST | None:
    try:
        return ast.parse(source, file) if source else None
    except SyntaxError:
        return None


def _below(node: ast.AST) -> list[ast.AST]:
    """The children that have a place: those of children without one, and decorators, too."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        found += getattr(child, "decorator_list", [])  # they stand before what they mark
        found += [child] if hasattr(child, "lineno") else _below(child)
    return found


def _holds(node: ast.AST, location: Location) -> bool:
    """Whether a node holds the whole of the place, as far as its end is known."""
    line, column, end_line, end_column = (
        getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")
    )
    start = (location.line, location.column)
    end = (location.line, max(location.end_column, location.column + 1))
    return bool((line, column) <= start and end <= (end_line, end_column))
