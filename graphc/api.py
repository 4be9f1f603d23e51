"""`compile` and what a compiled function offers: calls, `lower`, `explain`, `specializations`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

import numpy as np

from graphc import specialize
from graphc.errors import DomainError
from graphc.frames import USER_FRAMES
from graphc.ir import Graph
from graphc.options import Options
from graphc.report.explain import Explanation, explain
from graphc.runtime import blocks
from graphc.specialize import Specialization, Specializations
from graphc.threads import load_rooms
from graphc.trace.call_code import MISS
from graphc.trace.context import UNUSUAL, current, without_internal_frames
from graphc.trace.trees import tree_map
from graphc.types import supported_dtype

if TYPE_CHECKING:
    from graphc.report.profile import Profile

P = ParamSpec("P")
R = TypeVar("R")


class Spec:
    """The type of an array that is not there yet; see `spec`."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int | str, ...], dtype: np.dtype) -> None:
        self.shape = shape
        self.dtype = dtype

    def __repr__(self) -> str:
        return f"spec({self.shape}, {self.dtype})"


def spec(shape: Sequence[int | str], dtype: Any = np.float64) -> Spec:
    """Describe an array argument, with names for the axes whose size varies.

    Args:
        shape: an int for a fixed size, a name for a symbolic one; equal names are equal sizes.
        dtype: the element type.

    Raises:
        DTypeError: a dtype that graphc does not have.
        TypeError: an entry of `shape` that is neither int nor identifier.

    >>> import numpy as np, graphc
    >>> f = graphc.compile(lambda x: x.sum(axis=0))
    >>> str(f.lower(graphc.spec(("batch", 3), np.float32)).graph.inputs[0].type)
    'float32[batch, 3]'
    """
    for size in shape:
        if not (type(size) is int and size >= 0) and not (
            isinstance(size, str) and size.isidentifier()
        ):
            raise TypeError(f"{size!r} in the shape is neither a size nor a name")
    return Spec(tuple(shape), supported_dtype(np.dtype(dtype)))


class Lowered:
    """What a call would run, to be read before, or without, running it.

    Attributes:
        graph: the simplified Graph IR; prints as text.
        kernels: the kernels, with the nodes fused into each.
        memory: the plan of the arena.
        source: the generated Python source of the native step.
    """

    def __init__(self, function: CompiledFunction[Any, Any], form: Specialization) -> None:
        self._function = function
        self._form = form
        self.graph: Graph = form.executable.graph
        self.kernels = form.executable.kernels
        self.memory = form.executable.memory
        self.source: str = form.executable.source

    def compile(self) -> CompiledFunction[Any, Any]:
        """The compiled function, with this form ready for its calls."""
        self._function._forms.adopt(self._form)
        return self._function

    def __repr__(self) -> str:
        return f"Lowered({self._function.__name__}: {len(self.kernels)} kernels)"


