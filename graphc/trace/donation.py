"""Which results take the storage of donated arguments: the option ``donate`` of `compile`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from graphc.ir import Value
from graphc.trace.capture import Capture
from graphc.trace.inputs import Input
from graphc.trace.sources import argument_name
from graphc.types import TensorType


def donations(
    capture: Capture,
    names: Sequence[str],
    arrays: Mapping[int, Value],
    written: Collection[int | None],
    handed: Sequence[str],
) -> dict[int, int]:
    """By the position of an output: that of the donated input in whose storage it is made.

    Each input takes the first array that is left of its dtype and shape. An argument that is handed
    back, or of which a container is, keeps its storage.

    Args:
        names: the parameters' names.
        arrays: by position: the outputs that a call would make as new arrays.
        written: positions of the inputs that are written to.
        handed: expressions for what the caller gets back as it is.
    """
    chosen = capture.policy.donate
    if not chosen:
        return {}
    fetches, inputs = capture.fetches, capture.inputs
    kept = {argument_name(source, fetches, names) for source in handed}
    given = {item.value for item in inputs}
    found: dict[int, int] = {}
    for place, item in enumerate(inputs):
        name = argument_name(item.source, fetches, names)
        if place in written or name not in chosen or name in kept or not _is_free(item):
            continue
        for number, value in arrays.items():
            fits = isinstance(value.type, TensorType) and value.type == item.value.type
            if fits and number not in found and value not in given:
                found[number] = place
                break
    return found


def _is_free(item: Input) -> bool:
    """Whether an input is an array of its own that may be written from its first byte on."""
    owned = item.kind == "array" and item.layout == "C"
    return owned and item.storage is not None and not item.storage.readonly
