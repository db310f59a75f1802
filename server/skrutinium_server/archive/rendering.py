"""The description of a format as HTML and as Markdown. Pure, and the same bytes everywhere."""

from typing import Any, Final

import jinja2

from skrutinium_server.archive.description import Description, Field

_PAGES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("skrutinium_server.archive", "pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
)


def page(template: str, **told: Any) -> bytes:
    """One page from its template below ``pages/``; everything told is escaped."""
    return _PAGES.get_template(template).render(**told).encode()


def html(schema: Description, *, home: str, home_title: str, xsd: str | None, made_up: bool = False) -> bytes:
    """The page of one schema; ``home`` and ``xsd`` are links, relative to it."""
    names = {name for name, _, _ in schema.types}
    return page(
        "format.html", schema=schema, home=home, home_title=home_title, xsd=xsd, names=names, made_up=made_up
    )


def markdown(schemas: list[Description], title: str) -> bytes:
    """Some schemas as one page for the documentation."""
    lines = [
        f"# {title}",
        "",
        "Made from the schemas by `skrutinium-server format describe`; change it there.",
        "",
    ]
    for schema in schemas:
        lines += [f"## {schema.schema}", "", f"Namespace `{schema.namespace}`. {schema.meaning}".rstrip(), ""]
        for document in schema.documents:
            lines += [f"### {document.root} ({schema.schema})", "", document.meaning, "", *_HEAD]
            lines += [_row(field) for field in document.fields]
            lines.append("")
        if schema.types:
            lines += [
                f"### Types of {schema.schema}",
                "",
                "| type | meaning | permitted |",
                "| --- | --- | --- |",
            ]
            lines += [
                f"| `{name}` | {_cell(meaning)} | {_code(permitted)} |"
                for name, meaning, permitted in schema.types
            ]
            lines.append("")
    return "\n".join(lines).rstrip("\n").encode() + b"\n"


_HEAD: Final = (
    "| element or attribute | meaning | needed | type | unit | example |",
    "| --- | --- | --- | --- | --- | --- |",
)


def _row(field: Field) -> str:
    unit = "" if field.unit == "-" else field.unit
    cells = (_code(field.path), _cell(field.meaning), field.need, field.type, unit, _code(field.example))
    return f"| {' | '.join(cells)} |"


def _code(value: str) -> str:
    return f"`{_cell(value)}`" if value else ""


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("`", "'")