class CompiledFunction(Generic[P, R]):
    """A function that runs as native code; see `graphc.compile`."""

    def __init__(self, function: Callable[P, R], options: Options) -> None:
        # The attributes of an object that can be called are its own.
        update_wrapper(self, function, updated=("__dict__",) if inspect.isroutine(function) else ())
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.options = options
        self._forms: Specializations = specialize.specializations_of(
            function, self.__name__, options
        )
        self._entries = self._forms.entries
        self._names, self._signature = _parameters(function)
        unknown = [name for name in options.donate if name not in self._names]
        if unknown:
            raise ValueError(
                f"donate names {unknown[0]!r}, which is no argument of {self.__name__}"
            )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            if not (kwargs or UNUSUAL):
                # The quick way, for most calls: what `Specializations.call` does first.
                function = self.__wrapped__
                for entry in self._entries:
                    result: R = entry.call(function, args, kwargs)
                    if result is not MISS:
                        return result
            return self._call(args, kwargs)
        except Exception as error:
            without_internal_frames(error)
            raise

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """A call inside another compiled function, in eager mode, by name, or of a new form."""
        if current() is not None:
            return self._traced()(*args, **kwargs)
        if specialize.is_eager():
            return self.__wrapped__(*args, **kwargs)
        positional, named = (args, kwargs) if not kwargs else self._bind(args, kwargs)
        return cast(R, self._forms.call(self.__wrapped__, positional, named, self._names))

    def _traced(self) -> Callable[P, R]:
        """The wrapped function as it is traced: inside another it is traced through."""
        trace = current()
        assert trace is not None
        capture = trace.capture
        return cast(
            Callable[P, R], capture.wrap(self.__wrapped__, capture.constant(self.__wrapped__))
        )

    def _bind(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments given by name in their positions, so that both ways share one form."""
        if self._signature is None:
            return args, kwargs
        bound = self._signature.bind(*args, **kwargs)
        return bound.args, bound.kwargs

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> CompiledFunction[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> BoundFunction: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        return self if instance is None else BoundFunction(self, instance)

    def __graphc_fingerprint__(self) -> Any:
        return specialize.fingerprint(self.__wrapped__)

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        capture.require(f"type({source}) is {capture.constant(type(self))}")
        return capture.wrap(self.__wrapped__, f"{source}.__wrapped__")

    @property
    def specializations(self) -> tuple[Specialization, ...]:
        """The compiled forms, the one used or made last first."""
        return tuple(self._forms.entries)

    def clear_cache(self) -> None:
        """Forget the compiled forms, and give memory that no result or call uses back."""
        with self._forms.lock:
            self._forms.entries.clear()
            self._forms.pinned.clear()
        blocks.trim()

    def keep_sizes(self, count: int) -> None:
        """Give `count` forms a size each, before a size that is another becomes symbolic."""
        self._forms.known = count

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The graph, kernels, memory plan and source for a call; nothing is run.

        Arguments are as for a call; a `graphc.spec` may stand for an array.
        """
        with USER_FRAMES:
            return Lowered(self, self._form(args, kwargs)[0])

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """What a call runs: kernels and what each fused, seconds per stage, memory; nothing is run.

        The report prints as a table; its attributes hold the same as data.
        """
        with USER_FRAMES:
            form, sizes = self._form(args, kwargs)
        return explain(self.__name__, form, sizes)

    def profile(self, *args: Any, repeats: int = 5, **kwargs: Any) -> Profile:
        """How long each kernel takes, and how near the machine's limits it comes.

        The kernels run one by one, on copies: nothing is written to the arguments. The report
        prints as a table, the slowest first; its attributes hold the same as data. The limits of
        the machine are measured at the first call, in about half a second.

        Args:
            repeats: runs, of which the quickest counts.

        Raises:
            DomainError: `repeats` is below 1.

        >>> import numpy as np, graphc
        >>> square = graphc.compile(lambda x: np.sum(x * x))
        >>> report = square.profile(np.ones(1000))
        >>> len(report.kernels), report.kernels[0].flops
        (1, 2000)
        """
        if repeats < 1:
            raise DomainError(f"profile: repeats={repeats}")
        with USER_FRAMES:
            form, (arrays, sizes) = self._inputs(args, kwargs)
        report: Profile = load_rooms("graphc.report.profile").profile(
            self.__name__, form, arrays, sizes, repeats
        )
        return report

    def export(self, path: Any, *args: Any, **options: Any) -> None:
        """Write the function, for arguments like these, to a file or a library; see `export`."""
        export(self, *args, path=path, **options)

    def _form(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Specialization, dict[str, int]]:
        """The form for a call, and the values of its symbolic sizes."""
        form, (_, sizes) = self._inputs(args, kwargs)
        return form, sizes

    def _inputs(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Specialization, tuple[Any, dict[str, int]]]:
        """The form for a call, its graph's inputs, and the values of its symbolic sizes."""
        positional, named = self._bind(args, kwargs)
        examples = _Examples()
        positional = tuple(tree_map(examples.of, item) for item in positional)
        named = {key: tree_map(examples.of, item) for key, item in named.items()}
        form = self._forms.find(
            self.__wrapped__, positional, named, self._names, examples.axes or None
        )
        return form, form.program.inputs_of(self.__wrapped__, positional, named)

    def __reduce__(self) -> str:
        """Pickled by name, as a plain function is."""
        return str(self.__wrapped__.__qualname__)

    def __repr__(self) -> str:
        return f"<graphc.compile {getattr(self, '__qualname__', self.__name__)}>"


class BoundFunction:
    """A compiled method of one object."""

    def __init__(self, function: CompiledFunction[Any, Any], instance: object) -> None:
        self.__func__ = function
        self.__self__ = instance
        self.__wrapped__ = MethodType(function.__wrapped__, instance)
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.__func__(self.__self__, *args, **kwargs)
        except Exception as error:
            without_internal_frames(error)
            raise

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """See `CompiledFunction.lower`."""
        with USER_FRAMES:
            return self.__func__.lower(self.__self__, *args, **kwargs)

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """See `CompiledFunction.explain`."""
        with USER_FRAMES:
            return self.__func__.explain(self.__self__, *args, **kwargs)

    def profile(self, *args: Any, repeats: int = 5, **kwargs: Any) -> Profile:
        """See `CompiledFunction.profile`."""
        with USER_FRAMES:
            return self.__func__.profile(self.__self__, *args, repeats=repeats, **kwargs)

    def export(self, path: Any, *args: Any, **options: Any) -> None:
        """See `CompiledFunction.export`."""
        export(self, *args, path=path, **options)

    @property
    def specializations(self) -> tuple[Specialization, ...]:
        """See `CompiledFunction.specializations`."""
        return self.__func__.specializations

    def __graphc_fingerprint__(self) -> Any:
        return specialize.fingerprint(self.__wrapped__)

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        return capture.wrap(self.__wrapped__, f"{source}.__wrapped__")


def export(function: Any, *args: Any, path: Any, **options: Any) -> None:
    """Write a function, for arguments like these, so that it runs elsewhere.

    The suffix of `path` says how: ``.graphc``, a portable file that `graphc.load` reads; ``.onnx``,
    for ONNX Runtime and others; ``.so``, or a folder, a C library with a header.

    Arrays that the function finds in modules, optimizers, closures and globals are its state: a
    file holds them, a C library takes them as arguments. Numbers found there are constants, as are
    ints, bools and strings that are arguments. Results are new arrays, also where they were views.

    Args:
        function: a function, compiled or not, or a module: then its ``forward``.
        args: arrays, or a `spec` for one, with names for the axes whose size varies; pytrees of
            them; modules and optimizers.
        options: ``kwargs``, a dict of arguments by name; ``name``, what it is called there;
            ``sizes``, a dict of sizes for named axes, with which the function is traced: branches
            on them are decided so, and other sizes refused. Of ONNX ``opset``; of a C library see
            `graphc.exporting.c.library.write_library`.

    Raises:
        ExportError: the function has something that the file can't; the one that was there is as
            it was.

    >>> import tempfile, numpy as np, graphc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     graphc.export(lambda x: x * 2, np.ones(3), path=f"{folder}/twice.graphc")
    ...     graphc.load(f"{folder}/twice.graphc")(np.arange(3.0))
    array([0., 2., 4.])
    """
    inner = getattr(function, "__wrapped__", function)
    inner = inner if isinstance(function, CompiledFunction | BoundFunction) else function
    examples = _Examples(options.pop("sizes", {}))
    given = tuple(tree_map(examples.of, item) for item in args)
    named = {k: tree_map(examples.of, item) for k, item in options.pop("kwargs", {}).items()}
    with USER_FRAMES:
        load_rooms("graphc.exporting.export").export(
            inner, given, named, examples.axes, path, **options
        )


class _Examples:
    """Arrays that stand for specs while tracing, and the names of their axes."""

    _PRIMES = (61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149)

    def __init__(self, sizes: Mapping[str, int] | None = None) -> None:
        self.axes: dict[int, tuple[int | str, ...]] = {}
        self._sizes: dict[str, int] = dict(sizes or {})
        self._held: list[np.ndarray] = []

    def of(self, leaf: Any) -> Any:
        """The leaf itself, or an array for a spec."""
        if not isinstance(leaf, Spec):
            return leaf
        shape = []
        for size in leaf.shape:
            if isinstance(size, str):
                position = len(self._sizes) % len(self._PRIMES)
                shape.append(self._sizes.setdefault(size, self._PRIMES[position]))
            else:
                shape.append(size)
        array = np.zeros(shape, leaf.dtype)
        self._held.append(array)
        self.axes[id(array)] = leaf.shape
        return array


def _parameters(function: Any) -> tuple[tuple[str, ...], inspect.Signature | None]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return (), None
    return tuple(signature.parameters), signature


@overload
def compile(
    fn: Callable[P, R],
    *,
    target: str = ...,
    donate: Sequence[str] | str = ...,
    threads: int | None = ...,
    precision: str = ...,
    optimize: str = ...,
    memory_limit: int | None = ...,
    debug: str | None = ...,
    verify: bool = ...,
    cache: bool = ...,
) -> CompiledFunction[P, R]: ...
@overload
def compile(
    fn: None = None,
    *,
    target: str = ...,
    donate: Sequence[str] | str = ...,
    threads: int | None = ...,
    precision: str = ...,
    optimize: str = ...,
    memory_limit: int | None = ...,
    debug: str | None = ...,
    verify: bool = ...,
    cache: bool = ...,
) -> Callable[[Callable[P, R]], CompiledFunction[P, R]]: ...
def compile(
    fn: Callable[..., Any] | None = None,
    *,
    target: str = "cpu",
    donate: Sequence[str] | str = (),
    threads: int | None = None,
    precision: str = "strict",
    optimize: str = "default",
    memory_limit: int | None = None,
    debug: str | None = None,
    verify: bool = False,
    cache: bool = True,
) -> Any:
    """Compile a plain NumPy function: the same values, dtypes, shapes and writes, faster.

    The function is traced at its first call with arguments of new types, and runs as one native
    call from then on. Works as a decorator, with or without options, on functions, methods and
    lambdas.

    Args:
        fn: the function; None when used as a decorator with options.
        target: ``"cpu"``; ``"cuda"`` raises BackendError in this version.
        donate: names of arguments whose storage the results may reuse: a result of an array's
            dtype and shape is made in its place where no copy is needed for that, and is that
            array. What a donated array holds after the call is undefined.
        threads: how many threads run a large kernel; by default ``GRAPHC_THREADS``, else one a
            core. Results do not depend on it. What is left to BLAS (complex products, large ones
            of few rows) runs on BLAS's own threads.
        precision: ``"strict"``, or ``"fast"``: exp, expm1, tanh, log and the logistic function may
            be off by 2**-20 (float32) and 2**-36 (float64) of their value; NaN, inf and zeros are
            what they are.
        optimize: ``"fast"`` compiles sooner, to slower code; ``"default"``; ``"full"`` also
            measures ways to compute each matrix product of known sizes, and keeps the choice.
        memory_limit: bytes of scratch memory that a call may use (``explain(...).arena_bytes``;
            arguments and results are not counted). Gradients recompute, in as few segments as
            suffice, instead of keeping; raises MemoryLimitError where nothing suffices. Each size
            of an axis then compiles on its own.
        debug: ``"nan"`` raises NonFiniteError at the first operation that makes a NaN or inf.
        verify: compare each call with the NumPy evaluator; raises VerificationError.
        cache: keep compiled kernels on disk, for later processes: ``GRAPHC_CACHE_DIR``, else the
            platform's cache folder.

    Raises:
        TypeError: `fn` is no function.
        ValueError, BackendError, UnsupportedError: an option that can't be served.

    >>> import numpy as np, graphc
    >>> @graphc.compile
    ... def scale(x, factor):
    ...     return x * factor
    >>> scale(np.array([1.0, 2.0], dtype=np.float32), 3.0)
    array([3., 6.], dtype=float32)
    """
    names = (donate,) if isinstance(donate, str) else tuple(donate)
    options = Options(
        target, names, threads, precision, optimize, memory_limit, debug, verify, cache
    )

    def decorate(function: Callable[..., Any]) -> CompiledFunction[..., Any]:
        if isinstance(function, CompiledFunction):
            return CompiledFunction(function.__wrapped__, options)
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"graphc.compile takes a function, not {function!r}")
        return CompiledFunction(function, options)

    return decorate if fn is None else decorate(fn)
