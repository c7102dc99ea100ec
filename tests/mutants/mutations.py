"""The changes that are made to a module, one at a time.

They are mutmut's operators, at every place of a module: mutmut itself changes the bodies of undecorated functions
alone, and half of what this program says stands in tables, fields' defaults and properties. A few of our own are for
kinds of mistake that tests here have missed: a row gone, only the first of several looked at, a step left out.

Not changed, since no test should pin it: prose (strings with a blank, f-strings), docstrings, annotations, imports,
decorators, aliases of types.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import libcst as cst
import libcst.matchers as m
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_number, operator_string

Operator = Callable[[Any], Iterable[cst.CSTNode]]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of one module.

    Attributes:
        key: What is changed, in words that stay the same while the lines around it change.
        lines: The first and the last line of it.
        start: Where it begins, in bytes.
        end: Where it ends.
        text: What stands there instead.
        shared: Whether it runs outside any one test: on import, or in a function that remembers its result.
        name: What a change on import gives another value to: a constant's or a field's name; else "".
    """

    key: str
    lines: tuple[int, int]
    start: int
    end: int
    text: str
    shared: bool
    name: str

    def applied(self, source: str) -> str:
        """The module with this change."""
        content = source.encode()
        return (content[: self.start] + self.text.encode() + content[self.end :]).decode()


# --- operators of our own ---------------------------------------------------------------------------------------------


def number(node: cst.Integer | cst.Float) -> Iterator[cst.CSTNode]:
    """Nothing instead of it, and one more only of small ones: no test should know a time to the last digit."""
    if node.evaluated_value:
        yield cst.Integer("0")
    if abs(node.evaluated_value) <= 2:
        yield from operator_number(node)


def argument(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Mutmut's arguments left out; None instead only where there is but one, which says the same of the others."""
    changed = list(operator_arg_removal(node))
    yield from changed if len(node.args) == 1 else changed[-len(node.args) :]


def text(node: cst.BaseString) -> Iterator[cst.CSTNode]:
    """Mutmut's first change of a text; the others say it in capitals."""
    yield from itertools.islice(operator_string(node), 1)


def without_an_element(node: cst.Tuple | cst.List | cst.Set | cst.Dict) -> Iterator[cst.CSTNode]:
    """Each row of a table gone."""
    elements: Sequence[Any] = node.elements
    for index in range(len(elements)):
        left = [*elements[:index], *elements[index + 1 :]]
        if isinstance(node, cst.Set) and not left:
            yield cst.Call(cst.Name("set"))
        elif isinstance(node, cst.Tuple) and len(left) < 2:
            brackets = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]}
            comma = [one.with_changes(comma=cst.Comma()) for one in left]
            yield node.with_changes(elements=comma, **brackets)
        else:
            yield node.with_changes(elements=left)


def of_the_first_alone(node: cst.For | cst.CompFor) -> Iterator[cst.CSTNode]:
    """Only the first of several looked at."""
    first = cst.parse_expression("list()[:1]")
    assert isinstance(first, cst.Subscript)
    call = cst.ensure_type(first.value, cst.Call).with_changes(args=[cst.Arg(node.iter)])
    yield node.with_changes(iter=first.with_changes(value=call))


def without_the_statement(node: cst.Expr | cst.Raise) -> Iterator[cst.CSTNode]:
    """A step left out."""
    if isinstance(node, cst.Raise) or m.matches(node.value, m.Call() | m.Yield()):
        yield cst.Pass()


def the_other_branch(node: cst.If | cst.While) -> Iterator[cst.CSTNode]:
    """A condition turned round, where none of mutmut's operators turns it."""
    if m.matches(node.test, m.Name() | m.Attribute() | m.Call() | m.Subscript() | m.NamedExpr()):
        bracketed = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(operator=cst.Not(), expression=bracketed))


# Our own version of some.
INSTEAD: Final[Mapping[Any, Operator]] = {
    operator_arg_removal: argument,
    operator_number: number,
    operator_string: text,
}
OPERATORS: Final[Sequence[tuple[Any, Operator]]] = [
    *((kind, INSTEAD.get(operator, operator)) for kind, operator in mutation_operators),
    ((cst.Tuple, cst.List, cst.Set, cst.Dict), without_an_element),
    ((cst.For, cst.CompFor), of_the_first_alone),
    ((cst.Expr, cst.Raise), without_the_statement),
    ((cst.If, cst.While), the_other_branch),
]

# --- where they are applied -------------------------------------------------------------------------------------------

# What is never looked into.
SKIPPED: Final = (
    m.Annotation()
    | m.Decorator()
    | m.Import()
    | m.ImportFrom()
    | m.Expr(value=m.SimpleString() | m.ConcatenatedString())
    | m.If(test=m.Name("TYPE_CHECKING"))
    | m.If(test=m.Comparison(left=m.Name("__name__")))
    | m.Assign(targets=[m.AssignTarget(m.Name("__all__"))])
    # An alias of a type is read by nobody at run time.
    | m.Assign(value=m.Subscript() | m.BinaryOperation(operator=m.BitOr()))
    | m.Call(func=m.Name("len") | m.Name("isinstance") | m.Name("cast") | m.Name("TypeVar"))
)


