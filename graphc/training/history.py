"""`History`: what was measured in each epoch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any


class History:
    """The measures of each epoch, by names: ``loss``, ``seconds``, ``validation_loss``, metrics.

    >>> import graphc
    >>> history = graphc.training.History([{"loss": 2.0}, {"loss": 1.0, "accuracy": 0.5}])
    >>> history["loss"], history["accuracy"], len(history)
    ([2.0, 1.0], [None, 0.5], 2)
    """

    def __init__(self, epochs: list[dict[str, float]] | None = None) -> None:
        self.epochs = [] if epochs is None else epochs

    def __getitem__(self, name: str) -> list[float | None]:
        """One measure at all epochs; None where it was not taken.

        Raises:
            KeyError: no epoch has it.
        """
        if name not in self.names:
            raise KeyError(f"{name!r}; there is {', '.join(self.names) or 'nothing'}")
        return [epoch.get(name) for epoch in self.epochs]

    @property
    def names(self) -> list[str]:
        """The measures that some epoch has, in the order of their first."""
        return list(dict.fromkeys(name for epoch in self.epochs for name in epoch))

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.epochs)

    def __repr__(self) -> str:
        if not self.epochs:
            return "History of no epochs"
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.epochs[-1].items())
        return f"History of {len(self)} epochs; the last: {last}"

    def plot(self, path: str | os.PathLike[str] | None = None, title: str = "") -> Any:
        """Draw the losses above and the other measures below, against the epochs.

        Needs Matplotlib.

        Args:
            path: where to save the picture; its suffix decides the form.

        Returns:
            The figure.
        """
        from matplotlib.figure import Figure  # noqa: PLC0415  # drawing is optional

        taken = [name for name in self.names if name != "seconds"]
        losses = [name for name in taken if name.endswith("loss")]
        others = [name for name in taken if name not in losses]
        figure = Figure(figsize=(7.2, 5.4 if others and losses else 3.6), layout="constrained")
        parts = [part for part in (losses, others) if part] or [[]]
        rows = figure.subplots(len(parts), sharex=True, squeeze=False)[:, 0]
        count = range(1, len(self) + 1)
        for axes, names in zip(rows, parts, strict=True):
            for name, color in zip(names, COLORS * len(names), strict=False):
                values = [float("nan") if v is None else v for v in self[name]]
                marker = "o" if len(self) < MARKED else ""
                axes.plot(count, values, color=color, marker=marker, markersize=3, label=name)
            positive = all(v is None or v > 0 for name in names for v in self[name])
            if names is losses and names and positive:
                axes.set_yscale("log")
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="#EEF0F3")
            axes.set_axisbelow(True)
            if names:
                axes.legend(frameon=False)
        rows[-1].set_xlabel("epoch")
        if title:
            rows[0].set_title(title)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure


COLORS = ["#3F6695", "#B4472E", "#3D7A50", "#8A5A9E", "#A67C1A"]
MARKED = 30
"""Epochs below which each is marked."""
