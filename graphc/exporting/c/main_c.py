"""``main.c``: a program that calls a library once, as an example.

The names of its own variables are `graphc.exporting.c.interface.LOCALS`: no array is called so.
"""

from __future__ import annotations

from collections.abc import Mapping

from graphc.exporting.c.interface import C_TYPES, Array, Interface
from graphc.types import FloorDiv, Mod, Size, product


def example(seen: Interface, has_state: bool, sizes: Mapping[str, int]) -> str:
    """A program that calls the library once: inputs are zeros, the state is its first values."""
    name, upper = seen.name, seen.name.upper()
    lines = [
        f"/* Calls {name} once, made by graphc as an example. Inputs are zeros. */",
        f'#include "{name}.h"',
        "#include <stdio.h>",
        "#include <stdlib.h>",
        "",
        "static void *zeros(int64_t bytes)",
        "{",
        "    void *found = calloc(bytes > 0 ? (size_t)bytes : 1, 1);",
        '    if (!found) { fprintf(stderr, "no memory\\n"); exit(1); }',
        "    return found;",
        "}",
        "",
        "int main(int count, char **words)",
        "{",
        *(f"    int64_t {size} = {sizes.get(size, 1)};" for size in seen.sizes),
    ]
    if has_state:
        lines += [
            f'    const char *path = count > 1 ? words[1] : "{name}.bin";',
            f"    char *state = (char *)zeros({upper}_STATE_BYTES);",
            '    FILE *file = fopen(path, "rb");',
            f"    size_t wanted = {upper}_STATE_BYTES;",
            "    if (!file || fread(state, 1, wanted, file) != wanted) {",
            '        fprintf(stderr, "%s can\'t be read: give its path\\n", path);',
            "        return 1;",
            "    }",
            "    fclose(file);",
        ]
    else:
        lines += ["    (void)count;", "    (void)words;"]
    for array in seen.arrays:
        kind = C_TYPES[array.type.dtype.name]
        if array.role == "state":
            offset = f"{upper}_OFFSET_{array.name}"
            lines.append(f"    {kind} *{array.name} = ({kind} *)(void *)(state + {offset});")
        else:
            lines.append(f"    {kind} *{array.name} = ({kind} *)zeros({_bytes(array)});")
    passed = ", ".join(seen.sizes)
    given = ", ".join([*seen.sizes, *(array.name for array in seen.arrays), "workspace"])
    lines += [
        f"    void *workspace = zeros({name}_workspace_size({passed}));",
        "#ifdef _OPENMP",
        f"    int32_t status = {name}_run_parallel({given}, graphc_openmp, NULL);",
        "#else",
        f"    int32_t status = {name}_run({given});",
        "#endif",
        f'    printf("%s: %s\\n", {name}_version(), {name}_message(status));',
        *(
            f"    if ({_count(array)} > 0)\n"
            f'        printf("{array.name}[0] = %g\\n", (double){array.name}[0]);'
            for array in seen.arrays
            if array.role == "output"
        ),
        "    free(workspace);",
        *(f"    free({array.name});" for array in seen.arrays if array.role != "state"),
        *(["    free(state);"] if has_state else []),
        "    return status != 0;",
        "}",
        "",
    ]
    return "\n".join(lines)


def _count(array: Array) -> str:
    parts = 2 if array.type.dtype.kind == "c" else 1
    return c_size(product(array.type.shape) * parts)


def _bytes(array: Array) -> str:
    return c_size(product(array.type.shape) * array.type.dtype.itemsize)


def c_size(size: Size) -> str:
    """A size as an expression in C: sizes are not negative, so division is C's."""
    if isinstance(size, int):
        return str(size)
    terms = []
    for monomial, coefficient in size.terms:
        parts = [str(coefficient)] if coefficient != 1 or not monomial else []
        terms.append(" * ".join([*parts, *map(_atom, monomial)]))
    return f"({' + '.join(terms)})"


def _atom(atom: object) -> str:
    if isinstance(atom, FloorDiv | Mod):
        sign = "/" if isinstance(atom, FloorDiv) else "%"
        return f"({c_size(atom.numerator)} {sign} {c_size(atom.denominator)})"
    return str(atom)
