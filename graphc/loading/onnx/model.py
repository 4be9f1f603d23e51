from typing import Any


def load_onnx(source: Any) -> Any:
    raise NotImplementedError
