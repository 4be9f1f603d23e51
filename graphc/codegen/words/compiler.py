"""Plain functions of 64-bit words -> LLVM's text: for native code that is no kernel.

    function  := def name(word, ...): statement*
    statement := name = expr | name = (expr, ...) | name[expr] = expr | if | while
               | for name in range(expr) | return expr | call
    expr      := integer, constant or name | arithmetic, comparison, and, or, not, choice
               | name[expr] | min(a, b) | max(a, b) | run_kernel(name, (expr, ...), (expr, ...))
               | a function of `graphc.codegen.words.memory`
               | a plain function

All values are signed words; a truth value is 1 or 0; a subscript is the word at that place from an
address; a tuple is an array of words on the stack, which arrays of that name share. What a function
calls is found through its globals and goes into the same module. It takes milliseconds, where Numba
takes seconds.
"""

from __future__ import annotations

import ast
import inspect
import platform
import textwrap
from types import FunctionType, ModuleType
from typing import Any

from graphc.codegen.words import memory as words
from graphc.errors import UnsupportedError

_ARITHMETIC = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.LShift: "shl",
    ast.RShift: "ashr",
}
_RELATIONS = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "slt",
    ast.LtE: "sle",
    ast.Gt: "sgt",
    ast.GtE: "sge",
}
PAUSE = {
    "x86_64": "@llvm.x86.sse2.pause()",
    "AMD64": "@llvm.x86.sse2.pause()",
    "aarch64": "@llvm.aarch64.hint(i32 1)",
    "arm64": "@llvm.aarch64.hint(i32 1)",
}.get(platform.machine(), "")
"""The processor's instruction for a loop that waits."""

