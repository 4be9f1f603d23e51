"""`graphc.load`: what a file holds, as a module."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from graphc.errors import ExportError
from graphc.exporting import archive
from graphc.loading.module import Loaded
from graphc.loading.onnx.model import load_onnx


def load(path: str | os.PathLike[str]) -> Any:
    """The function in a ``.graphc`` or ``.onnx`` file, as a module.

    Calling it compiles for the machine it is on. Its weights are its parameters: it can be
    differentiated, mapped, trained, called in compiled functions, and exported again. Nothing in
    the file is run while it is read.

    Raises:
        ExportError: the file is damaged, of a later version, or has something graphc does not have.
        BackendError: an ONNX model, and the package ``onnx`` is not installed.
        OSError: it can't be read.

    >>> import tempfile, numpy as np, graphc
    >>> from graphc import nn
    >>> layer = nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     graphc.export(layer, graphc.spec(("n", 3), np.float32), path=f"{folder}/layer.graphc")
    ...     again = graphc.load(f"{folder}/layer.graphc")
    >>> x = np.ones((5, 3), np.float32)
    >>> bool((again(x) == layer(x)).all()), list(again.state_dict())
    (True, ['weight', 'bias'])
    """
    place = Path(path)
    if place.suffix == ".graphc":
        return Loaded(archive.read(place))
    if place.suffix == ".onnx":
        return load_onnx(place)
    raise ExportError(
        f"{place.name}: files of this suffix can't be loaded", hint="Give .graphc or .onnx."
    )
