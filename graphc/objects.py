"""Generated functions -> addresses: from this process, else from the disk cache, else compiled.

Only the last imports Numba. Functions with equal text are the same function, in a process and
among processes; the key on disk also names what else decides the code: the generator's own
sources, the versions below it, and the processor.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import linecache
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import FunctionType
from typing import Any

from graphc import cache as disk
from graphc.errors import BackendError
from graphc.threads import forks_wait, held_while_forking, load_rooms, undisturbed

FORMAT = "1"
MAKERS = {"kernel": "cpu", "linked": "linked", "words": "words.compiler"}
"""The modules of `graphc.codegen` that make LLVM's text of each kind of function."""

LLVM_THREADS = 2
"""More would wait for Numba, which works in one."""

ALLOCATIONS = 1_000_000
"""Objects that Numba may make before Python's collector looks at them."""

_addresses: dict[str, int] = {}
_lock = threading.RLock()
held_while_forking(_lock)


@dataclass(frozen=True, slots=True)
class Native:
    """One generated function to be had as native code.

    Attributes:
        name: what it is called in its module.
        kind: a key of `MAKERS`: a kernel, a plain function of words, or one with its kernels.
        text: what decides its code; two with the same text and kind are the same.
        level: of optimisation, 0 to 3.
    """

    name: str
    kind: str
    text: str
    level: int = 3

    @property
    def key(self) -> str:
        """The key of its entry on disk."""
        return disk.digest(environment(), self.kind, str(self.level), self.text)


@cache
def environment() -> str:
    """The digest of all that decides code beside the text: generator, versions, processor."""
    with forks_wait:
        processor = load_rooms("graphc.codegen.target").host()
    folder = Path(__file__).parent / "codegen"
    sources = [path.read_bytes() for path in sorted(folder.rglob("*.py"))]
    # A module that takes long to import, for what only compiling needs.
    version = load_rooms("importlib.metadata").version
    versions = [version(name) for name in ("graphc", "numba", "llvmlite")]
    return disk.digest(FORMAT, *versions, *processor, *sources)


def addresses(
    wanted: Sequence[Native], module: Callable[[], dict[str, Any]], keep: bool = True
) -> list[int]:
    """The address of each function, with C's calling convention.

    Args:
        module: gives the namespace of the generated module; called only if one must be compiled.
        keep: look in the disk cache, and keep there what is compiled.
    """
    keys = [native.key for native in wanted]
    if not all(key in _addresses for key in keys):
        missing = dict(zip(keys, wanted, strict=True))
        undisturbed(lambda stop: _complete(missing, module, keep, stop))
    return [_addresses[key] for key in keys]


def _complete(
    wanted: Mapping[str, Native],
    module: Callable[[], dict[str, Any]],
    keep: bool,
    stop: threading.Event,
) -> None:
    """See to it that the addresses of all `wanted` are known."""
    with _lock:
        missing = _missing(wanted, keep)
    if not missing:
        return
    if keep:
        _load_file_locks()
    with _lock:
        missing = _missing(missing, keep)
        if missing:
            _build(missing, module(), keep, stop)


@cache
def _load_file_locks() -> None:
    """Load what locks files. It has forks wait, too, and before that they must wait for `_lock`:
    who holds it may be about to release a file. What is registered last is called first."""
    disk.load_locks()
    held_while_forking(_lock)


def _missing(wanted: Mapping[str, Native], keep: bool) -> dict[str, Native]:
    """Those of which neither this process nor the disk cache has the code."""
    return {
        key: native
        for key, native in wanted.items()
        if key not in _addresses and not (keep and _found(key))
    }


def words_functions(module: str, names: Sequence[str]) -> list[int]:
    """The addresses of plain functions of words, in the module `graphc.codegen.words.<module>`.

    They need no text: the key on disk holds the sources of the whole generator.
    """
    wanted = [Native(name, "words", f"{module}.{name}", level=2) for name in names]
    return addresses(wanted, lambda: vars(load_rooms(f"graphc.codegen.words.{module}")))


