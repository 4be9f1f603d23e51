"""``GRAPHC_DEBUG=2``: what each stage of a compilation made, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from graphc import config

Form = TypeVar("Form")


def show(stage: str, form: Form, write: Callable[[Form], str] = str) -> Form:
    """`form`, printed as `write` has it where ``GRAPHC_DEBUG`` is 2 or more."""
    if config.debug_level() >= 2:
        print(f"--- {stage} ---\n{write(form)}\n", file=sys.stderr)
    return form
