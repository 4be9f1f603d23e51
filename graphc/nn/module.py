"""`Module`: a network, or a part of one, with its arrays as attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.nn.state import below, load_state, named_arrays, once, state_of
from graphc.trace.trees import Attributed, bears_arrays, children


class Module(Attributed):
    """A part of a network: subclass it, assign arrays and modules, write ``forward``.

    Calling a module calls ``forward``. Float arrays among its attributes are parameters, unless
    `register_buffer` named them; other arrays are buffers. Modules and arrays in lists, tuples and
    dicts that it holds are found, too. A module is a pytree of its arrays: derivatives by a module
    are modules, and compiled functions take and write them in place.

    >>> import numpy as np, graphc
    >>> from graphc import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         self.factor = np.full(2, 3.0, np.float32)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> scale = Scale()
    >>> scale
    Scale()  # 2 parameters
    >>> scale(np.array([1, 2], np.float32))
    array([3., 6.], dtype=float32)
    >>> graphc.grad(lambda m, x: m(x).sum())(scale, np.array([1, 2], np.float32)).factor
    array([1., 2.], dtype=float32)
    """

    training: bool = True
    _transient: tuple[str, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes.

        Raises:
            NotImplementedError: the subclass has none of its own.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # --- what it holds ---

    def register_buffer(self, name: str, array: Any, persistent: bool = True) -> None:
        """Set an attribute to an array (or None) that is state, no parameter.

        Args:
            persistent: whether `state_dict` has it.
        """
        if name not in self._buffers:
            self._buffers = (*self._buffers, name)
        if not persistent and name not in self._transient:
            self._transient = (*self._transient, name)
        setattr(self, name, array)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module, named `prefix`, and all below it, each once, with dotted names."""
        seen: set[int] = set()
        for name, module in _modules(self, prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right below this one, with their names."""
        for name, child in children(self):
            yield from _outermost(name, child)

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each parameter once, with its dotted name: ``layers.0.weight``."""
        return once(
            (name, array) for name, array, kind in named_arrays(self) if kind == "parameter"
        )

    def parameters(self) -> Iterator[np.ndarray]:
        """Each parameter once; frozen ones too."""
        return (array for _, array in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        """Each buffer once, with its dotted name."""
        return once(
            (name, array) for name, array, kind in named_arrays(self) if kind != "parameter"
        )

    def buffers(self) -> Iterator[np.ndarray]:
        """Each buffer once."""
        return (array for _, array in self.named_buffers())

    # --- state ---

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and persistent buffers by their dotted names, as in PyTorch."""
        return state_of(self)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Write arrays into those of this module, in place.

        Args:
            state: arrays, or what `numpy.asarray` takes (PyTorch's tensors on the CPU), by dotted
                names. Their dtypes are converted.
            strict: refuse names that one of the two sides lacks.

        Raises:
            StateError: names missing, unexpected or of other shapes, all in one message. Nothing
                is written then.
        """
        load_state(self, state, strict)

    # --- modes ---

    def train(self, mode: bool = True) -> Module:
        """Set ``training`` of all modules to `mode`: what dropout and batch norm ask for."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Set ``training`` of all modules to False."""
        return self.train(False)

    def freeze(self) -> Module:
        """Take no derivative by the parameters of this module and those below; `unfreeze` does."""
        for module in self.modules():
            module._frozen = True
        return self

    def unfreeze(self) -> Module:
        """Take derivatives by all parameters again."""
        for module in self.modules():
            module._frozen = False
        return self

    def apply(self, function: Callable[[Module], Any]) -> Module:
        """Call `function` on each module, those below first."""
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def to(self, dtype: Any) -> Module:
        """Convert all floating arrays to a floating `dtype`; the arrays are new ones.

        Raises:
            DTypeError: `dtype` is not floating.
        """
        wanted = np.dtype(dtype)
        if wanted.kind not in "fc":
            raise DTypeError(
                f"a module's arrays can't be converted to {wanted}: it is not floating"
            )
        made: dict[int, np.ndarray] = {}

        def converted(array: np.ndarray) -> np.ndarray:
            if array.dtype.kind not in "fc" or array.dtype == wanted:
                return array
            return made.setdefault(id(array), array.astype(wanted))

        for module in list(self.modules()):
            for name, value in list(vars(module).items()):
                if bears_arrays(value):
                    setattr(module, name, _replaced(value, converted))
        return self

    # --- text ---

    def extra_repr(self) -> str:
        """What stands between the parentheses of a layer's repr: its arguments."""
        return ""

    def __repr__(self) -> str:
        count = sum(array.size for array in self.parameters())
        unit = "parameter" if count == 1 else "parameters"
        return f"{_tree_text(self)}  # {count:,} {unit}"


def _tree_text(module: Module) -> str:
    lines = [
        f"  ({name}): {_tree_text(child)}".replace("\n", "\n  ")
        for name, child in module.named_children()
    ]
    kind, extra = type(module).__name__, module.extra_repr()
    if not lines:
        return f"{kind}({extra})"
    return "\n".join([f"{kind}({extra}", *lines, ")"])


def _modules(tree: Any, path: str) -> Iterator[tuple[str, Module]]:
    """The modules below, in the order in which they were assigned, parents first."""
    if isinstance(tree, Module):
        yield path, tree
    for key, child in below(tree):
        yield from _modules(child, f"{path}.{key}" if path else str(key))


def _outermost(path: str, tree: Any) -> Iterator[tuple[str, Module]]:
    """`tree`, or the first modules below the containers that it is."""
    if isinstance(tree, Module):
        yield path, tree
        return
    for key, child in below(tree):
        yield from _outermost(f"{path}.{key}", child)


def _replaced(value: Any, function: Callable[[np.ndarray], np.ndarray]) -> Any:
    """`value` with its arrays replaced; modules in it stay, for they are visited themselves."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, Attributed) or not isinstance(value, list | tuple | dict):
        return value
    if isinstance(value, dict):
        return {key: _replaced(item, function) for key, item in value.items()}
    items = [_replaced(item, function) for item in value]
    return tuple(items) if isinstance(value, tuple) else items
