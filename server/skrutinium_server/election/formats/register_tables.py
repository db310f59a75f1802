"""The registers of one election as they lie in a folder: by name, each in CSV or in XML."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats.csv_table import MOST_BYTES, Row, rows
from skrutinium_server.election.formats.row_xml import xml_rows

ENDS: Final = (".csv", ".xml")


class RegisterTables:
    """Registers by name (``kvros``); ``required`` must be there.

    CSV comes in the office's two flavours: windows-1250 with ``;`` and UTF-8 with ``,``. Raises ``SourceError``.
    """

    def __init__(self, tables: Mapping[str, bytes], known: Sequence[str], required: Sequence[str]) -> None:
        self._files: dict[str, str] = {}
        self._tables = tables
        for file in tables:
            name = _register(file)
            if name is None or name not in known:
                raise SourceError(file, None, None, "not a register that is known", _named(known))
            if name in self._files:
                raise SourceError(file, None, None, "the register is given twice", "each register once")
            self._files[name] = file
        for name in required:
            if name not in self._files:
                expected = " and ".join(f"{one}.csv or .xml" for one in required)
                raise SourceError(f"{name}.csv", None, None, "the register is missing", expected)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def file(self, name: str) -> str:
        """The name of a register's file."""
        return self._files[name]

    def rows(self, name: str, columns: Sequence[str]) -> Iterator[Row]:
        """The rows of a register; ``columns`` must be in its header, in XML they may be left out where empty."""
        file = self._files[name]
        data = self._tables[file]
        if file.lower().endswith(".xml"):
            return xml_rows(file, data, columns)
        if b";" in data.partition(b"\n")[0]:
            return rows(file, data, columns, encoding="cp1250", delimiter=";")
        return rows(file, data, columns, encoding="utf-8-sig", delimiter=",")


def read_files(paths: Sequence[Path], known: Sequence[str]) -> dict[str, bytes]:
    """The bytes of registers by file name, of files and of folders that hold them; names are compared without case."""
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    tables: dict[str, bytes] = {}
    for file in files:
        name = file.name.lower()
        if _register(name) not in known:
            if file in paths:
                raise SourceError(file.name, None, None, "not a register that is known", _named(known))
            continue
        if name in tables:
            raise SourceError(file.name, None, None, "the register is given twice", "each register once")
        if file.stat().st_size > MOST_BYTES:
            raise SourceError(file.name, None, None, "the file is too large", f"at most {MOST_BYTES} bytes")
        tables[name] = file.read_bytes()
    return tables


def _register(file: str) -> str | None:
    name = file.lower()
    return name[:-4] if name.endswith(ENDS) else None


def _named(known: Sequence[str]) -> str:
    return f"{', '.join(known)}, each as .csv or .xml"
