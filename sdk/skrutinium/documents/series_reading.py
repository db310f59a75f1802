"""From the bytes of a series' own documents to their dataclasses; each raises :class:`SchemaError`."""

from lxml import etree

from skrutinium.documents import series as s
from skrutinium.documents.attributes import day, flag, moment, number, text
from skrutinium.documents.parsing import NAMESPACE, children, document
from skrutinium.documents.reading import stamp
from skrutinium.errors import SchemaError


def _rows(root: etree._Element) -> tuple[s.Document, ...]:
    return tuple(
        s.Document(
            text(row, "path"),
            number(row, "size"),
            text(row, "sha256"),
            text(row, "schema"),
            number(row, "codebook"),
        )
        for row in children(root, "document")
    )


def read_manifest(data: bytes, where: str) -> s.Manifest:
    """Read ``manifest.xml``."""
    root = document(data, "manifest", where)
    return s.Manifest(
        **stamp(root),
        series=text(root, "series"),
        previous=text(root, "previous"),
        position=number(root, "position"),
        ledger=text(root, "ledger"),
        state=text(root, "state"),
        expected=number(root, "expected"),
        reported=number(root, "reported"),
        checkpoint=flag(root, "checkpoint"),
        documents=_rows(root),
    )


def read_checkpoint(data: bytes, where: str) -> s.Checkpoint:
    """Read a checkpoint."""
    root = document(data, "checkpoint", where)
    return s.Checkpoint(
        **stamp(root), series=text(root, "series"), manifest=text(root, "manifest"), documents=_rows(root)
    )


def read_heartbeat(data: bytes, where: str) -> s.Heartbeat:
    """Read the document part of ``heartbeat.xml``."""
    root = document(data, "heartbeat", where)
    return s.Heartbeat(
        **stamp(root),
        series=text(root, "series"),
        manifest=text(root, "manifest"),
        alive=moment(root, "alive"),
    )


def _run(element: etree._Element) -> s.Run:
    return s.Run(
        event=text(element, "event"),
        id=text(element, "id"),
        name=text(element, "name"),
        date=day(element, "date") if "date" in element.attrib else None,
        law=text(element, "law"),
        phase=text(element, "phase"),
        open=flag(element, "open"),
        current=flag(element, "current"),
        series=tuple(text(one, "id") for one in children(element, "series")),
        not_before=moment(element, "not-before") if "not-before" in element.attrib else None,
        first_date=day(element, "first-date") if "first-date" in element.attrib else None,
    )


def read_state(data: bytes, where: str) -> s.FeedState:
    """Read the document part of ``state.xml``."""
    root = document(data, "feed-state", where)
    return s.FeedState(
        number(root, "number"),
        moment(root, "time"),
        text(root, "schema"),
        tuple(map(_run, children(root, "run"))),
    )


def read_refusal(data: bytes, where: str) -> s.Refusal:
    """Read the body of a refusal."""
    root = document(data, "error", where)
    message = root.findtext(NAMESPACE + "message")
    if not message:
        raise SchemaError("a refusal without a message", address=where)
    return s.Refusal(
        text(root, "code"), number(root, "status"), message, root.findtext(NAMESPACE + "expected")
    )
