"""From the bytes of a series' own documents to their dataclasses; each raises :class:`SchemaError`."""

from lxml import etree

from skrutinium.documents import series as s
from skrutinium.documents.attributes import flag, moment, number, optional_day, optional_moment, text
from skrutinium.documents.parsing import children
from skrutinium.documents.streaming import into, stream
from skrutinium.errors import SchemaError


def _row(row: etree._Element) -> s.Document:
    return s.Document(
        text(row, "path"),
        number(row, "size"),
        text(row, "sha256"),
        text(row, "schema"),
        number(row, "codebook"),
    )


def read_manifest(data: bytes, where: str) -> s.Manifest:
    """Read ``manifest.xml``."""
    rows = list[s.Document]()
    head = stream(data, "manifest", where, {"document": into(rows, _row)})
    root = head.root
    return s.Manifest(
        **head.stamp(),
        series=text(root, "series"),
        previous=text(root, "previous"),
        position=number(root, "position"),
        ledger=text(root, "ledger"),
        state=text(root, "state"),
        expected=number(root, "expected"),
        reported=number(root, "reported"),
        checkpoint=flag(root, "checkpoint"),
        documents=tuple(rows),
    )


def read_checkpoint(data: bytes, where: str) -> s.Checkpoint:
    """Read a checkpoint."""
    rows = list[s.Document]()
    head = stream(data, "checkpoint", where, {"document": into(rows, _row)})
    return s.Checkpoint(
        **head.stamp(),
        series=text(head.root, "series"),
        manifest=text(head.root, "manifest"),
        documents=tuple(rows),
    )


def read_heartbeat(data: bytes, where: str) -> s.Heartbeat:
    """Read the document part of ``heartbeat.xml``."""
    head = stream(data, "heartbeat", where, {})
    return s.Heartbeat(
        **head.stamp(),
        series=text(head.root, "series"),
        manifest=text(head.root, "manifest"),
        alive=moment(head.root, "alive"),
    )


def _run(element: etree._Element) -> s.Run:
    return s.Run(
        event=text(element, "event"),
        id=text(element, "id"),
        name=text(element, "name"),
        date=optional_day(element, "date"),
        law=text(element, "law"),
        phase=text(element, "phase"),
        open=flag(element, "open"),
        current=flag(element, "current"),
        series=tuple(text(one, "id") for one in children(element, "series")),
        not_before=optional_moment(element, "not-before"),
        first_date=optional_day(element, "first-date"),
    )


def read_state(data: bytes, where: str) -> s.FeedState:
    """Read the document part of ``state.xml``."""
    runs = list[s.Run]()
    head = stream(data, "feed-state", where, {"run": into(runs, _run)})
    root = head.root
    return s.FeedState(
        number(root, "number"), moment(root, "time"), text(root, "schema"), tuple(runs), head.additions
    )


def read_refusal(data: bytes, where: str) -> s.Refusal:
    """Read the body of a refusal."""
    message, expected = list[str](), list[str]()
    takes = {"message": into(message, _words), "expected": into(expected, _words)}
    root = stream(data, "error", where, takes).root
    if not message or not message[0]:
        raise SchemaError("a refusal without a message", address=where)
    return s.Refusal(
        text(root, "code"), number(root, "status"), message[0], expected[0] if expected else None
    )


def _words(element: etree._Element) -> str:
    return element.text or ""
