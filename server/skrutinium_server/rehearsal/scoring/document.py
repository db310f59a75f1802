"""Scorecards and closing report as XML (``xsd/skrutinium/1.0/rehearsal.xsd``). Pure: the same scores give the same bytes."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Final

from lxml import etree

from skrutinium_server.rehearsal.scoring.closing import ClosingReport
from skrutinium_server.rehearsal.scoring.model import Night, Scorecard, Scores

SCHEMA: Final = "skrutinium/1.0/rehearsal.xsd"
_NAMESPACE: Final = "urn:skrutinium:1"
_MOST_MISSING: Final = 100

Value = str | int | bool | datetime.datetime | None


def scorecards(scores: Scores, made: datetime.datetime) -> bytes:
    """The document ``scorecards``; ``made``: when (aware)."""
    night = scores.night
    root = _root("scorecards", night, made)
    for one in night.series.values():
        _add(root, "series", id=one.id, releases=len(one.releases))
    for number, trouble in enumerate(night.troubles, 1):
        told = {"what": trouble.what.replace("_", "-"), "which": trouble.which}
        _add(root, "trouble", number=number, **told, begun=trouble.begun, ended=trouble.ended)
    for mailing in night.mailings:
        _add(root, "mailing", begun=mailing.begun, ended=mailing.ended)
    for card in scores.cards:
        _card(root, card)
    return _bytes(root)


def closing(report: ClosingReport, made: datetime.datetime) -> bytes:
    """The document ``closing-report``."""
    root = _root("closing-report", report.scores.night, made)
    _set(
        root,
        {
            "software": report.software,
            "law-sha256": report.ledgered.law_sha256,
            "state": report.state,
            "expected": report.expected,
            "reported": report.reported,
            "releases": report.releases,
            "corrections": report.corrections,
            "closed": report.ledgered.closed,
        },
    )
    for one in report.ledgered.brought:
        told: dict[str, Value] = {
            "who": one.who,
            "path": one.path,
            "protocols": one.protocols,
            "corrections": one.corrections,
        }
        _add(root, "brought", **told, first=one.first, last=one.last)
    for participant in report.participants:
        subscriber = participant.subscriber
        element = _add(
            root,
            "participant",
            subscriber=subscriber.id,
            name=subscriber.name,
            took_part=participant.took_part,
            newest=participant.newest,
            codebook=participant.codebook,
        )
        for used in participant.software:
            _add(element, "software", name=used.name, program=used.program, readers=used.readers)
    return _bytes(root)


def _card(root: etree._Element, card: Scorecard) -> None:
    element = _add(
        root,
        "scorecard",
        subscriber=card.subscriber.id,
        name=card.subscriber.name,
        seen=card.seen,
        series=card.series,
        requests=card.requests,
        bytes=card.bytes,
        refused=card.refused,
        receipts=card.receipts,
    )
    books, conditional, releases = card.codebooks, card.conditional, card.releases
    _add(element, "codebooks", outcome=books.outcome, held=books.held, wanted=books.wanted)
    told = {"unchanged": conditional.unchanged, "possible": conditional.possible}
    _add(element, "conditional", **told, share=conditional.hundredths)
    taken = _add(
        element,
        "releases",
        first=releases.first,
        newest=releases.newest,
        taken=releases.taken,
        passed_over=releases.passed_over,
        missed=len(releases.missed),
    )
    for number in releases.missed[:_MOST_MISSING]:
        _add(taken, "missing", release=number)
    if card.stale is not None:
        stale = {"milliseconds": card.stale.milliseconds, "release": card.stale.release}
        _add(element, "stale", **stale, since=card.stale.since, ended=card.stale.ended)
    for number, one in enumerate(card.recoveries, 1):
        _add(
            element,
            "recovery",
            trouble=number,
            outcome=one.outcome,
            milliseconds=one.milliseconds,
            way=one.way,
        )
    for noticed in card.corrections:
        _add(element, "noticed", release=noticed.release, outcome=noticed.outcome)
    _add(element, "mail", outcome=card.mail.outcome, mails=card.mail.mails, releases=card.mail.releases)
    for reader in card.readers:
        _add(
            element,
            "reader",
            client=reader.client,
            software=reader.software,
            program=reader.program,
            newest=reader.newest,
            agrees=reader.agrees,
            stale=reader.stale,
            by_mail=reader.by_mail,
        )


def _root(name: str, night: Night, made: datetime.datetime) -> etree._Element:
    root = etree.Element(f"{{{_NAMESPACE}}}{name}", nsmap={None: _NAMESPACE})
    told: dict[str, Value] = {
        "event": night.event,
        "run": night.run,
        "phase": night.phase,
        "name": night.name,
        "law": night.law,
        "definition": night.definition,
        "definition-sha256": night.definition_sha256,
        "registers": night.registers,
        "schema": "1.0",
        "made": made,
        "begun": night.begun,
        "ended": night.ended,
    }
    _set(root, told)
    return root


def _add(parent: etree._Element, element_name: str, /, **told: Value) -> etree._Element:
    element = etree.SubElement(parent, f"{{{_NAMESPACE}}}{element_name}")
    _set(element, {key.replace("_", "-"): value for key, value in told.items()})
    return element


def _set(element: etree._Element, told: Mapping[str, Value]) -> None:
    for name, value in told.items():
        if value is not None:
            element.set(name, _text(value))


def _text(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return moment(value)
        case _:
            return str(value)


def moment(time: datetime.datetime) -> str:
    """A moment as the schema has it: UTC, with milliseconds."""
    return time.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bytes(root: etree._Element) -> bytes:
    etree.indent(root, " ")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def only(scores: Scores, ids: Iterable[str]) -> Scores:
    """The same scores with the cards of these subscribers alone."""
    wanted = set(ids)
    return Scores(scores.night, tuple(card for card in scores.cards if card.subscriber.id in wanted))
