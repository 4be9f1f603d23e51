"""Every float32 through every function of `graphc.codegen.vecmath`. Run by hand, minutes::

    python -m tests.codegen.exhaustive_vecmath [function ...]

Prints, for each function, the largest error in units in the last place of the exact value, where
it is, and how many of the 2**32 patterns differ in NaN, infinity or the sign of zero.
"""

import sys

from tests.codegen.vecmath_errors import FUNCTIONS, float32_errors


def main(names):
    for name in names or FUNCTIONS:
        worst, place, wrong, example = float32_errors(name, 0, 1)
        print(f"{name}: {worst:.3f} ulp at {place!r}, {wrong} wrong ({example!r})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
