"""The two functions that `graphc.fit` compiles, for a loss and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphc import ops
from graphc.errors import NonFiniteError
from graphc.ir import Value
from graphc.transform import operation, value_and_grad

NOT_FINITE = "the loss is no finite number"


def training_step(loss: Callable[..., Any]) -> Callable[..., Any]:
    """``(model, optimizer, *batch) -> loss``: forward, backward and update.

    A loss that is no finite number stops the call, and then nothing is written.
    """

    def step(model: Any, optimizer: Any, *batch: Any) -> Any:
        inputs, target = _parts(batch)
        value, grads = value_and_grad(lambda m: _finite(loss(m(*inputs), *target)))(model)
        optimizer.step(model, grads)
        return value

    return step


def evaluation_step(
    loss: Callable[..., Any], metrics: Mapping[str, Callable[..., Any]]
) -> Callable[..., Any]:
    """``(model, *batch) -> {"loss": ..., metric: ...}``."""

    def step(model: Any, *batch: Any) -> Any:
        inputs, target = _parts(batch)
        result = model(*inputs)
        return {
            "loss": loss(result, *target),
            **{name: metric(result, *target) for name, metric in metrics.items()},
        }

    return step


@operation
def _finite(x: Value) -> Value:
    return ops.require(x, ops.isfinite(x), NOT_FINITE, NonFiniteError)


def _parts(batch: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What the model takes, and the target, if there is one."""
    return (batch[:-1], batch[-1:]) if len(batch) > 1 else (batch, ())
