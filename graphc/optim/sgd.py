"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.errors import DomainError
from graphc.optim.base import Optimizer, Options, Rate, decayed


class SGD(Optimizer):
    """Gradient descent, with momentum and weight decay, as ``torch.optim.SGD``.

    ``g += weight_decay * p``, ``v = momentum * v + g``, ``p -= lr * v``; with `nesterov`,
    ``p -= lr * (g + momentum * v)`` (Sutskever et al., 2013).

    Args:
        params: any pytree of arrays, for instance a `graphc.nn.Module`; or groups, a list of
            ``(params, options)``, whose options take the place of those given here.
        lr: a number, or a function of how many steps have been taken (0 at the first).

    Raises:
        DomainError: an option is out of range.

    >>> import numpy as np, graphc
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> opt = graphc.optim.SGD(params, lr=0.5)
    >>> opt.step(params, {"w": np.array([1.0, 1.0])})
    >>> params["w"]
    array([0.5, 1.5])
    """

    def __init__(
        self,
        params: Any,
        lr: Rate = 1e-3,
        momentum: float = 0,
        nesterov: bool = False,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
        )

    def _check(self, options: Options) -> None:
        super()._check(options)
        if options["nesterov"] and options["momentum"] == 0:
            raise DomainError("SGD: nesterov=True needs a momentum")

    def _kept(self, options: Options) -> tuple[str, ...]:
        return ("velocity",) if options["momentum"] != 0 else ()

    def _update(
        self, p: Any, g: Any, kept: Mapping[str, Any], steps: Any, lr: Any, options: Options
    ) -> tuple[Any, dict[str, Any]]:
        g = decayed(p, g, options)
        if "velocity" not in kept:
            return p - lr * g, {}
        momentum = options["momentum"]
        velocity = momentum * kept["velocity"] + g
        step = g + momentum * velocity if options["nesterov"] else velocity
        return p - lr * step, {"velocity": velocity}
