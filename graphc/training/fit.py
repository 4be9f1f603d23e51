"""`fit`: the loop over epochs and batches, with one compiled step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphc import random
from graphc.api import CompiledFunction, compile
from graphc.errors import DomainError, NonFiniteError, StateError, TraceError
from graphc.trace.trees import trained
from graphc.training.callbacks import Epoch
from graphc.training.checkpoint import load, save
from graphc.training.data import Arrays, Batches, as_batches
from graphc.training.history import History
from graphc.training.progress import Progress
from graphc.training.steps import NOT_FINITE, evaluation_step, training_step

Measure = Callable[..., Any]

KNOWN_SIZES = 4
"""Sizes of batches that have a compiled form each; more share one, whose bits may be others."""


def fit(
    model: Any,
    loss: Callable[..., Any],
    optimizer: Any,
    data: Any,
    epochs: int,
    validation: Any = None,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    metrics: Mapping[str, Measure] | None = None,
    seed: int = 0,
    progress: bool | None = None,
    debug: str | None = None,
) -> History:
    """Train a model: each step, forward, backward and update, is one native call.

    Args:
        model: a `graphc.nn.Module`; its arrays are written in place.
        loss: of the model's result and the batch's last array, as in ``graphc.nn.cross_entropy``;
            a scalar. Where a batch is one array, of the result alone.
        optimizer: of `graphc.optim`, made for the model.
        data: ``(x, y)``, arrays of equal length (more than two: all but the last go to the model),
            or an iterable of such batches that can be iterated once an epoch.
        epochs: how many there shall have been at the end, those of the checkpoint included.
        validation: like `data`; measured after each epoch with the model in ``eval`` mode.
        callbacks: are called with an `Epoch` after each, before the checkpoint is written. One
            that has ``state_dict`` and ``load_state_dict`` is kept in it; one that has ``end`` is
            given the model when all is done. A training that a callback ended is not gone on with.
        checkpoint: a file that is written after each epoch (`graphc.training.save`), the one before
            kept beside it as ``.previous``; if it is there at the start, training goes on from it,
            to the same bits as without a break if data, batch size and seed are the same (they are
            not in it) and batches have `KNOWN_SIZES` sizes at most.
        batch_size: examples of a batch, where the data are arrays; the last may be smaller.
        shuffle: draw a new order for each epoch, from `seed` and its number.
        metrics: functions of the model's result and the last array, by names, compiled as the loss
            is, and the mean over the examples; measured on the validation data, and then named
            ``validation_<name>``, or on the training data where there are none. What is no such
            mean, or not written in NumPy, is a callback's work.
        progress: show a bar; by default in a terminal.
        debug: as of `graphc.compile`: ``"nan"`` names the line where a NaN is made.

    Returns:
        The measures of each epoch: ``loss``, ``seconds``, with `validation` also
        ``validation_loss``, and the metrics.

    Raises:
        NonFiniteError: the loss is no finite number; the step that found it has written nothing.
        StateError: the checkpoint is damaged, or of another model or optimizer.
        ShapeError, DomainError, TraceError: bad data.
        OSError: the checkpoint can't be written.

    >>> import numpy as np, graphc
    >>> from graphc import nn, optim
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    >>> model = nn.Linear(1, 1)
    >>> opt = optim.Adam(model, lr=0.1)
    >>> history = graphc.fit(model, nn.mse_loss, opt, (x, 3 * x + 1), epochs=150)
    >>> history["loss"][-1] < 1e-3, bool(abs(model.weight[0, 0] - 3) < 0.05)
    (True, True)
    """
    _check(model, loss, optimizer, callbacks, metrics)
    batches = as_batches(data, batch_size, shuffle)
    held_out = None
    if validation is not None:
        held_out = as_batches(validation, batch_size, False, "validation")
    if epochs < 0:
        raise DomainError(f"fit: epochs={epochs}")
    history = History()
    if checkpoint is not None and Path(checkpoint).exists():
        history, stopped = _resume(checkpoint, model, optimizer, callbacks)
        if stopped:
            return history
    step = compile(training_step(loss), debug=debug)
    step.keep_sizes(KNOWN_SIZES)
    measured = dict(metrics or {})
    measure = compile(evaluation_step(loss, measured), debug=debug)
    measure.keep_sizes(KNOWN_SIZES)
    if checkpoint is not None and not history.epochs:
        _write(checkpoint, model, optimizer, callbacks, history, False)
    key = random.key(seed)
    with Progress(epochs, len(history), len(batches), progress) as shown:
        for number in range(len(history) + 1, epochs + 1):
            started = time.perf_counter()
            order = np.array([key[0] ^ np.uint32(number), key[1]], np.uint32)
            mean = _train(model, optimizer, batches, order, step, number, shown)
            measures = {"loss": mean, "seconds": time.perf_counter() - started}
            if held_out is not None:
                found = _evaluate(model, held_out, measure)
                measures |= {f"validation_{name}": value for name, value in found.items()}
            elif measured:
                found = _evaluate(model, batches, measure)
                measures |= {name: value for name, value in found.items() if name != "loss"}
            history.epochs.append(measures)
            epoch = Epoch(number, measures, history, model, optimizer)
            for callback in callbacks:
                callback(epoch)
            if checkpoint is not None:
                _write(checkpoint, model, optimizer, callbacks, history, epoch.stopped)
            shown.epoch(number, measures)
            if epoch.stopped:
                break
    for callback in callbacks:
        if hasattr(callback, "end"):
            callback.end(model)
    return history


def _check(model: Any, loss: Any, optimizer: Any, callbacks: Any, metrics: Any) -> None:
    """Refuse arguments that are something else.

    Raises:
        TraceError: says which.
        DomainError: the model has nothing to train.
    """
    for name, value, wanted, right in (
        ("model", model, "a graphc.nn.Module", hasattr(model, "named_modules")),
        ("loss", loss, "a function of the model's result and the target", callable(loss)),
        ("optimizer", optimizer, "of graphc.optim", hasattr(optimizer, "step")),
        ("callbacks", callbacks, "a list of functions", isinstance(callbacks, list | tuple)),
        ("metrics", metrics, "a dict of functions", metrics is None or hasattr(metrics, "items")),
    ):
        if not right:
            raise TraceError(
                f"fit: {name} is a {type(value).__name__}, wanted {wanted}",
                hint="fit(model, loss, optimizer, (x, y), epochs, callbacks=[...], "
                'metrics={"accuracy": accuracy}).',
            )
    reserved = {"loss", "seconds"} & set(metrics or ())
    if reserved:
        raise DomainError(f"fit: a metric is called {reserved.pop()}, as what fit itself measures")
    if not any(trained(model)):
        raise DomainError(
            "fit: the model has no parameters to train",
            hint="model.unfreeze() undoes model.freeze().",
        )


def _train(
    model: Any,
    optimizer: Any,
    batches: Arrays | Batches,
    key: np.ndarray,
    step: CompiledFunction[..., Any],
    epoch: int,
    shown: Progress,
) -> float:
    """One epoch; the mean loss, each batch by its examples."""
    model.train()
    total, count = 0.0, 0
    for number, batch in enumerate(batches.batches(key), start=1):
        try:
            value = float(step(model, optimizer, *batch))
        except NonFiniteError as error:
            if not str(error).startswith(NOT_FINITE):
                raise
            raise NonFiniteError(
                f"{NOT_FINITE} at batch {number} of epoch {epoch}; the step wrote nothing",
                hint='Pass debug="nan" to learn which line makes it; a smaller learning rate, or '
                "graphc.optim.clip_by_global_norm, may avoid it.",
            ) from None
        size = len(batch[0])
        total, count = total + value * size, count + size
        shown.batch(epoch, value)
    if count == 0:
        raise DomainError("fit: the data has no examples")
    return total / count


def _evaluate(
    model: Any, batches: Arrays | Batches, measure: CompiledFunction[..., Any]
) -> dict[str, float]:
    """The loss and the metrics of all batches, each by its examples, in ``eval`` mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    totals: dict[str, float] = {}
    count = 0
    try:
        for batch in batches.batches(random.key(0)):
            size = len(batch[0])
            count += size
            for name, value in measure(model, *batch).items():
                totals[name] = totals.get(name, 0.0) + float(value) * size
    finally:
        for module, mode in modes:
            module.training = mode
    if count == 0:
        raise DomainError("fit: the validation data has no examples")
    return {name: total / count for name, total in totals.items()}


