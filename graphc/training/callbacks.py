"""What runs after each epoch of `graphc.fit`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.errors import DomainError
from graphc.training.history import History


@dataclass
class Epoch:
    """What a callback is given.

    Attributes:
        number: of the epoch that has ended, from 1.
        measures: what was measured in it; a callback may add to them.
        history: all epochs so far, this one last.
        model, optimizer: what is trained.
        stopped: set it to end the training after this epoch.
    """

    number: int
    measures: dict[str, float]
    history: History
    model: Any
    optimizer: Any
    stopped: bool = field(default=False)

    def stop(self) -> None:
        """End the training after this epoch."""
        self.stopped = True


class EarlyStopping:
    """End the training when a measure has not become better for some epochs.

    Args:
        monitor: the measure's name.
        patience: epochs to wait for a better one.
        min_delta: by how much it has to be better.
        mode: ``"min"`` or ``"max"``: what is better.
        restore_best: give the model back its arrays of the best epoch at the end.

    Raises:
        DomainError: an unknown mode, or a negative patience.

    >>> import graphc
    >>> graphc.training.EarlyStopping("validation_loss", patience=3).patience
    3
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "min",
        restore_best: bool = True,
    ) -> None:
        if mode not in ("min", "max"):
            raise DomainError(f"EarlyStopping: mode is 'min' or 'max', not {mode!r}")
        if patience < 0:
            raise DomainError(f"EarlyStopping: patience={patience} is negative")
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.sign = 1.0 if mode == "min" else -1.0
        self.restore_best = restore_best
        self.best = math.inf
        self.waited = 0
        self.state: dict[str, np.ndarray] | None = None

    def __call__(self, epoch: Epoch) -> None:
        if self.monitor not in epoch.measures:
            near = f"validation_{self.monitor}"
            raise DomainError(
                f"EarlyStopping: there is no measure {self.monitor!r}; there is "
                f"{', '.join(epoch.measures)}",
                hint=f"Measures of the validation data are named so: {near!r}."
                if near in epoch.measures
                else "Pass validation= to graphc.fit, or name another measure.",
            )
        value = self.sign * epoch.measures[self.monitor]
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
            if self.restore_best:
                self.state = epoch.model.state_dict()
            return
        self.waited += 1
        if self.waited > self.patience:
            epoch.stop()
            self.end(epoch.model)

    def end(self, model: Any) -> None:
        """Give the model back its arrays of the best epoch."""
        if self.state is not None:
            model.load_state_dict(self.state)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        arrays = {} if self.state is None else {f"best.{k}": v for k, v in self.state.items()}
        return {"best": np.float64(self.best), "waited": np.int64(self.waited), **arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as it was when the checkpoint was written."""
        self.best, self.waited = float(state["best"]), int(state["waited"])
        best = {k.removeprefix("best."): v for k, v in state.items() if k.startswith("best.")}
        self.state = best or None