def c_address(function: Any) -> int:
    """The address of a function of ctypes."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _found(key: str) -> bool:
    """Whether the disk cache has something under `key` that loads."""
    data = disk.get("objects", key)
    if data is None:
        return False
    try:
        _addresses[key] = _load(data)
    except BackendError:
        disk.discard("objects", key)
        return False
    return True


def _build(
    missing: Mapping[str, Native], namespace: Mapping[str, Any], keep: bool, stop: threading.Event
) -> None:
    """Compile functions, but for those that another process compiles while this one waits.

    Numba works in this thread, and LLVM beside it in others.

    Raises:
        CancelledError: `stop` is set, and something is left to do.
    """
    with _few_collections(), ThreadPoolExecutor(LLVM_THREADS, "graphc-llvm") as threads:
        jobs: dict[str, Future[bytes]] = {}
        try:
            for key, native in missing.items():
                if stop.is_set():
                    raise CancelledError
                job = _start(threads, native, key, namespace[native.name], keep)
                if job is not None:
                    jobs[key] = job
            for key, job in jobs.items():
                _addresses[key] = _load(job.result())
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _few_collections() -> Iterator[None]:
    """Python's collector runs seldom within; it would go through all the caller has, many times."""
    before = gc.get_threshold()
    if before[0] > 0:
        gc.set_threshold(max(before[0], ALLOCATIONS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _start(
    threads: Executor, native: Native, key: str, function: FunctionType, keep: bool
) -> Future[bytes] | None:
    """Have Numba translate one function, and begin with the rest; None if it is there meanwhile."""
    release = disk.building("objects", key) if keep else disk.release_nothing
    try:
        if keep and _found(key):
            release()
            return None
        maker: Any = load_rooms(f"graphc.codegen.{MAKERS[native.kind]}")
        text = maker.llvm_text(function, _symbol(key))
        job = _submit(threads, partial(_finish, native, key, text, keep))
    except BaseException:
        release()
        raise
    job.add_done_callback(lambda _: release())
    return job


def _submit(threads: Executor, work: Callable[[], bytes]) -> Future[bytes]:
    """Have a thread do `work`; done here and now where the interpreter ends: none starts then."""
    try:
        return threads.submit(copy_context().run, work)
    except RuntimeError:
        job: Future[bytes] = Future()
        job.set_result(work())
        return job


def _finish(native: Native, key: str, text: str, keep: bool) -> bytes:
    """Make the object of LLVM's text, and keep it on disk."""
    target: Any = load_rooms("graphc.codegen.target")
    code, externals = target.object_code(text, _symbol(key), native.level)
    header = json.dumps({"symbol": _symbol(key), "externals": externals}).encode()
    data: bytes = header + b"\n" + code
    if keep:
        disk.put("objects", key, data)
    return data


def _symbol(key: str) -> str:
    return f"graphc_{key[:32]}"


def _load(data: bytes) -> int:
    """Put a compiled function into this process."""
    target: Any = load_rooms("graphc.codegen.target")
    header, _, code = data.partition(b"\n")
    known = json.loads(header)
    loader = target.loader()
    return int(loader.load(code, known["symbol"], known["externals"]))


def module_namespace(source: str, path: Path) -> dict[str, Any]:
    """Run a generated module; its functions name the file at `path` in tracebacks."""
    namespace: dict[str, Any] = {"__name__": f"graphc_generated.{path.stem}"}
    linecache.cache[str(path)] = (len(source), None, source.splitlines(True), str(path))
    exec(compile(source, str(path), "exec"), namespace)
    return namespace


# --- the files of generated modules ---------------------------------------------------------------

_folder: list[tuple[int, Path]] = []


def write_source(source: str, name: str) -> Path:
    """The file of a generated module, written if it is not there.

    It is in the cache folder or, where that can't be written, in a temporary one.
    """
    clean = "".join(c if c.isalnum() else "_" for c in name) or "graph"
    file = f"{clean}_{disk.digest(source)[:12]}.py"
    for folder in (_kept_folder, _temporary_folder):
        try:
            return _written(source, folder() / file)
        except OSError:
            continue
    return Path(f"<{file}>")


def _written(source: str, path: Path) -> Path:
    """The file at `path`, whole; written if it is not there."""
    if path.exists():
        return path
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.write_text(source, encoding="utf-8")
        part.replace(path)
    except OSError:
        disk.remove(part)
        raise
    return path


def _kept_folder() -> Path:
    return disk.folder() / "generated"


def _temporary_folder() -> Path:
    if not _folder or _folder[0][0] != os.getpid():
        made = Path(tempfile.mkdtemp(prefix="graphc-"))
        _folder[:] = [(os.getpid(), made)]
        atexit.register(_remove_folder, os.getpid(), made)
    return _folder[0][1]


def _remove_folder(process: int, folder: Path) -> None:
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)
