"""Ops that ONNX has no words for, and why."""

from __future__ import annotations

from collections.abc import Mapping

from graphc.exporting.onnx.walker import Results, Rule, Walker, refusal
from graphc.ir import Node

_COMPLEX = "ONNX's ops take no complex numbers"
_EFFECT = "a model of ONNX computes and does nothing else"
_BITS = "ONNX has no op that shows the bits of a float"
_GAMMA = "ONNX has no gamma function"
_LAPACK = "ONNX has no linear algebra but products and determinants"

REASONS: Mapping[str, str] = {
    **dict.fromkeys(("complex", "real", "imag", "conjugate", "fft"), _COMPLEX),
    **dict.fromkeys(("token", "print", "breakpoint"), _EFFECT),
    **dict.fromkeys(("frexp", "nextafter", "spacing"), _BITS),
    **dict.fromkeys(("gamma", "gammaln", "digamma", "polygamma"), _GAMMA),
    **dict.fromkeys(("solve", "solve_triangular", "slogdet", "cholesky", "qr"), _LAPACK),
    **dict.fromkeys(("eigh", "svd", "eig", "lstsq", "pinv"), _LAPACK),
}
"""Why an op of the registry can't be written, whatever it is applied to."""

_HINTS = {
    _EFFECT: "Take graphc.debug_print and graphc.breakpoint_if out of what you export.",
    _COMPLEX: "Compute with the real and the imaginary parts as arrays of their own.",
}


def _refused(walker: Walker, node: Node) -> Results:
    reason = REASONS[node.op.name]
    raise refusal(node, reason, _HINTS.get(reason, ""))


RULES: Mapping[str, Rule] = dict.fromkeys(REASONS, _refused)
