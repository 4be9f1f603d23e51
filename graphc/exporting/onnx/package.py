"""The package ``onnx``, which is optional."""

from __future__ import annotations

from types import ModuleType

from graphc.errors import BackendError


def onnx_package() -> ModuleType:
    """The package ``onnx``.

    Raises:
        BackendError: it is not installed.
    """
    try:
        import onnx  # noqa: PLC0415
        import onnx.checker  # noqa: PLC0415
        import onnx.helper  # noqa: PLC0415
    except ImportError as error:
        raise BackendError(
            "ONNX models are read and written with the package onnx, which is not installed",
            hint="Install it with: pip install 'graphc[onnx]'",
        ) from error
    return onnx
