"""`RNN`, `LSTM` and `GRU`: the product with the inputs for all steps at once, then a scan.

The formulas, names and layouts are those of ``torch.nn``; gates lie one after another in the rows
of the weights (LSTM: input, forget, cell, output; GRU: reset, update, new).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.control import scan
from graphc.errors import ShapeError
from graphc.nn import activations, init
from graphc.nn.layers.linear import check_last_axis
from graphc.nn.module import Module
from graphc.nn.stochastic import dropout as drop


class _Recurrent(Module):
    """What the three have in common; `_step` is one step of a cell, of `_gates` gates."""

    _gates = 1
    _states = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.drops = dropout > 0
        self.bidirectional = bidirectional
        bound = 1 / math.sqrt(hidden_size)
        rows = self._gates * hidden_size
        for name, size in self._inputs():
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (rows, size),
                "weight_hh": (rows, hidden_size),
            }
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            for kind, shape in shapes.items():
                setattr(self, f"{kind}_{name}", init.uniform(shape, -bound, bound, dtype))

    def _inputs(self) -> list[tuple[str, int]]:
        """The suffix of the names of each layer and direction, and the size of its input."""
        directions = ["", "_reverse"] if self.bidirectional else [""]
        found = []
        for layer in range(self.num_layers):
            size = self.hidden_size * len(directions) if layer else self.input_size
            found += [(f"l{layer}{direction}", size) for direction in directions]
        return found

    def _step(self, given: Any, products: Any, state: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    def _first(self, state: Any, x: Any) -> list[Any]:
        """The first states: (layers × directions, batch, hidden) each; zeros by default.

        Raises:
            ShapeError: a state of another shape.
        """
        shape = (len(self._inputs()), x.shape[1], self.hidden_size)
        if state is None:
            return [np.zeros(shape, x.dtype) for _ in range(self._states)]
        states = list(state) if self._states > 1 else [state]
        name = type(self).__name__
        if len(states) != self._states:
            raise ShapeError(f"{name} takes {self._states} states, not {len(states)}")
        for one in states:
            if tuple(one.shape) != shape:
                raise ShapeError(f"{name}: a state is {tuple(one.shape)}, wanted {shape}")
        return states

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Run over a sequence.

        Args:
            x: (steps, batch, input_size), with `batch_first` (batch, steps, input_size), or of one
                sequence (steps, input_size).
            state: the first state, (layers × directions, batch, hidden_size), zeros by default; for
                an `LSTM` a pair of them. Without the batch if `x` has none.

        Returns:
            ``(outputs, state)``: the last layer's hidden states at all steps, directions beside
            each other along the last axis, and the state after the last step.

        Raises:
            ShapeError: `x` or `state` does not fit.
        """
        name = type(self).__name__
        if x.ndim not in (2, 3):
            raise ShapeError(f"{name}: the input has {x.ndim} axes, wanted 2 or 3")
        check_last_axis(name, x, self.input_size)
        single = x.ndim == 2
        if single:
            x = x[:, None]
            if state is not None:
                state = [s[:, None] for s in state] if self._states > 1 else state[:, None]
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        firsts = self._first(state, x)
        lasts: list[tuple[Any, ...]] = []
        directions = 2 if self.bidirectional else 1
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                number = layer * directions + direction
                suffix = f"l{layer}{'_reverse' if direction else ''}"
                first = tuple(states[number] for states in firsts)
                last, output = self._run(suffix, x, first, direction == 1)
                lasts.append(last)
                outputs.append(output)
            x = outputs[0] if directions == 1 else np.concatenate(outputs, axis=-1)
            if self.drops and layer < self.num_layers - 1:
                x = drop(x, self.dropout, self.training)
        stacked = [np.stack([last[k] for last in lasts]) for k in range(self._states)]
        if single:
            x, stacked = x[:, 0], [s[:, 0] for s in stacked]
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        return x, tuple(stacked) if self._states > 1 else stacked[0]

    def _run(
        self, suffix: str, x: Any, first: tuple[Any, ...], backwards: bool
    ) -> tuple[tuple[Any, ...], Any]:
        """One layer in one direction."""
        products = x @ getattr(self, f"weight_ih_{suffix}").T
        weight = getattr(self, f"weight_hh_{suffix}").T
        bias = None
        if self.bias:
            products = products + getattr(self, f"bias_ih_{suffix}")
            bias = getattr(self, f"bias_hh_{suffix}")

        def turn(state: tuple[Any, ...], given: Any) -> tuple[tuple[Any, ...], Any]:
            recurrent = state[0] @ weight
            if bias is not None:
                recurrent = recurrent + bias
            after = self._step(given, recurrent, state)
            return after, after[0]

        return scan(turn, first, products, reverse=backwards)

    def extra_repr(self) -> str:
        """The arguments that are not the default."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0.0),
            ("bidirectional", False),
        ):
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts)


class RNN(_Recurrent):
    """Elman's network: ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or with ``relu``.

    >>> import numpy as np, graphc
    >>> outputs, last = graphc.nn.RNN(3, 8)(np.ones((5, 2, 3), np.float32))
    >>> outputs.shape, last.shape
    ((5, 2, 8), (1, 2, 8))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype
        )

    def _step(self, given: Any, products: Any, state: Any) -> tuple[Any, ...]:
        function: Callable[[Any], Any] = (
            activations.tanh if self.nonlinearity == "tanh" else activations.relu
        )
        return (function(given + products),)


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997, with a forget gate).

    ``c' = f * c + i * g``, ``h' = o * tanh(c')``; the gates i, f and o are sigmoids, g is a tanh.
    The state is the pair (h, c).

    >>> import numpy as np, graphc
    >>> outputs, (h, c) = graphc.nn.LSTM(3, 8, num_layers=2)(np.ones((5, 2, 3), np.float32))
    >>> outputs.shape, h.shape, c.shape
    ((5, 2, 8), (2, 2, 8), (2, 2, 8))
    """

    _gates = 4
    _states = 2

    def _step(self, given: Any, products: Any, state: Any) -> tuple[Any, ...]:
        _, cell = state
        gates = given + products
        n = self.hidden_size
        into, forget, out = (activations.sigmoid(gates[:, k * n : (k + 1) * n]) for k in (0, 1, 3))
        cell = forget * cell + into * np.tanh(gates[:, 2 * n : 3 * n])
        return out * np.tanh(cell), cell


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al., 2014, in cuDNN's form).

    ``h' = (1 - z) * n + z * h`` with ``n = tanh(W_in x + b_in + r * (W_hn h + b_hn))``; the gates r
    and z are sigmoids.

    >>> import numpy as np, graphc
    >>> outputs, last = graphc.nn.GRU(3, 8)(np.ones((5, 2, 3), np.float32))
    >>> outputs.shape, last.shape
    ((5, 2, 8), (1, 2, 8))
    """

    _gates = 3

    def _step(self, given: Any, products: Any, state: Any) -> tuple[Any, ...]:
        (hidden,) = state
        n = self.hidden_size
        sums = given[:, : 2 * n] + products[:, : 2 * n]
        reset, update = activations.sigmoid(sums[:, :n]), activations.sigmoid(sums[:, n:])
        new = np.tanh(given[:, 2 * n :] + reset * products[:, 2 * n :])
        return ((1 - update) * new + update * hidden,)
