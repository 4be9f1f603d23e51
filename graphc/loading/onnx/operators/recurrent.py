"""`RNN`, `LSTM` and `GRU`: the products with the inputs for all steps at once, then a scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.control import scan
from graphc.loading.onnx.operators.activations import ACTIVATIONS, DEFAULTS
from graphc.loading.onnx.operators.indexing import reversed_steps
from graphc.loading.onnx.registry import Node, operator, optional
from graphc.loading.onnx.values import counted, lift

Function = Callable[[Any], Any]
State = tuple[Any, ...]


@dataclass(slots=True)
class Cell:
    """One direction of a layer: its weights, biases and functions, and one step of it."""

    node: Node
    weight: Any
    recurrent: Any
    bias: Any
    recurrent_bias: Any
    peephole: Any
    functions: list[Function]
    hidden: int

    def clipped(self, x: Any) -> Any:
        """What goes into an activation, within ``clip``."""
        bound = self.node.get("clip")
        return x if bound is None else np.clip(x, -bound, bound)

    def step(self, products: Any, state: State) -> State:
        """The state after a step; `products` are those of the step's input with the weights."""
        kinds = {"RNN": self._rnn, "GRU": self._gru, "LSTM": self._lstm}
        return kinds[self.node.operator](products, state)

    def _rnn(self, products: Any, state: State) -> State:
        total = products + state[0] @ self.recurrent.T + self.recurrent_bias
        return (self.functions[0](self.clipped(total)),)

    def _gru(self, products: Any, state: State) -> State:
        n, (h,) = self.hidden, state
        first, second = self.functions
        matrix, bias = self.recurrent, self.recurrent_bias
        gates = products[:, : 2 * n] + h @ matrix[: 2 * n].T + bias[: 2 * n]
        gates = first(self.clipped(gates))
        update, reset = gates[:, :n], gates[:, n:]
        if self.node.get("linear_before_reset", 0):
            inner = reset * (h @ matrix[2 * n :].T + bias[2 * n :])
        else:
            inner = (reset * h) @ matrix[2 * n :].T + bias[2 * n :]
        new = second(self.clipped(products[:, 2 * n :] + inner))
        return ((1 - update) * new + update * h,)

    def _lstm(self, products: Any, state: State) -> State:
        n, (h, c) = self.hidden, state
        first, second, third = self.functions
        sums = products + h @ self.recurrent.T + self.recurrent_bias
        into, out, forget, new = (sums[:, k * n : (k + 1) * n] for k in range(4))
        p = self.peephole
        if p is not None:
            into, forget = into + p[:n] * c, forget + p[2 * n :] * c
        into = first(self.clipped(into))
        coupled = self.node.get("input_forget", 0)
        forget = 1 - into if coupled else first(self.clipped(forget))
        cell = forget * c + into * second(self.clipped(new))
        if p is not None:
            out = out + p[n : 2 * n] * cell
        return first(self.clipped(out)) * third(cell), cell


_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_USUAL = {"RNN": ("Tanh",), "GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh")}
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


def _functions(node: Node, count: int) -> list[Function]:
    """The activations of all directions, each with its alpha and beta."""
    names = node.get("activations") or _USUAL[node.operator] * count
    alphas = list(node.get("activation_alpha") or ())
    betas = list(node.get("activation_beta") or ())
    if len(names) != count * len(_USUAL[node.operator]):
        raise node.refusal(f"{len(names)} activations for {count} directions")
    found: list[Function] = []
    lower = {name.lower(): name for name in ACTIVATIONS}
    for given in names:
        name = lower.get(given.lower())
        if name is None:
            raise node.refusal(f"the activation {given!r} is not supported")
        alpha, beta = DEFAULTS.get(name, (1.0, 1.0 if name == "ScaledTanh" else 0.0))
        if name in ("Affine", "ScaledTanh", *DEFAULTS) and alphas:
            alpha = alphas.pop(0)
        if name in ("Affine", "ScaledTanh", "HardSigmoid") and betas:
            beta = betas.pop(0)
        found.append(lambda x, f=ACTIVATIONS[name], a=alpha, b=beta: f(x, a, b))  # type: ignore[misc]
    return found


@operator("RNN", "GRU", "LSTM", since=7)
def recurrent(node: Node, x: Any, weights: Any, recurrents: Any, *others: Any) -> Any:
    """The hidden states of all steps, and the last states; directions have an axis of their own."""
    directions = _DIRECTIONS.get(node.get("direction", "forward"))
    if directions is None:
        raise node.refusal(f"the direction {node.get('direction')!r} is not supported")
    batch_first = bool(node.get("layout", 0))
    biases, lengths = optional(others, 0), optional(others, 1)
    x = np.swapaxes(x, 0, 1) if batch_first else x
    hidden = int(recurrents.shape[-1])
    count = 2 if node.operator == "LSTM" else 1
    states = [
        _first(optional(others, 2 + k), x, len(directions), hidden, batch_first)
        for k in range(count)
    ]
    functions = _functions(node, len(directions))
    each = len(functions) // len(directions)
    outputs, lasts = [], []
    for k, backwards in enumerate(directions):
        gates = _GATES[node.operator] * hidden
        bias = lift(np.zeros(2 * gates, x.dtype)) if biases is None else biases[k]
        peephole = optional(others, 4)
        cell = Cell(
            node,
            weights[k],
            recurrents[k],
            bias[:gates],
            bias[gates:],
            None if peephole is None else peephole[k],
            functions[k * each : (k + 1) * each],
            hidden,
        )
        output, last = _run(cell, x, tuple(state[k] for state in states), lengths, backwards)
        outputs.append(output)
        lasts.append(last)
    found = np.stack(outputs, axis=1)
    ends = [np.stack([last[k] for last in lasts]) for k in range(count)]
    if batch_first:
        found = np.transpose(found, (2, 0, 1, 3))
        ends = [np.swapaxes(end, 0, 1) for end in ends]
    return found, *ends


def _first(given: Any, x: Any, directions: int, hidden: int, batch_first: bool) -> Any:
    """The first states: (directions, batch, hidden), zeros by default."""
    if given is None:
        zeros = lift(np.zeros((1, 1, 1), x.dtype))
        return np.broadcast_to(zeros, (directions, x.shape[1], hidden))
    return np.swapaxes(given, 0, 1) if batch_first else given


def _run(cell: Cell, x: Any, first: State, lengths: Any, backwards: bool) -> tuple[Any, State]:
    """One direction: the hidden states of all steps, and the state after the last one."""
    padded = lengths is not None
    if padded and backwards:
        x = reversed_steps(x, lengths)
    products = x @ cell.weight.T + cell.bias
    steps = counted(x.shape[0]) if padded else None

    def turn(state: State, given: Any) -> tuple[State, Any]:
        row, step = given if padded else (given, None)
        after = cell.step(row, state)
        if not padded:
            return after, after[0]
        going = (step < lengths)[:, None]
        kept = tuple(np.where(going, new, old) for new, old in zip(after, state, strict=True))
        return kept, np.where(going, after[0], np.zeros((), x.dtype))

    given = (products, steps) if padded else products
    last, output = scan(turn, first, given, reverse=backwards and not padded)
    if padded and backwards:
        output = reversed_steps(output, lengths)
    return output, last
