"""Compiling beside signals, forks and the interpreter's end, in real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PREPARED = """
import os, signal, sys, threading, time
import numpy as np
import filelock  # it tells of a fork during its own import
import numpy.testing  # what one thread imports, a child of a fork can not
import graphc

x = np.linspace(0, 1, 50)

def check(number):
    f = graphc.compile(eval(f"lambda x: (np.tanh(x) * {number}.5 + x, (x + {number}).sum())"))
    found = f(x)
    np.testing.assert_allclose(found[0], np.tanh(x) * (number + 0.5) + x)
    np.testing.assert_allclose(found[1], (x + number).sum())
"""


def output(tmp_path, program):
    result = subprocess.run(
        [sys.executable, "-c", PREPARED + program],
        env=os.environ | {"GRAPHC_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.split()


AFTER_MAIN = """
def late():
    time.sleep(0.2)
    check(1)
    print("done")
threading.Thread(target=late).start()
"""
AT_EXIT = """
import atexit
check(1)
atexit.register(lambda: (check(2), print("done")))
"""


@pytest.mark.parametrize("program", [AFTER_MAIN, AT_EXIT], ids=["thread", "atexit"])
def test_compiling_while_the_interpreter_ends(tmp_path, program):
    assert output(tmp_path, program) == ["done"]


FORKS = """
for turn, delay in enumerate({delays}):
    thread = threading.Thread(target=lambda: [check(10 * turn + k) for k in range(3)])
    thread.start()
    time.sleep(delay)
    child = os.fork()
    if child == 0:
        check(10 * turn + 7)
        check(10 * turn)
        os._exit(0)
    deadline = time.time() + 40
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert time.time() < deadline
        time.sleep(0.01)
    thread.join()
    print(turn)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
@pytest.mark.parametrize("first", [0.05, 0.4])
def test_forks_while_another_thread_compiles(tmp_path, first):
    program = FORKS.format(delays=(first, 0.1, 0.2))
    assert output(tmp_path, program) == ["0", "1", "2"]


INTERRUPTS = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell ignores it
check(0)
interrupted = 0
for number in range(1, 13):
    timer = threading.Timer(0.012 * number, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        check(number)
        timer.join()
        time.sleep(1)
    except KeyboardInterrupt:
        interrupted += 1
    check(number)
print(interrupted)
"""


def test_interrupts_while_compiling(tmp_path):
    (interrupted,) = output(tmp_path, INTERRUPTS)
    assert int(interrupted) == 12
