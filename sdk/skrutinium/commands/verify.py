"""``skrutinium verify``: check a whole night and add every vote up again."""

import argparse
import functools
import json
import sys
import time
from pathlib import Path

from skrutinium.commands.choice import which_run
from skrutinium.commands.telling import counted, tell
from skrutinium.errors import SkrutiniumError
from skrutinium.verifying.archive import is_archive, verify_archive
from skrutinium.verifying.night import open_source, verify
from skrutinium.verifying.report import SERIES, Report
from skrutinium.watching.view import grouped

HELP = "check a whole night and add every vote up again"

_SHOWN = 20


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument(
        "place",
        metavar="URL|DIR|ZIP",
        help="address of a feed or a public folder, a folder with a release store, or the archive of a run",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    which_run(parser)


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    began = time.monotonic()
    report = await _report(told)
    if told.json:
        print(json.dumps(report.as_json(), indent=1, ensure_ascii=False))
    else:
        tell("\n".join(verdict(report, time.monotonic() - began)))
    return 0 if report.agrees else 1


async def _report(told: argparse.Namespace) -> Report:
    live = sys.stderr.isatty() and not told.json
    trouble: str | None = None

    def waiting(error: SkrutiniumError, seconds: float) -> None:
        nonlocal trouble
        if error.message != trouble:  # once, until it goes on
            trouble = error.message
            words = f"skrutinium: {error}; trying again for a while, now in {seconds:.1f} s"
            print(_waiting(error, seconds) if told.json else words, file=sys.stderr, flush=True)

    def progress(what: str, every: int, number: int, newest: int) -> None:
        nonlocal trouble
        if trouble is not None:
            trouble = None
            words = (
                '{"trouble": null}' if told.json else f"skrutinium: it goes on, {what} {number} of {newest}"
            )
            print(words, file=sys.stderr, flush=True)
        if live and (number == newest or number % every == 0):
            end = "\r" + " " * 50 + "\r" if number == newest else ""
            print(f"\rchecking {what} {number} of {newest} …{end}", end="", file=sys.stderr, flush=True)

    if is_archive(told.place):
        of_archive = functools.partial(progress, "document", 500)
        return await verify_archive(Path(told.place), fingerprint=told.fingerprint, progress=of_archive)
    async with open_source(told.place, waiting=waiting) as source:
        return await verify(
            source,
            event=told.event,
            run=told.run_id,
            fingerprint=told.fingerprint,
            progress=functools.partial(progress, "release", 5),
        )


def _waiting(error: SkrutiniumError, seconds: float) -> str:
    return json.dumps(
        {"trouble": error.code, "message": error.message, "address": error.address, "wait": round(seconds, 3)}
    )


def _of(series: str) -> str:
    return "" if series == SERIES else f"{series}: "


def _part(report: Report) -> str:
    return " (documents of the newest only)" if report.newest_only else ""


def verdict(report: Report, seconds: float) -> list[str]:
    """The report for people."""
    lines = [
        f"{report.where}: event {report.event}, run {report.run} ({report.phase})",
        *(
            f"  {_of(series)}{counted(looked.releases, 'release')}{_part(report)}, {counted(looked.documents, 'document')}: "
            "signatures, chain, hashes, schema"
            for series, looked in report.series.items()
        ),
        f"  {grouped(report.protocols)} protocols taken over, {grouped(report.reread)} of them read again from their bytes",
        (
            f"  {grouped(report.counting)} of {grouped(report.expected)} expected protocols count, added up again and "
            f"compared in {grouped(sum(one.totals for one in report.series.values()))} documents"
        ),
        *(
            [f"  {counted(report.decided, 'decided contest')}: seats given again, and who is elected"]
            if report.decided
            else []
        ),
        *(
            f"  registers {number}: {grouped(size)} documents; every precinct, contest, list and candidate compared with them"
            for number, size in report.registers.items()
        ),
        *(
            [f"  {grouped(report.rows)} rows of its tables compared with its documents"]
            if report.rows
            else []
        ),
        f"  key {report.fingerprint}" + ("" if report.pinned else " (not pinned: compare it with paper)"),
        *(f"  note: {note}" for note in report.notes),
    ]
    lines += [f"  {one}" for one in report.differences[:_SHOWN]]
    more = len(report.differences) + report.more_differences - _SHOWN
    if more > 0:
        lines.append(f"  … and {grouped(more)} more")
    if report.agrees and report.newest_only:
        what = (
            "the newest release is what the protocols add up to"
            if report.counting
            else "what is there is as it was signed"
        )
        return [*lines, f"AGREEMENT, as far as this mirror goes: {what} ({seconds:.1f} s)"]
    if report.agrees:
        return [*lines, f"AGREEMENT: everything published is what the protocols add up to ({seconds:.1f} s)"]
    count = len(report.differences) + report.more_differences
    return [*lines, f"DIFFERENCES: {grouped(count)} found ({seconds:.1f} s)"]
