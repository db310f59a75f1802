"""From the bytes of batches, precincts and corrections to their dataclasses; each function raises :class:`SchemaError`."""

import base64
import binascii

from lxml import etree

from skrutinium.documents import protocols as p
from skrutinium.documents.attributes import figures, flag, moment, number, optional_number, text
from skrutinium.documents.parsing import children
from skrutinium.documents.streaming import into, stream
from skrutinium.errors import SchemaError


def _taken_over(protocol: etree._Element) -> p.TakenOver | None:
    for element in children(protocol, "taken-over"):
        try:
            data = base64.b64decode("".join((element.text or "").split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise SchemaError(f"taken-over bytes are no Base64 (line {element.sourceline})") from error
        return p.TakenOver(
            data,
            text(element, "format"),
            text(element, "encoding"),
            text(element, "source"),
            text(element, "source-sha256"),
            number(element, "offset"),
        )
    return None


def protocol(element: etree._Element) -> p.Protocol:
    """One protocol element."""
    return p.Protocol(
        precinct=text(element, "precinct"),
        contest=text(element, "contest"),
        district=text(element, "district"),
        entry=number(element, "entry"),
        version=number(element, "version"),
        sequence=number(element, "sequence"),
        established=moment(element, "established"),
        accepted=moment(element, "accepted"),
        sha256=text(element, "sha256"),
        repeated=flag(element, "repeated"),
        supersedes=optional_number(element, "supersedes"),
        reason=element.get("reason"),
        authority=element.get("authority"),
        figures=figures(element),
        lists=tuple(
            p.ListVotes(
                number(votes, "number"),
                number(votes, "votes"),
                {number(one, "number"): number(one, "votes") for one in children(votes, "candidate")},
            )
            for votes in children(element, "list")
        ),
        taken_over=_taken_over(element),
    )


def _awaited(element: etree._Element) -> p.Awaited:
    return p.Awaited(text(element, "contest"), text(element, "district"))


def read_precinct(data: bytes, where: str, *, validate: bool = True) -> p.PrecinctResults:
    """Read ``precinct/ID.xml``."""
    protocols, awaited = list[p.Protocol](), list[p.Awaited]()
    takes = {"protocol": into(protocols, protocol), "awaited": into(awaited, _awaited)}
    head = stream(data, "precinct-results", where, takes, validate=validate)
    root = head.root
    return p.PrecinctResults(
        **head.stamp(),
        id=text(root, "id"),
        area=text(root, "area"),
        number=number(root, "number"),
        kind=text(root, "kind"),
        name=root.get("name"),
        protocols=tuple(protocols),
        awaited=tuple(awaited),
        state=text(root, "state"),
    )


def read_batch(data: bytes, where: str, *, validate: bool = True) -> p.ProtocolBatch:
    """Read ``batch/N.xml``."""
    protocols = list[p.Protocol]()
    head = stream(data, "protocol-batch", where, {"protocol": into(protocols, protocol)}, validate=validate)
    return p.ProtocolBatch(**head.stamp(), protocols=tuple(protocols), state=text(head.root, "state"))


def _change(element: etree._Element) -> p.Change:
    return p.Change(
        element.get("field"),
        optional_number(element, "list"),
        optional_number(element, "candidate"),
        optional_number(element, "old"),
        optional_number(element, "new"),
    )


def _correction(element: etree._Element) -> p.Correction:
    return p.Correction(
        precinct=text(element, "precinct"),
        contest=text(element, "contest"),
        entry=number(element, "entry"),
        supersedes=number(element, "supersedes"),
        reason=text(element, "reason"),
        authority=text(element, "authority"),
        time=moment(element, "time"),
        changes=tuple(map(_change, children(element, "change"))),
    )


def read_corrections(data: bytes, where: str, *, validate: bool = True) -> p.Corrections:
    """Read ``corrections/N.xml``."""
    corrections = list[p.Correction]()
    takes = {"correction": into(corrections, _correction)}
    head = stream(data, "corrections", where, takes, validate=validate)
    return p.Corrections(**head.stamp(), corrections=tuple(corrections), state=text(head.root, "state"))
