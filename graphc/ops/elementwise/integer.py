"""Bits and integers: no derivatives. On bool the bitwise functions are the logical ones."""

from __future__ import annotations

import numpy as np

from graphc.ops.elementwise.pointwise import Builder, pointwise
from graphc.types import DTYPES

bitwise_and: Builder = pointwise("bitwise_and", np.bitwise_and, kinds="biu")
bitwise_or: Builder = pointwise("bitwise_or", np.bitwise_or, kinds="biu")
bitwise_xor: Builder = pointwise("bitwise_xor", np.bitwise_xor, kinds="biu")
invert: Builder = pointwise("invert", np.invert, kinds="biu")
left_shift: Builder = pointwise("left_shift", np.left_shift, kinds="iu")
right_shift: Builder = pointwise("right_shift", np.right_shift, kinds="iu")
bitwise_count: Builder = pointwise(
    "bitwise_count", np.bitwise_count, kinds="iu", result=lambda dtype: DTYPES["uint8"]
)
gcd: Builder = pointwise("gcd", np.gcd, kinds="iu")
lcm: Builder = pointwise("lcm", np.lcm, kinds="iu")
