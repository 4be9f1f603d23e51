"""Ctrl-C, and other signals' handlers, end a native loop soon."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import graphc


@graphc.compile
def endless(x):
    final, _ = graphc.scan(lambda c, _: (np.sin(c) + 1e-3, None), x, length=2_000_000_000)
    return final


class TookTooLong(Exception):
    pass


def refuse(number, frame):
    raise TookTooLong


@pytest.mark.parametrize(
    ("number", "handler", "error"),
    [
        (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
        (signal.SIGALRM, refuse, TookTooLong),
    ],
)
def test_a_signal_ends_a_loop(number, handler, error):
    x = np.ones(3)
    endless.lower(x).compile()  # the signal is for the loop, not for the compiler
    before = signal.signal(number, handler)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), number))
    try:
        timer.start()
        started = time.perf_counter()
        with pytest.raises(error):
            endless(x)
        assert time.perf_counter() - started < 5
    finally:
        timer.cancel()
        signal.signal(number, before)
    np.testing.assert_array_equal(x, np.ones(3))
