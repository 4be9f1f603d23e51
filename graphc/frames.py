"""Tracebacks of the user's frames only, at every call that a user writes."""

from __future__ import annotations

from types import TracebackType

from graphc.trace.context import without_internal_frames


class _UserFrames:
    """Errors leave the block without graphc's own frames, that of the block too.

    Only the block of the outermost function that is graphc's makes the whole traceback the user's:
    each frame below it that the error leaves later is added again.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            without_internal_frames(error)


USER_FRAMES = _UserFrames()
"""``with USER_FRAMES:`` around what a public function does; ``GRAPHC_DEBUG=1`` keeps all frames."""
