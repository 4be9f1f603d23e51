"""The text form of kernels."""

from __future__ import annotations

from graphc.loops import (
    Accumulate,
    Apply,
    Assign,
    Cast,
    Check,
    Combine,
    Comment,
    Const,
    Deferred,
    Expr,
    For,
    Guarded,
    If,
    Index,
    Kernel,
    Let,
    Load,
    Local,
    Position,
    Require,
    Select,
    Stmt,
    Stop,
    Store,
    Tile,
)
from graphc.types import shape_text


def format_kernel(kernel: Kernel) -> str:
    """The kernel as text."""
    lines = [f"kernel {kernel.name}"]
    for buffer in kernel.buffers:
        shape = shape_text(buffer.shape)
        lines.append(f"  {buffer.role} {buffer.name}: {buffer.dtype.name}{shape}")
    if kernel.chunks != 1:
        lines.append(f"  {kernel.chunks} chunks")
    _format_body(kernel.body, "  ", lines)
    if kernel.finish:
        lines.append("  finish:")
        _format_body(kernel.finish, "    ", lines)
    return "\n".join(lines)


def _format_body(body: tuple[Stmt, ...], indent: str, lines: list[str]) -> None:
    for stmt in body:
        match stmt:
            case For():
                step = f" step {stmt.step}" if stmt.step != 1 else ""
                lines.append(f"{indent}for {stmt.index} in {stmt.start} .. {stmt.stop}{step}:")
                _format_body(stmt.body, indent + "  ", lines)
            case If():
                lines.append(f"{indent}if {format_expr(stmt.condition)}:")
                _format_body(stmt.then, indent + "  ", lines)
                if stmt.otherwise:
                    lines.append(f"{indent}else:")
                    _format_body(stmt.otherwise, indent + "  ", lines)
            case Let() | Assign():
                sign = "=" if isinstance(stmt, Let) else ":="
                lines.append(f"{indent}{stmt.name} {sign} {format_expr(stmt.value)}")
            case Check():
                value = format_expr(stmt.value)
                lines.append(f"{indent}{stmt.name} = check({value} within {stmt.extent})")
            case Require():
                lines.append(f"{indent}require({format_expr(stmt.condition)})")
            case Stop():
                lines.append(f"{indent}stop if {format_expr(stmt.condition)}")
            case Store():
                place = f"{stmt.buffer.name}{_index_text(stmt.index)}"
                lines.append(f"{indent}{place} = {format_expr(stmt.value)}")
            case Accumulate():
                place = f"{stmt.buffer.name}{_index_text(stmt.index)}"
                lines.append(f"{indent}{place} {stmt.combine}= {format_expr(stmt.value)}")
            case Combine():
                lines.append(f"{indent}{stmt.name} {stmt.combine}= {format_expr(stmt.value)}")
            case Tile():
                operands = ", ".join(
                    f"{b.name} + {o}" if o != 0 else b.name for b, o in stmt.operands
                )
                sizes = ", ".join(map(str, stmt.sizes))
                lines.append(f"{indent}{stmt.template}({operands}; {sizes})")
            case Comment():
                lines.append(f"{indent}# {stmt.text}")


def _index_text(index: Index) -> str:
    return f"[{', '.join(map(str, index))}]"


def format_expr(expr: Expr) -> str:
    """An expression as text."""
    match expr:
        case Const():
            return str(expr.value)
        case Local():
            return expr.name
        case Load():
            return f"{expr.buffer.name}{_index_text(expr.index)}"
        case Position():
            return f"({expr.index})"
        case Apply():
            return f"{expr.function}({', '.join(map(format_expr, expr.arguments))})"
        case Select():
            parts = (expr.condition, expr.then, expr.otherwise)
            return f"select({', '.join(map(format_expr, parts))})"
        case Cast():
            return f"{expr.dtype.name}({format_expr(expr.operand)})"
        case Guarded():
            condition, operand = format_expr(expr.condition), format_expr(expr.operand)
            return f"guarded({condition}, {operand})"
        case Deferred():
            return f"{expr.value!r}{_index_text(expr.index)}"