_INTRINSICS = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.readcyclecounter()
declare i64 @llvm.smin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
"""


def llvm_text(function: FunctionType, symbol: str) -> str:
    """The LLVM module of a plain function, under the name `symbol`, with C's convention.

    Raises:
        UnsupportedError: its text is not in the grammar above.
    """
    return linked_text(function, symbol)[0]


def linked_text(function: FunctionType, symbol: str) -> tuple[str, dict[FunctionType, str]]:
    """The LLVM module of `llvm_text`, and the kernels that must be linked to it, with their names.

    Raises:
        UnsupportedError: as `llvm_text`.
    """
    found: dict[FunctionType, str] = {function: symbol}
    kernels: dict[FunctionType, str] = {}
    texts: list[str] = []
    for one in _growing(found):
        texts.append(_Function(one, found, kernels).write())
    texts += [f"declare i32 @{name}(ptr, ptr, i64, i64)" for name in kernels.values()]
    pause = f"declare void {PAUSE.replace('i32 1', 'i32')}\n" if PAUSE else ""
    return _INTRINSICS + pause + "\n".join(texts), kernels


def _growing(found: dict[FunctionType, str]) -> Any:
    """The keys of `found`, also those that are added meanwhile."""
    done = 0
    while done < len(found):
        yield list(found)[done]
        done += 1


class _Function:
    """Writes one function. Each name is a place on the stack, which LLVM makes a register."""

    def __init__(
        self,
        function: FunctionType,
        found: dict[FunctionType, str],
        kernels: dict[FunctionType, str],
    ) -> None:
        self.globals = function.__globals__
        self.found = found
        self.kernels = kernels
        self.symbol = found[function]
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
        assert isinstance(tree, ast.FunctionDef)
        self.tree = tree
        self.places: list[str] = []
        self.lines: list[str] = []
        self.names: set[str] = set()
        self.arrays: dict[str, int] = {}
        self.count = 0

    def write(self) -> str:
        taken = [argument.arg for argument in self.tree.args.args]
        for name in taken:
            self.assign(name, f"%{name}")
        self.block(self.tree.body)
        self.lines.append("  ret i64 0")
        for name, count in self.arrays.items():
            self.places.append(f"  %array.{name} = alloca [{count} x i64], align 64")
        head = f"define i64 @{self.symbol}({', '.join(f'i64 %{name}' for name in taken)}) {{"
        return "\n".join([head, *self.places, *self.lines, "}"])

    def refuse(self, node: ast.AST) -> UnsupportedError:
        text = ast.unparse(node)
        return UnsupportedError(f"{text!r} in {self.tree.name} is not in the grammar of words")

    # --- lines ---

    def new(self) -> str:
        self.count += 1
        return f"%t{self.count}"

    def value(self, instruction: str) -> str:
        name = self.new()
        self.lines.append(f"  {name} = {instruction}")
        return name

    def label(self) -> str:
        self.count += 1
        return f"block{self.count}"

    def start(self, label: str) -> None:
        self.lines += [f"  br label %{label}", f"{label}:"]

    def branch(self, condition: str, yes: str, no: str) -> None:
        test = self.value(f"icmp ne i64 {condition}, 0")
        self.lines += [f"  br i1 {test}, label %{yes}, label %{no}"]

    def assign(self, name: str, value: str) -> None:
        if name not in self.names:
            self.names.add(name)
            self.places.append(f"  %place.{name} = alloca i64")
        self.lines.append(f"  store i64 {value}, ptr %place.{name}")

    # --- statements ---

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign([ast.Subscript(ast.Name() as array, place)], value):
                self.do_set_word(*map(self.expression, (array, place, value)))
            case ast.Assign([ast.Name(name)], ast.Tuple(items)):
                self.assign(name, self.array(items, name))
            case ast.Assign([ast.Name(name)], value):
                self.assign(name, self.expression(value))
            case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)):
                found = [self.expression(operand) for operand in values]
                for target, text in zip(targets, found, strict=True):
                    assert isinstance(target, ast.Name)
                    self.assign(target.id, text)
            case ast.AugAssign(ast.Name(name) as target, operator, value):
                read = ast.Name(target.id, ast.Load())
                self.assign(name, self.expression(ast.BinOp(read, operator, value)))
            case ast.Expr(ast.Constant(str())):
                return
            case ast.Expr(value):
                self.expression(value)
            case ast.Return(value) if value is not None:
                self.lines.append(f"  ret i64 {self.expression(value)}")
                self.lines.append(f"{self.label()}:")
            case ast.If(test, body, other):
                yes, no, end = self.label(), self.label(), self.label()
                self.branch(self.expression(test), yes, no)
                for label, statements in ((yes, body), (no, other)):
                    self.lines.append(f"{label}:")
                    self.block(statements)
                    self.lines.append(f"  br label %{end}")
                self.lines.append(f"{end}:")
            case ast.While(test, body, []):
                self.loop(test, body)
            case ast.For(ast.Name(name), ast.Call(ast.Name("range"), [stop]), body, []):
                self.count += 1
                last = f"stop.{self.count}"
                self.assign(last, self.expression(stop))
                self.assign(name, "0")
                read = ast.Name(name, ast.Load())
                test_ = ast.Compare(read, [ast.Lt()], [ast.Name(last, ast.Load())])
                step = ast.AugAssign(ast.Name(name, ast.Store()), ast.Add(), ast.Constant(1))
                self.loop(test_, [*body, step])
            case _:
                raise self.refuse(node)

    def loop(self, test: ast.expr, body: list[ast.stmt]) -> None:
        again, inside, end = self.label(), self.label(), self.label()
        self.start(again)
        self.branch(self.expression(test), inside, end)
        self.lines.append(f"{inside}:")
        self.block(body)
        self.lines += [f"  br label %{again}", f"{end}:"]

    # --- expressions ---

    def expression(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(int() as value):
                return str(int(value))
            case ast.Name(name) if name in self.names:
                return self.value(f"load i64, ptr %place.{name}")
            case ast.Name() | ast.Attribute():
                return str(self.constant(node))
            case ast.Subscript(ast.Name() as array, place):
                return self.do_word(self.expression(array), self.expression(place))
            case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC:
                a, b = self.expression(left), self.expression(right)
                return self.value(f"{_ARITHMETIC[type(operator)]} i64 {a}, {b}")
            case ast.UnaryOp(ast.USub(), operand):
                return self.value(f"sub i64 0, {self.expression(operand)}")
            case ast.UnaryOp(ast.Not(), operand):
                test = self.value(f"icmp eq i64 {self.expression(operand)}, 0")
                return self.value(f"zext i1 {test} to i64")
            case ast.Compare(left, [relation], [right]) if type(relation) in _RELATIONS:
                a, b = self.expression(left), self.expression(right)
                test = self.value(f"icmp {_RELATIONS[type(relation)]} i64 {a}, {b}")
                return self.value(f"zext i1 {test} to i64")
            case ast.BoolOp(operator, [first, *rest]):
                return self.first_that_decides(isinstance(operator, ast.Or), first, rest)
            case ast.IfExp(test, body, other):
                return self.choice(test, body, other)
            case ast.Call(ast.Name(name), arguments):
                return self.call(node, self.globals.get(name, name), arguments)
            case _:
                raise self.refuse(node)

    def array(self, items: list[ast.expr], name: str) -> str:
        """The address of words on the stack that hold `items`; arrays of one name share them."""
        self.arrays[name] = max(len(items), self.arrays.get(name, 1))
        values = [self.expression(item) for item in items]
        address = self.value(f"ptrtoint ptr %array.{name} to i64")
        for place, value in enumerate(values):
            self.do_set_word(address, str(place), value)
        return address

    def constant(self, node: ast.expr) -> int:
        """The integer that a literal, a global, or an attribute of a module stands for."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return int(node.value)
        found: Any = None
        if isinstance(node, ast.Name):
            found = self.globals.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = self.globals.get(node.value.id)
            found = getattr(module, node.attr) if isinstance(module, ModuleType) else None
        if not isinstance(found, int):
            raise self.refuse(node)
        return int(found)

    def choice(self, test: ast.expr, body: ast.expr, other: ast.expr) -> str:
        """Only the chosen expression is evaluated."""
        self.count += 1
        name = f"choice.{self.count}"
        yes, no, end = self.label(), self.label(), self.label()
        self.branch(self.expression(test), yes, no)
        for label, value in ((yes, body), (no, other)):
            self.lines.append(f"{label}:")
            self.assign(name, self.expression(value))
            self.lines.append(f"  br label %{end}")
        self.lines.append(f"{end}:")
        return self.value(f"load i64, ptr %place.{name}")

    def first_that_decides(self, truth: bool, first: ast.expr, rest: list[ast.expr]) -> str:
        """``and``, ``or``: the first operand of that truth, else the last; no further ones."""
        self.count += 1
        name = f"decided.{self.count}"
        end = self.label()
        self.assign(name, self.expression(first))
        for operand in rest:
            following = self.label()
            value = self.value(f"load i64, ptr %place.{name}")
            self.branch(value, *((end, following) if truth else (following, end)))
            self.lines.append(f"{following}:")
            self.assign(name, self.expression(operand))
        self.start(end)
        return self.value(f"load i64, ptr %place.{name}")

    # --- calls ---

    def call(self, node: ast.Call, function: Any, arguments: list[ast.expr]) -> str:
        if function in ("min", "max") or function in (min, max):
            a, b = (self.expression(argument) for argument in arguments)
            name = "smin" if function in ("min", min) else "smax"
            return self.value(f"call i64 @llvm.{name}.i64(i64 {a}, i64 {b})")
        if function is words.stack_words:
            (count,) = arguments
            name = self.new()
            self.places.append(f"  {name} = alloca [{self.constant(count)} x i64], align 64")
            return self.value(f"ptrtoint ptr {name} to i64")
        if function in (words.call, words.call_int, words.call_doubles):
            return self.call_address(function, *arguments)
        if function is words.run_kernel:
            return self.run_kernel(*arguments)
        if not isinstance(function, FunctionType):
            raise self.refuse(node)
        values = [
            self.array(argument.elts, f"argument.{number}")
            if isinstance(argument, ast.Tuple)
            else self.expression(argument)
            for number, argument in enumerate(arguments)
        ]
        primitive = getattr(self, f"do_{function.__name__}", None)
        if function.__module__ == words.__name__ and primitive is not None:
            return str(primitive(*values))
        symbol = self.found.setdefault(function, f"plain_{len(self.found)}_{function.__name__}")
        taken = ", ".join(f"i64 {value}" for value in values)
        return self.value(f"call i64 @{symbol}({taken})")

    def call_address(self, kind: Any, function: ast.expr, arguments: ast.expr) -> str:
        assert isinstance(arguments, ast.Tuple)
        place = self.value(f"inttoptr i64 {self.expression(function)} to ptr")
        values = [self.expression(argument) for argument in arguments.elts]
        if kind is words.call_doubles:
            values = [self.value(f"bitcast i64 {value} to double") for value in values]
        element = "double" if kind is words.call_doubles else "i64"
        taken = ", ".join(f"{element} {value}" for value in values)
        if kind is not words.call_int:
            return self.value(f"call i64 {place}({taken})")
        return self.value(f"sext i32 {self.value(f'call i32 {place}({taken})')} to i64")

    def run_kernel(self, kernel: ast.expr, buffers: ast.expr, sizes: ast.expr) -> str:
        """Call a kernel that is linked to this module."""
        assert isinstance(kernel, ast.Name)
        function = self.globals[kernel.id]
        symbol = self.kernels.setdefault(function, f"kernel_{len(self.kernels)}")
        arrays = []
        for argument in (buffers, sizes):
            assert isinstance(argument, ast.Tuple)
            values = [self.expression(item) for item in argument.elts]
            array = self.new()
            self.places.append(f"  {array} = alloca [{max(len(values), 1)} x i64], align 64")
            for place, value in enumerate(values):
                word = self.value(f"getelementptr i64, ptr {array}, i64 {place}")
                self.lines.append(f"  store i64 {value}, ptr {word}, align 8")
            arrays.append(f"ptr {array}")
        status = self.value(f"call i32 @{symbol}({', '.join(arrays)}, i64 0, i64 1)")
        return self.value(f"sext i32 {status} to i64")

    def place(self, address: str, place: str = "0") -> str:
        offset = self.value(f"shl i64 {place}, 3")
        return self.pointer(self.value(f"add i64 {address}, {offset}"))

    def pointer(self, address: str) -> str:
        return self.value(f"inttoptr i64 {address} to ptr")

    def do_word(self, address: str, place: str) -> str:
        return self.value(f"load i64, ptr {self.place(address, place)}, align 8")

    def do_half_word(self, address: str, place: str) -> str:
        loaded = self.value(f"load i32, ptr {self.place(address, place)}, align 4")
        return self.value(f"sext i32 {loaded} to i64")

    def do_byte(self, address: str) -> str:
        loaded = self.value(f"load i8, ptr {self.pointer(address)}, align 1")
        return self.value(f"zext i8 {loaded} to i64")

    def do_set_word(self, address: str, place: str, value: str) -> str:
        self.lines.append(f"  store i64 {value}, ptr {self.place(address, place)}, align 8")
        return "0"

    def do_set_half_word(self, address: str, place: str, value: str) -> str:
        half = self.value(f"trunc i64 {value} to i32")
        self.lines.append(f"  store i32 {half}, ptr {self.place(address, place)}, align 4")
        return "0"

    def do_atomic_word(self, address: str, place: str) -> str:
        return self.value(f"load atomic i64, ptr {self.place(address, place)} seq_cst, align 8")

    def do_set_atomic_word(self, address: str, place: str, value: str) -> str:
        where = self.place(address, place)
        self.lines.append(f"  store atomic i64 {value}, ptr {where} seq_cst, align 8")
        return "0"

    def do_add_atomic(self, address: str, place: str, value: str) -> str:
        where = self.place(address, place)
        return self.value(f"atomicrmw add ptr {where}, i64 {value} seq_cst")

    def do_exchange_atomic(self, address: str, place: str, expected: str, new: str) -> str:
        where = self.place(address, place)
        taken = f"ptr {where}, i64 {expected}, i64 {new} seq_cst seq_cst"
        found = self.value(f"extractvalue {{ i64, i1 }} {self.value(f'cmpxchg {taken}')}, 1")
        return self.value(f"zext i1 {found} to i64")

    def do_pause(self) -> str:
        if PAUSE:
            self.lines.append(f"  call void {PAUSE}")
        return "0"

    def do_copy_memory(self, target: str, source: str, count: str) -> str:
        to, origin = self.pointer(target), self.pointer(source)
        taken = f"ptr {to}, ptr {origin}, i64 {count}, i1 false"
        self.lines.append(f"  call void @llvm.memcpy.p0.p0.i64({taken})")
        return "0"

    def do_clear_bytes(self, target: str, count: str) -> str:
        taken = f"ptr {self.pointer(target)}, i8 0, i64 {count}, i1 false"
        self.lines.append(f"  call void @llvm.memset.p0.i64({taken})")
        return "0"

    def do_cycles(self) -> str:
        return self.value("call i64 @llvm.readcyclecounter()")

    def do_highest_bit(self, number: str) -> str:
        zeros = self.value(f"call i64 @llvm.ctlz.i64(i64 {number}, i1 true)")
        return self.value(f"sub i64 63, {zeros}")
