"""The texts beside a library: its header, and how to build with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.exporting.c.entry import BAD_SIZE, NULL, PARALLEL_FAILED, UNFIT
from graphc.exporting.c.interface import C_TYPES, Array, Interface, extents

THREADS = """
#ifndef GRAPHC_THREADS
#define GRAPHC_THREADS
/* Runs some of a kernel's chunks: those from first to last - 1. */
typedef int32_t (*graphc_task)(void *job, int64_t first, int64_t last);
/* Calls task(job, first, last) for ranges that make up [0, count), in any order, on any threads;
   gives 0, or what a task gave that was not 0. */
typedef int32_t (*graphc_parallel_for)(void *context, int64_t count, graphc_task task, void *job);
#ifdef _OPENMP
/* A graphc_parallel_for on OpenMP's threads; its context is not used. */
static inline int32_t graphc_openmp(void *context, int64_t count, graphc_task task, void *job)
{
    int32_t failed = 0;
    int64_t chunk;
    (void)context;
#pragma omp parallel for schedule(dynamic, 1) reduction(|| : failed)
    for (chunk = 0; chunk < count; chunk++)
        failed = failed || task(job, chunk, chunk + 1) != 0;
    return failed;
}
#endif
#endif
"""


def header(
    seen: Interface, offsets: Mapping[str, int], total: int, relations: Sequence[str]
) -> str:
    """The header.

    Args:
        relations: what sizes must fulfil.
        offsets: where each array of the state lies in the file of its first values.
        total: the bytes of that file.
    """
    name, guard = seen.name, f"GRAPHC_{seen.name.upper()}_H"
    lines = [
        f"/* {name}: made by graphc. Do not edit.",
        "",
        "   Arrays are contiguous, the last axis fastest; numbers are passed by address, bools are",
        "   bytes, complex numbers two parts. Nothing is allocated, nothing is kept between calls,",
        "   and threads may call at once, each with a workspace of its own.",
        "*/",
        f"#ifndef {guard}",
        f"#define {guard}",
        "#include <stdint.h>",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        THREADS,
        "/* Statuses; others name an operation: see " + f"{name}_message. */",
        f"#define {name.upper()}_DONE 0",
        f"#define {name.upper()}_OVERLAP 1 /* an array that is written overlaps another */",
        f"#define {name.upper()}_BAD_SIZE ({BAD_SIZE}) /* a size is negative */",
        f"#define {name.upper()}_NULL ({NULL}) /* an address is NULL */",
        f"#define {name.upper()}_UNFIT ({UNFIT}) /* not made for these sizes */",
        f"#define {name.upper()}_PARALLEL ({PARALLEL_FAILED}) /* parallel left chunks out */",
        "",
        *_state(seen, offsets, total),
        *(f"/* sizes must fulfil {relation} */" for relation in relations),
        *(_described(array) for array in seen.arrays),
        f"int32_t {name}_run({_parameters(seen)});",
        "",
        "/* The same on the caller's threads; parallel may be graphc_openmp, or NULL. */",
        f"int32_t {name}_run_parallel({_parameters(seen)},",
        "    graphc_parallel_for parallel, void *context);",
        "",
        "/* The bytes of the workspace. */",
        f"int64_t {name}_workspace_size({_sizes(seen)});",
        "",
        "/* What a status means; what made the library; what it takes, as JSON. */",
        f"const char *{name}_message(int32_t status);",
        f"const char *{name}_version(void);",
        f"const char *{name}_signature(void);",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def _state(seen: Interface, offsets: Mapping[str, int], total: int) -> list[str]:
    if not offsets:
        return []
    upper = seen.name.upper()
    return [
        f"/* The first values of the state lie in {seen.name}.bin, each at an offset in bytes. */",
        f"#define {upper}_STATE_BYTES {total}",
        *(f"#define {upper}_OFFSET_{array.name} {offsets[array.name]}" for array in seen.state),
        "",
    ]


def _described(array: Array) -> str:
    how = {"input": "read", "state": "read", "output": "written"}[array.role]
    if array.written and array.role != "output":
        how = "read and written"
    return f"/* {array.name}: {array.type.dtype.name}{extents(array.type.shape)}, {how} */"


def _parameters(seen: Interface) -> str:
    found = [f"int64_t {size}" for size in seen.sizes]
    for array in seen.arrays:
        kind = C_TYPES[array.type.dtype.name]
        found.append(f"{'' if array.written else 'const '}{kind} *{array.name}")
    return ",\n    ".join(["", *found, "void *workspace"]).lstrip(",")


def _sizes(seen: Interface) -> str:
    return ", ".join(f"int64_t {size}" for size in seen.sizes) or "void"


CMAKE = """# {name}: made by graphc. Do not edit.
# In your own project: add_subdirectory(this folder), target_link_libraries(program {name}).
cmake_minimum_required(VERSION 3.13)
project({name} C)

add_library({name} STATIC IMPORTED GLOBAL)
set_target_properties({name} PROPERTIES
    IMPORTED_LOCATION "${{CMAKE_CURRENT_LIST_DIR}}/lib{name}.a"
    INTERFACE_INCLUDE_DIRECTORIES "${{CMAKE_CURRENT_LIST_DIR}}")
target_link_libraries({name} INTERFACE m{link})

if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    add_executable({name}_example main.c)
    target_link_libraries({name}_example {name})
    find_package(OpenMP)
    if(OpenMP_C_FOUND)
        target_link_libraries({name}_example OpenMP::OpenMP_C)
    endif()
endif()
"""


def cmake(name: str, link: str) -> str:
    """The CMakeLists.txt of a folder."""
    return CMAKE.format(name=name, link=" lapack blas" if link == "lapack" else "")
