"""Rules that scale each element's step by the gradients it has seen: Adam and its kin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.optim.base import Optimizer, Options, Rate, decayed


class Adam(Optimizer):
    """Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1).

    The moments are corrected for the steps that the optimizer has taken, those that a parameter had
    no gradient in included; PyTorch counts each parameter's own.

    ``m = β1 m + (1 - β1) g``, ``v = β2 v + (1 - β2) g²``,
    ``p -= lr · m / (1 - β1^t) / (sqrt(v / (1 - β2^t)) + eps)``, as ``torch.optim.Adam``.

    Args:
        params: any pytree of arrays, or groups, a list of ``(params, options)``.
        lr: a number, or a function of how many steps have been taken (0 at the first).
        weight_decay: what share of a parameter is added to its gradient.

    Raises:
        DomainError: an option is out of range.

    >>> import numpy as np, graphc
    >>> params = [np.array([1.0, 2.0])]
    >>> opt = graphc.optim.Adam(params, lr=0.1)
    >>> opt.step(params, [np.array([3.0, -5.0])])
    >>> params[0].round(6)
    array([0.9, 2.1])
    """

    _slots = ("m", "v")

    def __init__(
        self,
        params: Any,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def _decayed(self, p: Any, g: Any, lr: Any, options: Options) -> tuple[Any, Any]:
        """The parameter and the gradient with weight decay."""
        return p, decayed(p, g, options)

    def _update(
        self, p: Any, g: Any, kept: Mapping[str, Any], steps: Any, lr: Any, options: Options
    ) -> tuple[Any, dict[str, Any]]:
        first, second = options["betas"]
        p, g = self._decayed(p, g, lr, options)
        m = first * kept["m"] + (1 - first) * g
        v = second * kept["v"] + (1 - second) * _squared(g)
        t = steps + 1
        rate = lr / float(1 - first**t)
        root = float(np.sqrt(1 - second**t))
        return p - rate * m / (np.sqrt(v) / root + options["eps"]), {"m": m, "v": v}


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: ``p -= lr · weight_decay · p`` first.

    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        params: Any,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def _decayed(self, p: Any, g: Any, lr: Any, options: Options) -> tuple[Any, Any]:
        return p - lr * options["weight_decay"] * p, g


class RMSprop(Optimizer):
    """``v = α v + (1 - α) g²``, ``p -= lr · g / (sqrt(v) + eps)``, as ``torch.optim.RMSprop``.

    With `momentum` the step is ``b = momentum · b + g / (sqrt(v) + eps)``; `centered` takes the
    variance, v less the squared mean of g, in place of v (Graves, 2013).

    Raises:
        DomainError: an option is out of range.
    """

    def __init__(
        self,
        params: Any,
        lr: Rate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def _kept(self, options: Options) -> tuple[str, ...]:
        momentum = ("momentum",) if options["momentum"] != 0 else ()
        return ("v", *momentum, *(("mean",) if options["centered"] else ()))

    def _update(
        self, p: Any, g: Any, kept: Mapping[str, Any], steps: Any, lr: Any, options: Options
    ) -> tuple[Any, dict[str, Any]]:
        alpha = options["alpha"]
        g = decayed(p, g, options)
        after = {"v": alpha * kept["v"] + (1 - alpha) * _squared(g)}
        spread = after["v"]
        if "mean" in kept:
            after["mean"] = alpha * kept["mean"] + (1 - alpha) * g
            spread = spread - _squared(after["mean"])
        step = g / (np.sqrt(spread) + options["eps"])
        if "momentum" in kept:
            step = after["momentum"] = options["momentum"] * kept["momentum"] + step
        return p - lr * step, after


class Adagrad(Optimizer):
    """``s += g²``, ``p -= lr · g / (sqrt(s) + eps)`` (Duchi, Hazan and Singer, 2011).

    As ``torch.optim.Adagrad``: the rate is divided by ``1 + lr_decay · t`` after t steps, and s
    starts at `initial_accumulator_value`.

    Raises:
        DomainError: an option is out of range.
    """

    _slots = ("sum",)

    def __init__(
        self,
        params: Any,
        lr: Rate = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
    ) -> None:
        self.initial = initial_accumulator_value
        super().__init__(params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)

    def _start(self, name: str, parameter: Any) -> Any:
        return np.full(parameter.shape, self.initial, parameter.dtype)

    def _update(
        self, p: Any, g: Any, kept: Mapping[str, Any], steps: Any, lr: Any, options: Options
    ) -> tuple[Any, dict[str, Any]]:
        g = decayed(p, g, options)
        total = kept["sum"] + _squared(g)
        rate = lr / float(1 + options["lr_decay"] * steps)
        return p - rate * g / (np.sqrt(total) + options["eps"]), {"sum": total}


def _squared(g: Any) -> Any:
    return (g * g.conj()).real if g.dtype.kind == "c" else g * g