class _Collector(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (ByteSpanPositionProvider, PositionProvider)

    def __init__(self, path: str, source: str) -> None:
        super().__init__()
        self.path, self.content = path, source.encode()
        self.found: list[Mutant] = []
        self._lines = source.splitlines()
        self._where: list[cst.FunctionDef | cst.ClassDef] = []
        self._statements: list[cst.BaseStatement] = []
        self._seen: Counter[str] = Counter()
        # Names on the left side: a tuple of them is no table.
        self._targets: set[int] = set()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, SKIPPED):
            return False
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self._where.append(node)
        if isinstance(node, cst.BaseStatement):
            self._statements.append(node)
        if isinstance(node, cst.AssignTarget | cst.For | cst.CompFor | cst.AsName):
            self._targets.add(id(node.name if isinstance(node, cst.AsName) else node.target))
        for kind, operator in OPERATORS:
            if isinstance(node, kind) and not _prose(node) and id(node) not in self._targets:
                for changed in operator(node):
                    self._add(node, changed)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._where and self._where[-1] is original_node:
            self._where.pop()
        if self._statements and self._statements[-1] is original_node:
            self._statements.pop()

    def _add(self, node: Any, changed: Any) -> None:
        # Of a statement with a body only its head is changed: how that body is indented is nowhere else to be seen.
        if isinstance(node, cst.If | cst.While):
            node, changed = node.test, changed.test
        elif isinstance(node, cst.For):
            node, changed = node.iter, changed.iter
        place = self.get_metadata(PositionProvider, node, None)
        span = self.get_metadata(ByteSpanPositionProvider, node, None)
        if place is None or span is None:
            return
        start, end = span.start, span.start + span.length
        inner, whole = self.content[start:end].decode(), self._code(node)
        # Brackets and blanks around it count as no part of it, but are of its text.
        before, _, after = whole.partition(inner)
        start, end = start - len(before.encode()), end + len(after.encode())
        if self.content[start:end].decode() != whole:
            return
        first, last = place.start.line, place.start.line + inner.count("\n")
        lines = self._lines[first - 1 : last]
        line_start = len("\n".join(self._lines[: first - 1]).encode()) + (1 if first > 1 else 0)
        line_end = line_start + len("\n".join(lines).encode())
        text = self._code(changed)
        line = (self.content[line_start:start] + text.encode() + self.content[end:line_end]).decode()
        change = _shown(lines, line.splitlines())
        name = ".".join(one.name.value for one in self._where)
        key = f"{self.path} {name}: {change}" if name else f"{self.path}: {change}"
        self._seen[key] += 1
        if self._seen[key] > 1:
            key += f" ({self._seen[key]})"
        mutant = Mutant(
            key=key,
            lines=(first, last),
            start=start,
            end=end,
            text=text,
            shared=self._shared(),
            name=self._assigned(),
        )
        if _compiles(mutant.applied(self.content.decode())):
            self.found.append(mutant)

    def _code(self, node: cst.CSTNode) -> str:
        """The node's text, further lines as far to the right as the statement that it is in."""
        column = self.get_metadata(PositionProvider, self._statements[-1]).start.column if self._statements else 0
        return _code(node).replace("\n", "\n" + " " * column)

    def _assigned(self) -> str:
        """The name on the left side, where that is a module's or a class's."""
        statement = self._statements[-1] if self._statements else None
        inside = self._where[-1] if self._where else None
        if not isinstance(statement, cst.SimpleStatementLine) or isinstance(inside, cst.FunctionDef):
            return ""
        match statement.body[0]:
            case (
                cst.AnnAssign(target=cst.Name(value=name))
                | cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))])
            ):
                return str(name)
        return ""

    def _shared(self) -> bool:
        functions = [one for one in self._where if isinstance(one, cst.FunctionDef)]
        return not functions or any("cache" in _code(d) for f in functions for d in f.decorators)


def _prose(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleString) and " " in node.value


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def _shown(before: list[str], after: list[str]) -> str:
    """The lines that differ, as one line."""
    before, after = ([line.strip() for line in lines if line.strip()] for lines in (before, after))
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    one, other = (" ".join(lines) for lines in (before, after))
    return f"{one} => {other or 'nothing'}"


def _compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Every change of a module, in the order of its lines.

    Args:
        path: Where the module is, from the project's root.
        source: What stands in it.
    """
    wrapper = MetadataWrapper(cst.parse_module(source))
    collector = _Collector(path, source)
    wrapper.visit(collector)
    return [mutant for mutant in collector.found if mutant.applied(source) != source]
