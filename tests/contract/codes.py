"""The error codes that the source can say, found in its syntax, for the tests of the reference."""

import ast
from collections.abc import Iterator
from pathlib import Path

RAISED_WITH_CODE_FIRST = {"TallyError", "EntryError", "SeatsError", "SeatLawError"}


def stage_codes(server: Path) -> set[str]:
    """Every code of the stages, processes and commands: of error classes, and given where they are raised."""
    files = [path for path in server.rglob("*.py") if not path.is_relative_to(server / "feed")]
    return {code for path in files for code in _codes(ast.parse(path.read_text("utf-8")))}


def _codes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id="code") | ast.Attribute(attr="code")], value=value):
                yield from _strings(value)
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in RAISED_WITH_CODE_FIRST:
                yield from _strings(first)
            case ast.Dict(keys=[ast.Constant(value="error"), *_], values=[value, *_]):
                yield from _strings(value)
            case _:
                pass
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "code":
                    yield from _strings(keyword.value)


def _strings(value: ast.expr) -> Iterator[str]:
    """The text of a constant, both of a choice, and of a pattern its beginning with a star."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _strings(body)
            yield from _strings(orelse)
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield f"{text}*"
        case _:
            pass
