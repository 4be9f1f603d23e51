"""The arrays of a module or an optimizer by dotted names: to be saved, and to be loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphc.errors import StateError
from graphc.trace.trees import Attributed, bears_arrays, children


def state_of(tree: Attributed) -> dict[str, np.ndarray]:
    """Copies of its arrays by dotted names, but for buffers that are not persistent."""
    found = {name: array for name, array, kind in named_arrays(tree) if kind != "transient"}
    return {name: array.copy() for name, array in found.items()}


PASSES_OVER = "Nothing was loaded. strict=False passes over missing and unexpected names."


def load_state(
    tree: Attributed, state: Mapping[str, Any], strict: bool = True, hint: str = PASSES_OVER
) -> None:
    """Write arrays into those of `tree`, in place; see `graphc.nn.Module.load_state_dict`.

    Raises:
        StateError: the names or shapes are others; nothing is written then.
    """
    own = {name: array for name, array, kind in named_arrays(tree) if kind != "transient"}
    given = {name: np.asarray(array) for name, array in state.items()}
    missing = [f"  missing: {name} {own[name].shape}" for name in own if name not in given]
    extra = [f"  unexpected: {name} {given[name].shape}" for name in given if name not in own]
    misshapen = [
        f"  misshapen: {name} is {given[name].shape}, wanted {array.shape}"
        for name, array in own.items()
        if name in given and given[name].shape != array.shape
    ]
    unfit = [
        f"  wrong kind: {name} is {given[name].dtype}, wanted {array.dtype}"
        for name, array in own.items()
        if name in given and not np.can_cast(given[name].dtype, array.dtype, "same_kind")
    ]
    locked = [name for name, array in own.items() if not array.flags.writeable]
    readonly = [f"  read-only: {name}" for name in locked if name in given]
    problems = [*((missing + extra) if strict else []), *misshapen, *unfit, *readonly]
    if problems:
        raise StateError(
            f"the state does not fit this {type(tree).__name__}:\n" + "\n".join(problems),
            hint=hint,
        )
    for name, array in own.items():
        if name in given:
            array[...] = given[name]


def named_arrays(tree: Any, path: str = "", buffer: str = "") -> Iterator[tuple[str, Any, str]]:
    """Each array below: its name, itself, and ``parameter``, ``buffer`` or ``transient``."""
    named, transient = getattr(tree, "_buffers", ()), getattr(tree, "_transient", ())
    for key, child in below(tree):
        name = f"{path}.{key}" if path else str(key)
        kind = "transient" if key in transient else "buffer" if key in named else buffer
        if isinstance(child, np.ndarray):
            floating = child.dtype.kind in "fc"
            yield name, child, kind or ("parameter" if floating else "buffer")
        else:
            yield from named_arrays(child, name, kind)


def below(tree: Any) -> list[tuple[Any, Any]]:
    """What `tree` holds that bears arrays, by keys."""
    if isinstance(tree, Attributed | dict | list | tuple):
        return [(key, child) for key, child in children(tree) if bears_arrays(child)]
    return []


def once(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The pairs whose array has not been there before."""
    seen: set[int] = set()
    for name, array in list(pairs):
        if id(array) not in seen:
            seen.add(id(array))
            yield name, array