def _stateful(callbacks: Sequence[Any]) -> dict[str, Any]:
    return {str(k): call for k, call in enumerate(callbacks) if hasattr(call, "state_dict")}


def _write(
    path: str | os.PathLike[str],
    model: Any,
    optimizer: Any,
    callbacks: Sequence[Any],
    history: History,
    stopped: bool,
) -> None:
    parts = {"model": model, "optimizer": optimizer}
    arrays = {
        f"{part}/{name}": array
        for part, x in parts.items()
        for name, array in x.state_dict().items()
    }
    for number, callback in _stateful(callbacks).items():
        state = callback.state_dict()
        arrays |= {f"callback/{number}/{name}": np.asarray(x) for name, x in state.items()}
    arrays["random/key"] = random.default_key()
    save(path, arrays, {"epochs": history.epochs, "stopped": stopped})


def _resume(
    path: str | os.PathLike[str], model: Any, optimizer: Any, callbacks: Sequence[Any]
) -> tuple[History, bool]:
    """Load a checkpoint into them; its history, and whether a callback had ended the training."""
    arrays, header = load(path)
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        part, _, rest = name.partition("/")
        parts.setdefault(part, {})[rest] = array
    if not {"model", "random"} <= set(parts) or "epochs" not in header:
        raise StateError(f"{path} is no checkpoint of a training")
    before = model.state_dict()
    try:
        model.load_state_dict(parts["model"])
        optimizer.load_state_dict(parts.get("optimizer", {}))
    except StateError as error:
        model.load_state_dict(before)
        problems = str(error).partition("\n  Nothing was loaded")[0]
        raise StateError(
            f"{path} is a checkpoint of another training: {problems}",
            hint="Nothing was loaded. Delete the file, or name another, to train from the start.",
        ) from None
    for number, callback in _stateful(callbacks).items():
        prefix = f"{number}/"
        state = {
            name.removeprefix(prefix): array
            for name, array in parts.get("callback", {}).items()
            if name.startswith(prefix)
        }
        if state:
            callback.load_state_dict(state)
    random.set_default_key(parts["random"]["key"])
    return History(header["epochs"]), bool(header.get("stopped", False))
