"""Every single-line fault that a source file can be given.

A fault replaces one piece of text, so that the rest of the file stays as it is, byte for byte. Left out, and why:

* docstrings, string constants, f-strings, what a ``raise`` says, ``__repr__`` and ``__str__``: words that people read;
* annotations, decorators, ``TYPE_CHECKING`` blocks, ``__main__`` guards, bodies of protocols: nothing runs there, or it
  is the type checker's;
* ``strict=`` of ``zip``: like an assertion, it speaks of the code itself;
* ``indent=`` and ``repr=``: how something looks, not what it says.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: (r"is\s+not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
TWINS = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}
EITHER_WAY = {*TWINS, "isinstance", "issubclass", "hasattr", "getattr", "cast", "print", "array_equal", "isclose"}
"""Calls whose arguments are not swapped: nothing would change, or nothing would run."""
SILENT = {"__repr__", "__str__", "_repr_html_"}
OPERATORS = (
    "comparison", "bound", "sign", "arithmetic", "axis", "default", "guard", "branch", "arguments", "boolean",
    "negation", "constant", "return", "loop", "statement",
)  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One piece of text to replace.

    Attributes:
        path: the file, from the root of the repository.
        where: the function or class around it.
        operator: one of ``OPERATORS``.
        start: first byte that is replaced.
        end: the byte behind the last one.
        text: what stands there instead.
        line: number of the first changed line.
        old: the changed lines as they are, without needless blanks.
        new: the same with the fault.
        reach: first and last line that run when this place does.
        names: for what runs only on import, the names whose users would see the fault.
    """

    path: str
    where: str
    operator: str
    start: int
    end: int
    text: str
    line: int
    old: str
    new: str
    reach: tuple[int, int]
    names: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What stays equal while other lines of the file change."""
        return self.path, self.where, self.operator, self.old, self.new

    @property
    def id(self) -> str:
        """A short name for one fault at one place."""
        return hashlib.sha256(repr((self.key, self.start)).encode()).hexdigest()[:12]

    def planted(self, source: bytes) -> bytes:
        """The file with the fault in it."""
        return source[: self.start] + self.text.encode() + source[self.end :]

    def is_real(self, source: bytes) -> bool:
        """Whether the file still compiles, and to something else."""
        try:
            return ast.dump(ast.parse(self.planted(source))) != ast.dump(ast.parse(source))
        except (SyntaxError, ValueError):
            return False


def faults_of(root: Path, path: str) -> list[Fault]:
    """All faults that one file can be given, in the order of its text."""
    finder = _Finder(path, (root / path).read_bytes())
    finder.visit(finder.tree)
    return sorted(set(finder.found), key=lambda fault: (fault.start, fault.end, fault.operator, fault.text))


def code_lines(source: bytes) -> int:
    """Lines on which a statement begins, without docstrings."""
    return len({
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    })  # fmt: skip


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _is_number(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


def _nudged(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(not value)
    return str(value + 1) if isinstance(value, int) else repr(value * 2 or 1.0)


def _is_empty(body: list[ast.stmt]) -> bool:
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


class _Finder(ast.NodeVisitor):
    """Walks one file; keeps in mind the function and the statement it is in."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source, self.found = path, source, list[Fault]()
        self.tree = ast.parse(source)
        self.offsets = [0]
        for line in source.splitlines(keepends=True):
            self.offsets.append(self.offsets[-1] + len(line))
        self.scopes: list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef] = []
        self.reach: tuple[int, int] = (1, 1)
        self.names: tuple[str, ...] = ()
        self.lambdas = 0
        self.literals = {
            _name(node.targets[0]): node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
        }

    # -- places in the text

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Bytes of a node."""
        return (
            self.offsets[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            self.offsets[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def text(self, node: ast.AST) -> str:
        """Text of a node."""
        start, end = self.span(node)
        return self.source[start:end].decode()

    def add(self, operator: str, start: int, end: int, text: str) -> None:
        """Keeps a fault."""
        first, last = self.source.rfind(b"\n", 0, start) + 1, self.source.find(b"\n", end)
        before, after = self.source[first:start].decode(), self.source[end:last].decode()
        old, new = (" ".join((before + middle + after).split()) for middle in (self.source[start:end].decode(), text))
        where = ".".join(scope.name for scope in self.scopes)
        line = self.source.count(b"\n", 0, start) + 1
        at_import = not self.lambdas and not any(
            isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) for scope in self.scopes
        )
        names = (self.names or (self.scopes[-1].name if self.scopes else "",)) if at_import else ()
        self.found.append(Fault(self.path, where, operator, start, end, text, line, old, new, self.reach, names))

    def replace(self, operator: str, node: ast.AST, text: str) -> None:
        """Keeps a fault that has another text in place of a node."""
        self.add(operator, *self.span(node), text)

    def between(self, operator: str, left: ast.AST, right: ast.AST, pattern: str, text: str) -> None:
        """Keeps a fault that has another sign between two nodes."""
        start, end = self.span(left)[1], self.span(right)[0]
        if found := re.search(pattern, self.source[start:end].decode()):
            self.add(operator, start + found.start(), start + found.end(), text)

    def shifted(self, node: ast.expr, by: int) -> None:
        """Keeps a bound that is off by one."""
        if _is_number(node):
            self.replace("bound", node, str(node.value + by))  # type: ignore[attr-defined]
        else:
            text = self.text(node)
            simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
            self.replace("bound", node, f"{text if simple else f'({text})'} {'+' if by > 0 else '-'} {abs(by)}")

    # -- statements

    def visit(self, node: ast.AST) -> None:
        """Remembers the statement, of a compound one its first lines."""
        if not isinstance(node, ast.stmt):
            return super().visit(node)
        outer = self.reach, self.names
        body = getattr(node, "body", None)
        self.reach = node.lineno, max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        self.names = tuple(name for target in targets if target is not None and (name := _name(target)))
        super().visit(node)
        self.reach, self.names = outer

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in SILENT or _is_empty(node.body):
            return
        self.scopes.append(node)
        self.reach = node.body[0].lineno, node.end_lineno or node.lineno
        arguments = [*node.args.posonlyargs, *node.args.args][::-1]
        pairs = [*zip(arguments, node.args.defaults[::-1], strict=False)]
        pairs += [*zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
        for argument, default in pairs:
            if default is not None:
                self.default(argument.annotation, default)
        for statement in node.body:
            self.visit(statement)
        self.scopes.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 (the name is ast's)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.scopes.append(node)
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.value, ast.Constant):
                self.names = (node.name,)
                self.default(statement.annotation, statement.value)
            else:
                self.visit(statement)
        self.scopes.pop()

    def default(self, annotation: ast.expr | None, value: ast.expr) -> None:
        """Another value for a parameter or a field."""
        if not isinstance(value, ast.Constant):
            return self.visit(value)
        said = self.text(annotation) if annotation else ""
        if value.value is None:
            if kind := re.search(r"\b(bool|int|float)\b", said):
                self.replace("default", value, "True" if kind[1] == "bool" else "1")
        elif isinstance(value.value, str):
            said = " ".join(
                [said, *(self.text(self.literals[word]) for word in self.literals if word and word in said)]
            )
            choices = [choice for choice in re.findall(r'"([^"]+)"', said) if choice != value.value]
            if "Literal[" in said and choices:
                self.replace("default", value, f'"{choices[0]}"')
        elif isinstance(value.value, bool | int | float):
            self.replace("default", value, _nudged(value.value))

    def visit_If(self, node: ast.If) -> None:
        if re.search("TYPE_CHECKING|__main__", self.text(node.test)):
            return
        self.replace("guard" if isinstance(node.body[-1], ast.Raise) else "branch", node.test, "False")
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        outer, self.reach = self.reach, (node.lineno, node.body[-1].end_lineno or node.lineno)
        if node.type:
            self.replace("guard", node.type, "()")
        self.reach = outer
        for statement in node.body:
            self.visit(statement)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Words for people."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Speaks of the code itself."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if "__all__" in self.names:
            return
        inside = self.scopes and self.scopes[-1].name != "__init__"
        if inside and isinstance(node.targets[0], ast.Subscript | ast.Attribute):
            self.replace("statement", node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.replace("statement", node, "pass")
        if type(node.op) in ARITHMETIC and not _is_text(node.value):
            old, new = ARITHMETIC[type(node.op)]
            self.between("sign", node.target, node.value, re.escape(old) + "=", new + "=")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.replace("statement", node, "pass")
            if "warn" not in _name(node.value.func):
                self.visit(node.value)
        elif not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        function = next(scope for scope in self.scopes[::-1] if not isinstance(scope, ast.ClassDef))
        said, text = self.text(function.returns) if function.returns else "", self.text(node.value)
        text = text if text.startswith(("(", "[", "{")) and text.endswith((")", "]", "}")) else f"({text})"
        endings = {
            "bool": f"not {text}", "int": f"{text} + 1", "float": f"{text} + 1", "FloatArray": f"{text} + 1",
            "str": '""', "list": f"{text}[1:]", "tuple": f"{text}[1:]", "NDArray": f"{text}[::-1]",
        }  # fmt: skip
        plain = re.split(r"[\[ ]", said)[0] if "|" not in said else ""
        new = "None" if text in ("[]", "()") else "0" if text == "(None)" else endings.get(plain, "None")
        self.replace("return", node.value, new)
        self.visit(node.value)

    def visit_Continue(self, node: ast.Continue) -> None:
        self.replace("loop", node, "pass")

    def visit_Break(self, node: ast.Break) -> None:
        self.replace("loop", node, "pass")

    # -- expressions

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Words for people."""

    def visit_Lambda(self, node: ast.Lambda) -> None:
        outer, self.reach = self.reach, (node.body.lineno, node.body.end_lineno or node.body.lineno)
        self.lambdas += 1
        self.visit(node.body)
        self.lambdas -= 1
        self.reach = outer

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.replace("branch", node.test, "False")
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.replace("branch", test, "True")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for left, sign, right in zip(sides, node.ops, sides[1:], strict=False):
            old, new = COMPARISONS[type(sign)]
            word = old[0].isalpha()
            self.between("comparison", left, right, rf"\b{old}\b" if word else re.escape(old), new)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in ARITHMETIC and not (_is_text(node.left) or _is_text(node.right)):
            old, new = ARITHMETIC[type(node.op)]
            self.between("arithmetic", node.left, node.right, re.escape(old), new)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.between("boolean", left, right, rf"\b{old}\b", new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        text = self.text(node)
        if isinstance(node.op, ast.Not):
            self.replace("negation", node, text.removeprefix("not").lstrip())
        elif isinstance(node.op, ast.USub):
            self.replace("sign", node, text[1:])
        elif isinstance(node.op, ast.Invert):
            self.replace("negation", node, text[1:])
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "T":
            self.replace("axis", node, self.text(node.value))
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part in parts:
            if isinstance(part, ast.Slice):
                for bound, by in ((part.lower, 1), (part.upper, -1)):
                    if bound is not None:
                        self.shifted(bound, by)
                        self.inside(bound)
                if part.step is not None:
                    self.visit(part.step)
            elif _is_number(part):
                self.shifted(part, 1)
            elif isinstance(part, ast.UnaryOp) and _is_number(part.operand):
                self.shifted(part.operand, 1)
            elif not isinstance(part, ast.Constant):
                self.visit(part)

    def inside(self, node: ast.expr) -> None:
        """Visits a bound, which is no constant any more."""
        if not isinstance(node, ast.Constant):
            self.visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        self.visit(node.func)
        if name in TWINS:
            operator, start = "boolean" if name in ("any", "all") else "bound", self.span(node.func)[1] - len(name)
            self.add(operator, start, start + len(name), TWINS[name])
        plain = [item for item in node.args if not isinstance(item, ast.Starred)]
        if len(plain) > 1 and plain == node.args and name not in EITHER_WAY:
            (start, _), (_, end) = self.span(plain[0]), self.span(plain[1])
            middle = self.source[self.span(plain[0])[1] : self.span(plain[1])[0]].decode()
            if not any(mark in middle for mark in "()#"):
                self.add("arguments", start, end, self.text(plain[1]) + middle + self.text(plain[0]))
        for item in node.args:
            if name == "range" and not isinstance(item, ast.Starred):
                self.shifted(item, 1 if len(node.args) > 1 and item is node.args[0] else -1)
                self.inside(item)
            else:
                self.visit(item)
        for keyword in node.keywords:
            if keyword.arg in ("axis", "dim"):
                self.axis(keyword.value)
            elif keyword.arg not in ("indent", "repr") and not (keyword.arg == "strict" and name == "zip"):
                self.visit(keyword.value)

    def axis(self, node: ast.expr) -> None:
        """Another axis."""
        said = self.text(node)
        if said in ("0", "1", "-1"):
            self.replace("axis", node, {"0": "-1", "1": "0", "-1": "0"}[said])
        elif isinstance(node, ast.Tuple) and len(node.elts) > 1:
            self.replace("axis", node, self.text(node.elts[0]))
        else:
            self.visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool | int | float):
            self.replace("constant", node, _nudged(node.value))


def files_of(root: Path) -> Iterator[str]:
    """The sources, from the root of the repository."""
    for path in sorted((root / "src" / "gerund").rglob("*.py")):
        yield path.relative_to(root).as_posix()
