"""The body of a loop with its kernels in it: LLVM's text of one function that calls none.

A body whose kernels are small spends more on launching them than on running them. Here they are
linked to it and LLVM puts them in its place: sizes are known, addresses stay in registers. The
body itself stays a function of its own: what a kernel says about which of its buffers are distinct
holds for one turn, and the buffers of the next turn may be the same ones in another order.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import llvmlite.binding

from graphc.codegen.cpu import llvm_text as kernel_text
from graphc.codegen.source.turns import SEVERAL
from graphc.codegen.words.compiler import linked_text

binding: Any = llvmlite.binding


def llvm_text(function: FunctionType, symbol: str) -> str:
    """The LLVM module of a body and its kernels, under the name `symbol`, with C's convention."""
    text, kernels = linked_text(function, symbol)
    module = binding.parse_assembly(text)
    for kernel, name in kernels.items():
        part = binding.parse_assembly(kernel_text(kernel, name))
        for inner in part.functions:
            if not inner.is_declaration and inner.name != name:
                inner.linkage = "internal"
        module.link_in(part)
    if function.__name__.endswith(SEVERAL):
        for inner in module.functions:
            if not inner.is_declaration and inner.name != symbol:
                inner.add_function_attribute("alwaysinline")
    return str(module)
