"""Verifying a whole night: every signature, every link of the chain, every document, and every vote added up again.

The adding is this package's own code and shares nothing with the publisher's: that is its worth. So are the seats of lists,
and who is elected.
"""

import asyncio

from skrutinium.documents import parsing
from skrutinium.documents.series import Run
from skrutinium.documents.series_reading import read_state
from skrutinium.errors import NoSuchPlace, NotYet, SignatureError
from skrutinium.sources.choosing import choose_run
from skrutinium.sources.mail.source import MailSource
from skrutinium.sources.mirrored import mark_of
from skrutinium.sources.opening import open_source
from skrutinium.sources.source import Source
from skrutinium.trust.signing import KeyRing, split_signed
from skrutinium.verifying import outcomes
from skrutinium.verifying.checking import Checker
from skrutinium.verifying.newest_only import verify_newest
from skrutinium.verifying.registers_verifying import RegistersWalk
from skrutinium.verifying.report import SERIES, Difference, Report
from skrutinium.verifying.volby_checking import VolbyChecker
from skrutinium.verifying.walking import Progress, Walk

__all__ = ["Difference", "Report", "open_source", "verify"]

VOLBY = "volby"


async def verify(
    source: Source,
    *,
    event: str | None = None,
    run: str | None = None,
    fingerprint: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check all releases of one run and add every vote up again; differences go into the report.

    Of a mirror that keeps the newest release only, that one (:attr:`.Report.newest_only`). Raises :class:`SkrutiniumError` when there is
    nothing to check or it cannot be reached, :class:`NoSuchPlace` for mails.
    """
    if isinstance(source, MailSource):
        raise NoSuchPlace(
            "a whole night cannot be checked from crisis mail: it brings agreed documents of some releases; `skrutinium mail` checks "
            "signature, chain and hashes of what came",
            address=source.where,
        )
    await asyncio.to_thread(parsing.schema_text, parsing.SCHEMA)
    report = Report(source.where, pinned=fingerprint is not None)
    keys = KeyRing(source.key, pinned=fingerprint)
    chosen = await _run(source, keys, report, event, run)
    report.event, report.run, report.phase = chosen.event, chosen.id, chosen.phase
    mark = await mark_of(source, chosen)
    if mark is not None and not mark.whole:
        await verify_newest(source, chosen, keys, report, mark, progress)
        report.fingerprint = keys.newest or ""
        return report
    checker = Checker(report, law=chosen.law)
    try:
        walk = Walk(source.series(chosen, SERIES), SERIES, checker, keys, chosen, report)
        walk.registers = registers = RegistersWalk(source.registers(chosen.event), keys, chosen, report)
        await walk.all(progress)
        await asyncio.to_thread(outcomes.tell, checker.recount, report)
        await registers.chain()
    finally:
        await asyncio.to_thread(checker.close)
    if VOLBY in chosen.series:
        await _volby(source, checker, keys, chosen, report, progress)
    for other in sorted(set(chosen.series) - {SERIES, VOLBY}):
        report.note(f"series {other} was not looked at: this version does not know it")
    report.fingerprint = keys.newest or ""
    return report


async def _volby(
    source: Source, checked: Checker, keys: KeyRing, run: Run, report: Report, progress: Progress | None
) -> None:
    """The series volby, against the protocols that the series skrutinium told."""
    checker = await asyncio.to_thread(VolbyChecker, report, checked)
    try:
        await Walk(source.series(run, VOLBY), VOLBY, checker, keys, run, report).all(progress)
    except NotYet:
        report.note(f"series {VOLBY} has no release yet")
    finally:
        await asyncio.to_thread(checker.close)


async def _run(source: Source, keys: KeyRing, report: Report, event: str | None, run: str | None) -> Run:
    data = await source.state()
    body, line = split_signed(data, "state.xml")
    try:
        await keys.check(body, line, "state.xml")
    except SignatureError as error:
        report.differs("state", None, "state.xml", "the signature does not hold", error.message)
    return choose_run(read_state(body, "state.xml"), event, run, SERIES, source.where)
