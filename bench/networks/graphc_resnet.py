"""The ResNet-18 of ``examples/resnet.py``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "examples" / "resnet.py"


def resnet(width: int) -> Any:
    """The network, with `width` channels in its first stage."""
    spec = importlib.util.spec_from_file_location("resnet_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ResNet((2, 2, 2, 2), width)
