"""What a C program sees of an exported program: names, types and roles of what it passes.

Sizes come first, then the graph's inputs (the arguments' leaves, then the state), then the results;
the last is the workspace. Every array is passed by its address, numbers too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphc.errors import ExportError
from graphc.exporting.container import write_type
from graphc.exporting.program import ExportedProgram
from graphc.types import TensorType, symbols

C_TYPES = {
    "bool": "uint8_t",
    "float32": "float",
    "float64": "double",
    "complex64": "float",
    "complex128": "double",
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""Of complex numbers the parts are passed, real and imaginary in turn."""

KEYWORDS = frozenset(
    """
    alignas alignof and asm auto bool break case catch char class const constexpr continue default
    delete do double else enum explicit export extern false float for friend goto if inline int long
    mutable namespace new not operator or private protected public register restrict return short
    signed sizeof static struct switch template this throw true try typedef typename union unsigned
    using virtual void volatile while xor workspace parallel context int8_t int16_t int32_t int64_t
    uint8_t uint16_t uint32_t uint64_t main errno NULL linux unix EOF
    """.split()  # noqa: SIM905
)
"""Words of C and C++, and names that the header has."""


LOCALS = frozenset(
    """
    count words state file path status wanted zeros found bytes printf fprintf fopen fread fclose
    calloc free exit stderr stdout
    """.split()  # noqa: SIM905
)
"""Names of the example's own; see `graphc.exporting.c.main_c`."""

PUBLIC = ("run", "run_parallel", "workspace_size", "message", "version", "signature")
"""The functions of a library, after its name."""

_NAME = r"[A-Za-z][A-Za-z0-9_]*"

SYSTEM = frozenset(["c", "m", "dl", "rt", "pthread", "util"])
"""Libraries of the system: another ``libm.a`` would be taken for it."""


@dataclass(frozen=True, slots=True)
class Array:
    """An array that is passed: `role` is ``input``, ``state`` or ``output``."""

    name: str
    path: str
    type: TensorType
    role: str
    written: bool


@dataclass(frozen=True, slots=True)
class Interface:
    """What is passed, in order."""

    name: str
    sizes: tuple[str, ...]
    arrays: tuple[Array, ...]

    @property
    def state(self) -> list[Array]:
        return [array for array in self.arrays if array.role == "state"]

    def signature(self) -> str:
        """What is passed, as JSON, for programs that read it from the library."""
        arrays = [
            {
                "name": array.name,
                "path": array.path,
                "role": array.role,
                "written": array.written,
                "type": write_type(array.type),
            }
            for array in self.arrays
        ]
        return json.dumps({"name": self.name, "sizes": list(self.sizes), "arrays": arrays})


def interface(program: ExportedProgram, name: str, order: Sequence[int]) -> Interface:
    """The interface of a program called `name`; `order`: the inputs as they are passed.

    Raises:
        ExportError: `name` is no name in C.
    """
    if not re.fullmatch(_NAME, name) or name in KEYWORDS | SYSTEM:
        raise ExportError(f"{name!r} is no name for functions in C", hint="Give another name=.")
    graph = program.graph
    sizes = sorted(_sizes(program))
    for size in sizes:
        if not re.fullmatch(_NAME, size) or size in KEYWORDS | LOCALS:
            raise ExportError(f"the axis {size!r} has no name for C", hint="Give it another name.")
    written = {target for target in graph.written if target is not None}
    taken = {*KEYWORDS, *LOCALS, *sizes} | {f"{name}_{one}" for one in PUBLIC}
    arrays = [
        Array(
            _identifier(graph.names[k], taken),
            graph.names[k],
            graph.inputs[k].tensor,
            "state" if k in program.state else "input",
            k in written,
        )
        for k in order
    ]
    for path, k in zip(program.output_names(), program.outputs, strict=True):
        value = graph.outputs[k].tensor
        arrays.append(Array(_identifier(path, taken), path, value, "output", True))
    return Interface(name, tuple(sizes), tuple(arrays))


def _sizes(program: ExportedProgram) -> set[str]:
    """The named sizes that anything in a program depends on."""
    graph = program.graph
    found = {name for guard in program.guards for name in symbols(guard.left)}
    found |= {name for guard in program.guards for name in symbols(guard.right)}
    for value in (*graph.inputs, *(graph.outputs[k] for k in program.outputs)):
        found |= {name for size in value.shape for name in symbols(size)}
    for node in graph.nodes:
        for type_ in node.types:
            if isinstance(type_, TensorType):
                found |= {name for size in type_.shape for name in symbols(size)}
    return found


def _identifier(path: str, taken: set[str]) -> str:
    name = re.sub(r"[^A-Za-z0-9_]+", "_", path).strip("_") or "value"
    base = name = f"v{name}" if name[0].isdigit() else name
    number = 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name


def extents(shape: Iterable[object]) -> str:
    """A shape as it is shown in comments: ``[batch][784]``, ``a number``."""
    return "".join(f"[{size}]" for size in shape) or " a number"
