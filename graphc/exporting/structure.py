"""Pytrees as JSON: what a function takes and gives, beside the arrays themselves.

    tree := {"leaf": number, "kind": kind}            # an array, a NumPy scalar or a Python number
          | {"static": attr}                          # None, a bool, an int, a str: as it is
          | {"size": size}                            # an int that follows from the arrays' sizes
          | {"list": [tree*]} | {"tuple": [tree*]} | {"dict": [[attr, tree]*]}
          | {"record": name, "fields": [[name, tree]*]}  # a namedtuple, a dataclass, a module
    kind := "array" | "scalar" | "number"

Attributes and sizes are as in `graphc.exporting.container`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ExportError, ShapeError
from graphc.exporting.container import DEEPEST, read_attr, read_size, write_attr, write_size
from graphc.trace.instances import original_class
from graphc.trace.sizes import TracedSize
from graphc.trace.trees import Attributed, children, is_container
from graphc.types import Size

Tree = dict[str, Any]


class Record:
    """What stands for an object of a class that a file does not hold: its fields are attributes."""

    def __init__(self, kind: str, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)
        self._kind = kind

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in fields_of(self).items())
        return f"{self._kind}({shown})"


def fields_of(record: Record) -> dict[str, Any]:
    """The fields of a record by name."""
    return {name: value for name, value in vars(record).items() if name != "_kind"}


def describe(value: Any, leaf: Callable[[Any, str], Tree | None], where: str) -> Tree:
    """The tree of a value.

    Args:
        leaf: the tree of an array or a number, by the value and its path; None: it is static.
        where: the value's path, for messages.

    Raises:
        ExportError: an object that files do not have.
    """
    if type(value) is TracedSize:
        return {"size": write_size(value.dim)}
    if issubclass(type(value), Record):
        fields = [
            [name, describe(child, leaf, f"{where}.{name}" if where else name)]
            for name, child in fields_of(value).items()
        ]
        return {"record": value._kind, "fields": fields}
    if not is_container(value):
        found = leaf(value, where)
        if found is not None:
            return found
        if value is None or type(value) in (bool, int, str, float):
            return {"static": write_attr(value)}
        raise ExportError(
            f"{where} is a {type(value).__name__}: files hold arrays, numbers, bools, strings, "
            "None, and dicts, lists, tuples and dataclasses of them"
        )
    kind = original_class(type(value))
    items = [
        (key, describe(child, leaf, f"{where}.{key}" if where else str(key)))
        for key, child in children(value)
    ]
    if isinstance(value, dict):
        return {"dict": [[write_attr(_key(key, where)), tree] for key, tree in items]}
    if hasattr(kind, "_fields"):
        fields = [[name, tree] for name, (_, tree) in zip(kind._fields, items, strict=True)]
        return {"record": kind.__name__, "fields": fields}
    if isinstance(value, list | deque):
        return {"list": [tree for _, tree in items]}
    if isinstance(value, tuple):
        return {"tuple": [tree for _, tree in items]}
    if isinstance(value, Attributed):
        items += [
            (name, {"static": None})
            for name in getattr(value, "_buffers", ())
            if name not in dict(items)
        ]
    return {"record": kind.__name__, "fields": [[str(name), tree] for name, tree in items]}


def _key(key: Any, where: str) -> Any:
    if type(key) not in (str, int, bool):
        raise ExportError(f"{where} has the key {key!r}: files have strings and ints as keys")
    return key


def build(
    tree: Tree,
    leaf: Callable[[int, str], Any],
    size: Callable[[Size], Any],
    record: Callable[[str, dict[str, Any]], Any],
) -> Any:
    """The value of a tree.

    Args:
        leaf: the value of a leaf, by its number and kind.
        size: the value of a size.
        record: an object, by the name of its class and its fields: a file holds no classes.
    """
    match tree:
        case {"leaf": number, "kind": kind}:
            return leaf(number, kind)
        case {"static": attr}:
            return read_attr(attr, "static")
        case {"size": data}:
            return size(read_size(data, "size"))
        case {"list": items}:
            return [build(item, leaf, size, record) for item in items]
        case {"tuple": items}:
            return tuple(build(item, leaf, size, record) for item in items)
        case {"dict": pairs}:
            return {read_attr(key, "key"): build(item, leaf, size, record) for key, item in pairs}
    fields = {name: build(item, leaf, size, record) for name, item in tree["fields"]}
    return record(tree["record"], fields)


def leaves_in(tree: Tree, value: Any) -> Iterator[tuple[int, Any]]:
    """The leaves of a value that `build` has made: number and leaf."""
    if "leaf" in tree:
        yield tree["leaf"], value
    kind, items = form(tree)
    for key, item in items:
        yield from leaves_in(item, getattr(value, key) if kind == "record" else value[key])


def flatten(tree: Tree, value: Any, where: str) -> Iterator[tuple[int, str, Any]]:
    """The leaves of a value that has the form of a tree: number, path and leaf.

    Raises:
        ShapeError: it has another form.
        ValueError: a static value is another.
    """
    match tree:
        case {"leaf": number}:
            if is_container(value) or value is None:
                raise ShapeError(f"{where} is a {_called(value)}, wanted an array or a number")
            yield number, where, value
        case {"static": attr}:
            wanted = read_attr(attr, where)
            if type(value) is not type(wanted) or value != wanted:
                raise ValueError(f"{where} is {value!r}; the file was made for {wanted!r}")
        case {"size": _}:
            raise ShapeError(f"{where} is an int that follows from sizes: it can't be given")
        case _:
            yield from _flatten_container(tree, value, where)


def _flatten_container(tree: Tree, value: Any, where: str) -> Iterator[tuple[int, str, Any]]:
    kind, wanted = form(tree)
    if kind == "dict":
        if not isinstance(value, dict):
            raise ShapeError(f"{where} is a {_called(value)}, wanted a dict")
        given: Mapping[Any, Any] = value
    elif kind == "record":
        given = value if isinstance(value, dict) else _attributes(value)
    else:
        if not isinstance(value, list | tuple | deque):
            raise ShapeError(f"{where} is a {_called(value)}, wanted a {kind}")
        given = dict(enumerate(value))
    missing = [key for key, _ in wanted if key not in given]
    known = {key for key, _ in wanted}
    extra = [key for key in given if key not in known] if kind != "record" else []
    if missing or extra:
        raise ShapeError(f"{where}: missing {missing}, unexpected {extra}")
    for key, item in wanted:
        yield from flatten(item, given[key], f"{where}.{key}" if where else str(key))


def form(tree: Tree) -> tuple[str, list[tuple[Any, Tree]]]:
    """The kind of a container, and its items by key."""
    for kind in ("list", "tuple"):
        if kind in tree:
            return kind, list(enumerate(tree[kind]))
    if "dict" in tree:
        return "dict", [(read_attr(key, "key"), item) for key, item in tree["dict"]]
    if "record" in tree:
        return "record", [(name, item) for name, item in tree["fields"]]
    return "", []


def _attributes(value: Any) -> Mapping[str, Any]:
    if hasattr(type(value), "_fields"):
        return {name: getattr(value, name) for name in type(value)._fields}
    return dict(vars(value)) if hasattr(value, "__dict__") else {}


def _called(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def paths_of(tree: Tree, where: str = "") -> Iterator[tuple[int, str]]:
    """The leaves of a tree: number and path."""
    if "leaf" in tree:
        yield tree["leaf"], where
    for key, item in form(tree)[1]:
        yield from paths_of(item, f"{where}.{key}" if where else str(key))


def check(tree: Any, leaves: int, kinds: Sequence[str], where: str, depth: int = 0) -> None:
    """Refuse what is no tree of leaves below `leaves`.

    Raises:
        ExportError: says where.
    """
    if depth > DEEPEST:
        raise ExportError(f"{where}: nested deeper than {DEEPEST}")
    if not isinstance(tree, dict):
        raise ExportError(f"{where}: expected an object")
    match tree:
        case {"leaf": int() as number, "kind": str() as kind, **rest} if not rest:
            if isinstance(number, bool) or not 0 <= number < leaves or kind not in kinds:
                raise ExportError(f"{where}: there is no leaf {number!r} of kind {kind!r}")
        case {"static": attr, **rest} if not rest:
            read_attr(attr, where)
        case {"size": size, **rest} if not rest:
            read_size(size, where)
        case {"list": list() as items, **rest} | {"tuple": list() as items, **rest} if not rest:
            for number, item in enumerate(items):
                check(item, leaves, kinds, f"{where}.{number}", depth + 1)
        case {"dict": list() as pairs, **rest} if not rest:
            for pair in pairs:
                key, item = _pair(pair, where)
                if type(read_attr(key, where)) not in (str, int, bool):
                    raise ExportError(f"{where}: {key!r} is no key")
                check(item, leaves, kinds, f"{where}.{key}", depth + 1)
        case {"record": str(), "fields": list() as pairs, **rest} if not rest:
            for pair in pairs:
                key, item = _pair(pair, where)
                if not isinstance(key, str):
                    raise ExportError(f"{where}: {key!r} is no field")
                check(item, leaves, kinds, f"{where}.{key}", depth + 1)
        case _:
            raise ExportError(f"{where}: no tree: it has {sorted(map(str, tree))}")


def _pair(pair: Any, where: str) -> tuple[Any, Any]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise ExportError(f"{where}: expected a pair")
    return pair[0], pair[1]


def as_array(leaf: Any, dtype: np.dtype, where: str) -> Any:
    """A leaf as the array that the graph takes; traced ones are left to the trace.

    Raises:
        DTypeError: a dtype that is not the graph's, but for Python numbers that fit it.
    """
    if isinstance(leaf, bool | int | float | complex) and not isinstance(leaf, np.generic):
        if not np.can_cast(np.result_type(type(leaf)), dtype, "same_kind"):
            raise DTypeError(f"{where} is a {type(leaf).__name__}, wanted {dtype}")
        return np.asarray(leaf, dtype)
    if not hasattr(leaf, "dtype"):
        raise TypeError(f"{where} is a {type(leaf).__name__}, wanted an array of {dtype}")
    if leaf.dtype != dtype:
        raise DTypeError(f"{where} has dtype {leaf.dtype}, wanted {dtype}")
    return leaf
