"""`Optimizer`: what all have in common: state for each parameter, steps in place and pure ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import DomainError, DTypeError, ShapeError
from graphc.nn.state import load_state, state_of
from graphc.trace.trees import Attributed, leaves, paired_leaves, trained, unflatten

Rate = float | Callable[[Any], Any]
"""A learning rate: a number, or a function of how many steps have been taken."""

Options = dict[str, Any]


class Groups:
    """Parameters with options of their own.

    Attributes:
        arrays: the parameters of all groups, one after another.
        numbers: of which group each is.
        options: what each group sets.
    """

    def __init__(self, groups: Sequence[tuple[Any, Options]]) -> None:
        found = [(x, k) for k, (group, _) in enumerate(groups) for x in parameters(group)]
        self.arrays = [array for array, _ in found]
        self.numbers = [number for _, number in found]
        self.options = [own for _, own in groups]


class Optimizer(Attributed):
    """An update rule and its state, which lies in arrays that `step` writes in place.

    Attributes:
        count: how many steps have been taken, a 0-d int64 array.
        slots: for each parameter, the arrays that the rule keeps for it.
        options: learning rate and the rule's other numbers; read anew at each step, so they may be
            changed between steps, but for what needs arrays that were not made at the start: a
            momentum where there was none.
    """

    _buffers = ("count", "slots")
    _slots: tuple[str, ...] = ()

    def __init__(self, params: Any, **options: Any) -> None:
        params = _as_pairs(params)
        self.options = options
        self.groups = _groups(params, options)
        self._check(options)
        if self.groups is not None:
            for own in self.groups.options:
                self._check(options | own)
            params = [group for group, _ in params]
        self.count = np.zeros((), np.int64)
        self.slots = self._new(params)

    # --- what a rule says ---

    def _check(self, options: Options) -> None:
        """Refuse options out of range.

        Raises:
            DomainError: says which.
        """
        for name, value in options.items():
            numbers = value if isinstance(value, tuple) else (value,)
            for number in numbers:
                if not callable(number) and not isinstance(number, bool) and number < 0:
                    raise DomainError(f"{type(self).__name__}: {name}={value!r} is negative")
        for beta in options.get("betas", ()):
            if beta >= 1:
                raise DomainError(
                    f"{type(self).__name__}: betas={options['betas']!r} have to be less than 1"
                )

    def _kept(self, options: Options) -> tuple[str, ...]:
        """The names of what is kept for each parameter."""
        return self._slots

    def _start(self, name: str, parameter: Any) -> Any:
        """What is kept at first."""
        return np.zeros(parameter.shape, parameter.dtype)

    def _update(
        self, p: Any, g: Any, kept: Mapping[str, Any], steps: Any, lr: Any, options: Options
    ) -> tuple[Any, dict[str, Any]]:
        """The new parameter, and what is kept after the step; `steps` have been taken before it."""
        raise NotImplementedError

    def _new(self, params: Any) -> list[dict[str, Any]]:
        return [
            {name: self._start(name, leaf) for name in self._kept(self._options_of(number))}
            for number, leaf in enumerate(parameters(params))
        ]

    def _options_of(self, number: int) -> Options:
        """The options of a parameter."""
        if self.groups is None:
            return self.options
        return {**self.options, **self.groups.options[self.groups.numbers[number]]}

    # --- steps ---

    def step(self, params: Any, grads: Any) -> None:
        """Update `params` in place.

        Args:
            params: a pytree like the one that the optimizer was made for.
            grads: its gradient; where it is None, or has nothing, the parameter stays as it is.

        Raises:
            ShapeError: `params` or `grads` are of another structure, or of other shapes.
            DTypeError: a parameter is no array, so that it can't be written: use `update`.
        """
        pairs = self._paired(params, grads, self.slots, written=True)
        for path, p, g, number in pairs:
            if not isinstance(p, np.ndarray):
                raise DTypeError(
                    f"{type(self).__name__}: the parameter{path} is a {type(p).__name__}, which "
                    "can't be written in place",
                    hint="Keep it in a 0-d array, as in np.asarray(x), or take opt.update.",
                )
            options, kept = self._options_of(number), self.slots[number]
            rate = self._rate(options, self.count)
            new, after = self._update(p, g, kept, self.count, rate, options)
            p[...] = new
            for name, value in after.items():
                kept[name][...] = value
        self.count += 1

    def init(self, params: Any) -> dict[str, Any]:
        """The first state of the pure form: a pytree of new arrays."""
        return {"count": np.int64(0), "slots": self._new(params)}

    def update(self, params: Any, grads: Any, state: Any) -> tuple[Any, Any]:
        """The pure form: ``(params, state)`` after a step; nothing is written.

        Raises:
            ShapeError: as `step`.
        """
        count, slots = state["count"], state["slots"]
        after: dict[int, Any] = {}
        kept_after = [dict(kept) for kept in slots]
        for _, p, g, number in self._paired(params, grads, slots):
            options = self._options_of(number)
            rate = self._rate(options, count)
            new, changed = self._update(p, g, slots[number], count, rate, options)
            after[id(p)] = new
            kept_after[number].update(changed)
        filled = unflatten(params, [after.get(id(leaf), leaf) for leaf in leaves(params)])
        return filled, {"count": count + 1, "slots": kept_after}

    def _rate(self, options: Options, count: Any) -> Any:
        rate = options["lr"]
        return float(rate(count[()])) if callable(rate) else rate

    def _paired(
        self, params: Any, grads: Any, slots: Sequence[Any], written: bool = False
    ) -> list[tuple[str, Any, Any, int]]:
        """Each parameter that has a gradient, once: its path, itself, the gradient, its number."""
        name = type(self).__name__
        numbers = {id(leaf): number for number, leaf in enumerate(parameters(params))}
        if self.groups is not None:
            grouped = {id(array): number for number, array in enumerate(self.groups.arrays)}
            # The groups' own arrays may come in another order, else they stand in that of theirs.
            if written and set(numbers) != set(grouped):
                raise ShapeError(
                    f"{name}: the parameters are not the arrays of its groups",
                    hint="A copy has arrays of its own: copy both together, as in "
                    "copy.deepcopy((model, opt)), or make the optimizer for the copy.",
                )
            numbers = grouped if set(numbers) == set(grouped) else numbers
        if len(numbers) != len(slots):
            raise ShapeError(
                f"{name}: {len(numbers)} parameters for the state of {len(slots)}",
                hint="Pass the tree that the optimizer was made for, or make another optimizer.",
            )
        found = []
        for path, p, g in paired_leaves(params, grads, f"{name}: the gradient differs", ""):
            number = numbers.pop(id(p), None)
            if number is None or g is None:
                continue
            shapes = {tuple(value.shape) for value in slots[number].values()} | {np.shape(g)}
            if shapes - {tuple(np.shape(p))}:
                others = " and ".join(map(str, sorted(shapes - {tuple(np.shape(p))})))
                raise ShapeError(
                    f"{name}: the parameter{path} is {tuple(np.shape(p))}, its gradient or state "
                    f"{others}"
                )
            found.append((path, p, g, number))
        return found

    # --- state ---

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the state by names: ``count``, ``slots.0.m``, ..."""
        return state_of(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write a state into this one, in place.

        Raises:
            StateError: it is that of another optimizer, or of other parameters.
        """
        load_state(self, state, hint="Nothing was loaded.")

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        groups = f"{len(self.groups.options)} groups, " if self.groups is not None else ""
        held = f"{groups}{len(self.slots)} arrays, step {self.count}"
        return f"{type(self).__name__}({options}; {held})"

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("options", ()):
            raise AttributeError(
                f"{type(self).__name__} reads {name} from its options: write "
                f"optimizer.options[{name!r}] = {value!r}"
            )
        super().__setattr__(name, value)


def parameters(params: Any) -> list[Any]:
    """The leaves of `params` that a derivative may be taken by, each once.

    A frozen one is among them, for it may not stay so.
    """
    found: dict[int, Any] = {}
    for leaf, on in zip(leaves(params), trained(params, frozen=True), strict=True):
        if on and _floating(leaf):
            found.setdefault(id(leaf), leaf)
    return list(found.values())


def decayed(p: Any, g: Any, options: Options) -> Any:
    """A gradient with that of the weight decay."""
    decay = options["weight_decay"]
    return g if isinstance(decay, int) and decay == 0 else g + decay * p


def _floating(leaf: Any) -> bool:
    if type(leaf) in (float, complex):
        return True
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and dtype.kind in "fc"


def _as_pairs(params: Any) -> Any:
    """Groups as PyTorch writes them, ``[{"params": x, "lr": 0.1}, ...]``, as pairs."""
    written = isinstance(params, list) and params
    if not (written and all(isinstance(item, dict) and "params" in item for item in params)):
        return params
    return [
        (item["params"], {name: value for name, value in item.items() if name != "params"})
        for item in params
    ]


def _groups(params: Any, options: Options) -> Groups | None:
    """The groups of ``[(params, options), ...]``; None where `params` is no such list."""
    if not isinstance(params, list) or not all(map(_is_group, params)):
        return None
    for _, own in params:
        unknown = sorted(set(own) - set(options))
        if unknown:
            raise DomainError(f"a group sets {unknown}; the options are {sorted(options)}")
    return Groups(params) if params else None


def _is_group(item: Any) -> bool:
    pair = isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], dict)
    return pair and not any(hasattr(value, "dtype") for value in item[1].values())
