"""``skrutinium schema``: list, print or save the schemas, and say where a file departs from its own."""

import argparse
import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from skrutinium.commands.telling import tell
from skrutinium.documents.parsing import LARGEST, schema_text
from skrutinium.documents.schemas import Held, Judged, find_schema, held_schemas, judge
from skrutinium.errors import DamagedError, NoSuchPlace, SchemaError, SignatureError, StorageError
from skrutinium.sources.transport import expand
from skrutinium.trust.signing import split_signed

HELP = "list, print or save the schemas; check files by them"


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="which schema; without one they are listed")
    parser.add_argument(
        "--validate",
        metavar="FILE",
        nargs="+",
        help="check files by the schema NAME, or by the one that fits",
    )
    parser.add_argument("--save", metavar="DIR", help="write the schema, or all of them, into this folder")
    parser.add_argument("--json", action="store_true", help="print JSON")


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    if told.validate:
        return await _validate(told)
    chosen = await asyncio.to_thread(lambda: (find_schema(told.name),) if told.name else held_schemas())
    if told.save:
        written = await asyncio.to_thread(_save, chosen, Path(told.save))
        print(json.dumps({"written": written}) if told.json else "\n".join(written))
    elif told.json:
        print(json.dumps([dataclasses.asdict(one) for one in chosen], indent=1))
    elif told.name:
        sys.stdout.write((await asyncio.to_thread(schema_text, chosen[0].name)).decode("utf-8"))
    else:
        width = max(len(one.name) for one in chosen)
        tell("\n".join(f"{one.name.ljust(width)}  {', '.join(one.roots)}" for one in chosen))
    return 0


async def _validate(told: argparse.Namespace) -> int:
    code = 0
    for path in told.validate:
        verdict = await asyncio.to_thread(_judge, Path(path), told.name)
        if told.json:
            print(json.dumps({"valid": verdict.valid, **dataclasses.asdict(verdict)}, ensure_ascii=False))
        else:
            tell("\n".join(_shown(verdict)))
        code = code if verdict.valid else SchemaError.exit_code
    return code


def _shown(verdict: Judged) -> list[str]:
    if verdict.valid:
        return [f"{verdict.where}: valid ({verdict.name})"]
    lines = [f"{verdict.where}: not valid" + (f" ({verdict.name})" if verdict.name else "")]
    lines += [f"  line {one.line}: {one.text}" if one.line else f"  {one.text}" for one in verdict.reasons]
    return [*lines, f"  … and {verdict.more} more"] if verdict.more else lines


def _judge(path: Path, name: str | None) -> Judged:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise NoSuchPlace(f"the file cannot be read: {error.strerror or error}", address=str(path)) from error
    if len(data) > LARGEST:
        raise DamagedError(f"more than {LARGEST} bytes", address=str(path))
    if data.startswith(b"\x1f\x8b"):  # as a release store keeps its documents
        data = expand(data, LARGEST, str(path))
    try:
        data, _ = split_signed(data, str(path))  # state, notices and heartbeat end with their signature line
    except SignatureError:
        pass
    return judge(data, str(path), name)


def _save(chosen: tuple[Held, ...], folder: Path) -> list[str]:
    written = []
    for one in chosen:
        path = folder / one.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(schema_text(one.name))
        except OSError as error:
            raise StorageError(f"cannot be written: {error.strerror or error}", address=str(path)) from error
        written.append(str(path))
    return written
