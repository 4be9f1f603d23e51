"""`graphc.export`: a program is traced once, and written in the form that the suffix says."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphc.errors import ExportError
from graphc.exporting import archive
from graphc.exporting.c.library import SHARED, write_library
from graphc.exporting.onnx.model import write_onnx
from graphc.exporting.program import ExportedProgram
from graphc.exporting.tracing import export_program
from graphc.trace.trees import Attributed


def export(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    axes: Mapping[int, tuple[int | str, ...]],
    path: Any,
    *,
    name: str = "",
    **options: Any,
) -> None:
    """Write `function`; see `graphc.export`."""
    place = Path(path)
    suffix = "" if place.is_dir() else place.suffix
    if suffix not in (".graphc", ".onnx", SHARED, ""):
        raise ExportError(
            f"{place.name}: the suffix {suffix!r} is no form of export",
            hint="Give .graphc, .onnx, .so, or a folder for a C library.",
        )
    called = name or _name(function, place)
    _check_options(suffix, options)
    signature = None
    if isinstance(function, Attributed) and hasattr(function, "forward"):
        signature = getattr(function, "__signature__", None)
        function = function.forward
    program = export_program(function, args, kwargs, axes, name=called, signature=signature)
    _warn_of_training(getattr(function, "__self__", None), program)
    if suffix == ".graphc":
        archive.write(program, place, **options)
    elif suffix == ".onnx":
        write_model(program, place, **options)
    else:
        write_library(program, place, **options)


def _warn_of_training(module: Any, program: ExportedProgram) -> None:
    """Warn where a module in training mode changes state: its dropout and batch norms."""
    names = program.graph.names
    written = [names[k] for k in program.graph.written if k is not None and k in program.state]
    if isinstance(module, Attributed) and getattr(module, "training", False) and written:
        warnings.warn(
            f"{program.name} is exported in training mode: a call writes {', '.join(written[:3])}. "
            "For inference call eval() on the module first.",
            RuntimeWarning,
            stacklevel=2,
        )


def _check_options(suffix: str, options: Mapping[str, Any]) -> None:
    known = {".graphc": (), ".onnx": ("opset",)}.get(suffix, ("cpu", "link", "embed"))
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(
            f"export to {suffix or 'a folder'} takes no option {unknown[0]!r}; "
            f"it takes {', '.join(('name', 'kwargs', 'sizes', *known))}"
        )


def write_model(program: ExportedProgram, place: Path, opset: int = 21) -> None:
    """Write an ONNX model: arguments are inputs, the state is initialisers."""
    write_onnx(
        place,
        graph=program.graph,
        name=program.name,
        input_names=program.graph.names,
        output_names=program.output_names(),
        constants=program.state,
        buffers=program.buffers,
        opset=opset,
    )


def _name(function: Any, place: Path) -> str:
    """What the function is called: of a lambda or a module, the file's name."""
    found = getattr(function, "__name__", "")
    return found if found.isidentifier() else place.stem.split(".")[0] or "function"
