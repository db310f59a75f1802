"""Pages from templates: every value is escaped, and one that is missing is a fault, not an empty place."""

import datetime
import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from skrutinium_server.console import words

STATIC: Final = {
    "style.css": "text/css",
    "refresh.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Files that pages ask for, and what they are."""


class Pages:
    """The templates and files of the console, read once."""

    def __init__(self) -> None:
        folder = resources.files("skrutinium_server.console").joinpath("static")
        self.files: Mapping[str, bytes] = {name: folder.joinpath(name).read_bytes() for name in STATIC}
        version = hashlib.sha256(b"".join(self.files.values())).hexdigest()[:12]
        self._environment = Environment(
            loader=PackageLoader("skrutinium_server.console"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(grouped=words.grouped, age=words.age, size=words.size)
        self._environment.globals.update(
            words=words,
            share=words.share,
            plural=words.plural,
            static=lambda name: f"/static/{name}?v={version}",
        )

        for name in self._environment.list_templates():
            self._environment.get_template(name)  # no page waits for the disk

    def render(self, template: str, zone: datetime.tzinfo, values: Mapping[str, Any]) -> str:
        """A page; ``zone``: in which its times are told."""
        clocks = {
            "moment": functools.partial(words.moment, zone=zone),
            "clock": functools.partial(words.clock, zone=zone),
        }
        return self._environment.get_template(template).render(**clocks, **values)
