"""How far a training is: a bar in terminals, by rich, else nothing but what is asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any


class Progress:
    """Shows batches and measures; a bar where rich is installed, else a line after each epoch."""

    def __init__(self, epochs: int, first: int, batches: int, shown: bool | None) -> None:
        self.epochs = epochs
        self.batches = batches
        self.shown = sys.stderr.isatty() if shown is None else shown
        self._bar: Any = None
        if self.shown:
            self._bar = _rich_bar()
        self._task: Any = None
        self._first = first

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
            total = (self.epochs - self._first) * self.batches or None
            self._task = self._bar.add_task("training", total=total, measures="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def batch(self, epoch: int, loss: float) -> None:
        """One batch is done."""
        if self._bar is not None:
            text = f"epoch {epoch}/{self.epochs}"
            self._bar.update(self._task, advance=1, description=text, measures=f"loss {loss:.4g}")

    def epoch(self, number: int, measures: Mapping[str, float]) -> None:
        """One epoch is done."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in measures.items())
        line = f"epoch {number}/{self.epochs}  {text}"
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        elif self.shown:
            print(line, file=sys.stderr)


def _rich_bar() -> Any:
    try:
        from rich import progress  # noqa: PLC0415  # optional
        from rich.console import Console  # noqa: PLC0415
    except ImportError:
        return None
    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[measures]}"),
        console=console,
    )
