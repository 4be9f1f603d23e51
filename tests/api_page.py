"""The page of all public names, ``docs/api.md``: ``python -m tests.api_page > docs/api.md``."""

import inspect
import operator
import re

import graphc
from graphc.api import CompiledFunction
from graphc.report import view

KINDS = {
    "Compiling": ["compile", "spec", "eager"],
    "Derivatives": ["grad", "value_and_grad", "vjp", "jvp", "jacobian", "hessian"],
    "Other maps of functions": [
        "vmap",
        "checkpoint",
        "stop_gradient",
        "custom_vjp",
        "operation",
    ],
    "Training": ["fit"],
    "Files": ["export", "load"],
    "Control flow": [
        "cond",
        "scan",
        "while_loop",
        "fori_loop",
        "debug_print",
        "breakpoint_if",
    ],
}
MODULES = {
    "random": [
        "key",
        "split",
        "seed",
        "next_key",
        "default_key",
        "set_default_key",
        "uniform",
        "normal",
        "bernoulli",
        "randint",
        "categorical",
        "permutation",
    ],
    "testing": ["check_grads"],
    "nn": [name for name in graphc.nn.__all__ if name != "init"],
    "nn.init": [
        "zeros",
        "ones",
        "uniform",
        "normal",
        "xavier_uniform",
        "xavier_normal",
        "he_uniform",
        "he_normal",
        "orthogonal",
        "gain_of",
        "fans",
    ],
    "optim": graphc.optim.__all__,
    "training": [name for name in graphc.training.__all__ if name != "fit"],
}
METHODS = ["lower", "profile", "explain", "specializations", "clear_cache", "keep_sizes", "export"]
DRAWING = ["draw", "dot", "evaluations"]
ERRORS = [name for name in graphc.__all__ if name.endswith("Error")]

HEAD = """# The whole API

Every public name, with the first sentence of its docstring; `help(graphc.grad)` shows the rest.
Written by `python -m tests.api_page > docs/api.md`; a test compares it with the package.
"""
SETTINGS = """
## Settings in the environment

| variable | meaning |
|---|---|
| `GRAPHC_CACHE_DIR` | where compiled code is kept; the platform's cache folder by default |
| `GRAPHC_THREADS` | how many threads a step uses; a core each by default |
| `GRAPHC_DISABLE` | `1`: decorated functions run as plain NumPy, as within `graphc.eager()` |
| `GRAPHC_DEBUG` | `1`: graphc's own frames in tracebacks; `2`: each stage is printed, too |
"""


def sentence(thing):
    """The first paragraph of a docstring, as a cell of a table."""
    text = inspect.getdoc(thing).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
    return text.replace("``", "`")


def signature(function):
    """The parameters, without their types."""
    found = inspect.signature(function)
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name != "self"]
    text = str(found.replace(parameters=plain, return_annotation=found.empty))
    return re.sub(r"<class 'numpy\.(\w+)'>", r"np.\1", text)


def row(name, thing):
    """One line of a table."""
    call = "" if isinstance(thing, property) else signature(thing)
    return f"| `{name}{call}` | {sentence(thing)} |"


def table(title, rows):
    """A section with a table of two columns."""
    return [f"\n## {title}\n", "| | |", "|---|---|", *rows]


def error_row(name):
    """An exception, what it derives from, and what it says."""
    kind = getattr(graphc, name)
    bases = [_qualified(base) for base in kind.__bases__ if base is not graphc.GraphcError]
    return f"| `{name}({', '.join(bases)})` | {sentence(kind)} |"


def _qualified(kind):
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def page():
    """The text of ``docs/api.md``."""
    lines = [HEAD.rstrip()]
    for title, names in KINDS.items():
        lines += table(title, [row(f"graphc.{name}", getattr(graphc, name)) for name in names])
    members = [row(f"f.{name}", getattr(CompiledFunction, name)) for name in METHODS]
    lines += table("Of a compiled function `f`", members)
    drawing = [row(f"view.{name}", getattr(view, name)) for name in DRAWING]
    lines += table("Drawing: `from graphc.report import view`", drawing)
    for module, names in MODULES.items():
        rows = [
            row(f"graphc.{module}.{n}", getattr(operator.attrgetter(module)(graphc), n))
            for n in names
        ]
        lines += table(f"`graphc.{module}`", rows)
    lines += table("Errors", map(error_row, ERRORS))
    return "\n".join(lines) + "\n" + SETTINGS


if __name__ == "__main__":
    print(page(), end="")
