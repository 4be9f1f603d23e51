"""Whether a result may lie in the memory of an operand: reading and writing the same elements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphc.loops import (
    Accumulate,
    Apply,
    Assign,
    Cast,
    Check,
    Combine,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Require,
    Select,
    Stmt,
    Store,
    Tile,
)
from graphc.lower.launch import Launch, Step


def _same(key: Any) -> Any:
    return key


def overwrites(step: Step, source: Any, result: Any, find: Callable[[Any], Any] = _same) -> bool:
    """Whether `step` may make `result` in the memory of `source`, which it reads.

    A loop may where it reads `source` as the first value of that state alone.
    """
    if isinstance(step, Launch):
        return in_place(step.kernel, source, result, find)
    read = [k for k, operand in enumerate(step.operands) if operand and find(operand[0]) == source]
    if len(read) != 1 or read[0] not in step.overwritable:
        return False
    operand, key = step.operands[read[0]], step.results[read[0]]
    return operand is not None and operand[1] == 0 and find(key) == result


def in_place(kernel: Kernel, source: Any, result: Any, find: Callable[[Any], Any] = _same) -> bool:
    """Whether `result` may lie in the memory of `source`, which `kernel` reads.

    True if every element of the source is read at the place where the result is written, and
    no read comes after the first write.
    """
    if any(b.role == "function" for b in kernel.buffers):
        return False
    targets = [b for b in kernel.buffers if find(b.key) == result]
    if any(b.role not in ("write", "part") for b in targets):
        return False
    sources = [b for b in kernel.buffers if find(b.key) == source]
    if any(b.dtype != t.dtype for b in sources for t in targets):
        return False
    events: list[tuple[str, Any]] = []
    _events((*kernel.body, *kernel.finish), source, result, find, events)
    loads = [place for kind, place in events if kind == "load"]
    stores = [place for kind, place in events if kind == "store"]
    if not stores:
        return False
    if any(place != stores[0] for place in loads + stores):
        return False
    first_store = next(n for n, (kind, _) in enumerate(events) if kind == "store")
    return not any(kind == "load" for kind, _ in events[first_store:])


def loads_of(kernel: Kernel, key: Any) -> bool:
    """Whether `kernel` reads the buffer `key`."""
    return any(b.key == key and b.role in ("read", "update") for b in kernel.buffers)


def _events(
    body: Iterable[Stmt],
    source: Any,
    result: Any,
    find: Callable[[Any], Any],
    events: list[tuple[str, Any]],
) -> None:
    def reads(expr: Expr) -> None:
        match expr:
            case Load():
                if find(expr.buffer.key) in (source, result):
                    events.append(("load", expr.index))
            case Apply():
                for argument in expr.arguments:
                    reads(argument)
            case Select():
                for part in (expr.condition, expr.then, expr.otherwise):
                    reads(part)
            case Cast():
                reads(expr.operand)

    for stmt in body:
        match stmt:
            case Tile():
                # It reads and writes anywhere: no place equals another. What it makes of the source
                # comes before all that is read of it; a left operand that is a result is made here.
                *read, made = (find(buffer.key) for buffer, _ in stmt.operands)
                known = {source} if read[:1] == [result] else {source, result}
                events += [("load", object()) for key in read if key in known]
                events += [("store", object())] * (made == result)
            case For():
                _events(stmt.body, source, result, find, events)
            case Require():
                reads(stmt.condition)
            case If():
                reads(stmt.condition)
                _events(stmt.then, source, result, find, events)
                _events(stmt.otherwise, source, result, find, events)
            case Let() | Assign() | Combine() | Check():
                reads(stmt.value)
            case Store() | Accumulate():
                reads(stmt.value)
                if find(stmt.buffer.key) == result:
                    events.append(("store", stmt.index))


def made_by_tiles(body: Iterable[Stmt]) -> list[Any]:
    """The keys of what products in `body` compute."""
    found: list[Any] = []
    for stmt in body:
        if isinstance(stmt, For):
            found += made_by_tiles(stmt.body)
        elif isinstance(stmt, If):
            found += made_by_tiles((*stmt.then, *stmt.otherwise))
        elif isinstance(stmt, Tile) and stmt.template == "product":
            found.append(stmt.operands[-1][0].key)
    return found
