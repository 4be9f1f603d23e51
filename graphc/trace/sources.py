"""Expressions of the call code, read back: which argument one comes from, and a name for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_ARGUMENT = re.compile(r"(args|kwargs)\[(.+?)\]")
_FIRST = re.compile(r"\w+")
_ODD_ATTRIBUTE = re.compile(r"getattr\((?P<head>\w+), (?P<mark>['\"])(?P<name>.*)(?P=mark)\)")
"""An attribute whose name is no identifier, as `graphc.trace.objects.read_attribute` reads it."""


def argument_name(source: str, fetches: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The argument that the expression `source` of the call code reads; None: a captured object."""
    while True:
        text = fetches.get(source, source)
        odd = _ODD_ATTRIBUTE.fullmatch(text)
        if odd:
            source = odd["head"]
            continue
        found = _ARGUMENT.match(text)
        if found is not None:
            if found[1] == "kwargs":
                return found[2].strip("'\"")
            place = int(found[2])
            return names[place] if place < len(names) else None
        head = _FIRST.match(text)
        if head is None or head[0] not in fetches or head[0] == source:
            return None
        source = head[0]


def readable(
    source: str, fetches: Mapping[str, str], names: Sequence[str], cells: Mapping[str, str]
) -> str:
    """A name for an input from the chain of fetches that leads to it.

    `cells`: the names of a function's closure, by the expressions that fetch their values.
    """
    text, parts = source, []
    while text in fetches:
        expression = fetches[text]
        if expression in cells:
            parts.append(cells[expression])
            break
        head, dot, attribute = expression.rpartition(".")
        odd = _ODD_ATTRIBUTE.fullmatch(expression)
        if odd:
            head = odd["head"]
            parts.append(odd["name"])
        elif expression.endswith("]"):
            head, _, key = expression.rpartition("[")
            if head == "k":
                break  # a constant of the call code: its number says nothing
            parts.append(key[:-1].strip("'\""))
        elif dot:
            parts.append(attribute)
        else:
            break
        if head in ("args", "kwargs"):
            if head == "args" and int(parts[-1]) < len(names):
                parts[-1] = names[int(parts[-1])]
            break
        text = head.removesuffix(".__globals__")
    label = ".".join(part for part in reversed(parts) if not part.startswith("__"))
    return label or source
