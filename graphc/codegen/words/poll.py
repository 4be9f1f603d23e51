"""A native loop's look for signals: Python runs their handlers, and one that raises ends the step.

    signals := type, value and traceback of what a handler raised, four functions of Python's

The exception is fetched into its place, and raised again when the step is left.
"""

from __future__ import annotations

from graphc.codegen.words.memory import call, call_int, word
from graphc.codegen.words.step_layout import DONE, INTERRUPTED

ENSURE, CHECK, FETCH, RELEASE = 3, 4, 5, 6
WORDS = 7
FUNCTIONS = {
    ENSURE: "PyGILState_Ensure",
    CHECK: "PyErr_CheckSignals",
    FETCH: "PyErr_Fetch",
    RELEASE: "PyGILState_Release",
}


def poll(signals: int) -> int:
    """Run the handlers of signals that have come: `INTERRUPTED` where one raised, else `DONE`."""
    state = call_int(word(signals, ENSURE), ())
    raised = call_int(word(signals, CHECK), ())
    if raised != 0:
        call(word(signals, FETCH), (signals, signals + 8, signals + 16))
    call(word(signals, RELEASE), (state,))
    return INTERRUPTED if raised != 0 else DONE
