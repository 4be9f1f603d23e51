from typing import Any


def write_onnx(path: Any, **options: Any) -> None:
    raise NotImplementedError
