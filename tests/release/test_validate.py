"""The validator: valid documents pass, everything else is refused with path, line and reason."""

from pathlib import Path

import pytest

from skrutinium_server.release.errors import DocumentInvalid, ReleaseError, SchemaUnknown
from skrutinium_server.release.formats.skrutinium.stamp import SCHEMA
from skrutinium_server.release.validate import Validator

VALIDATOR = Validator()
ERROR = '<error xmlns="urn:skrutinium:1" code="x" status="404"><message>{}</message></error>'


def refused(data: bytes) -> DocumentInvalid:
    with pytest.raises(DocumentInvalid) as caught:
        VALIDATOR.validate("area/K.xml", data, SCHEMA)
    assert caught.value.path == "area/K.xml"
    assert "area/K.xml" in str(caught.value)
    assert isinstance(caught.value, ReleaseError)
    return caught.value


def test_valid_sample(repository: Path) -> None:
    """A valid sample passes, also after a refusal by the same validator."""
    refused(b"<nothing/>")

    VALIDATOR.validate(
        "event.xml", (repository / "samples/skrutinium/1.0/valid/event.xml").read_bytes(), SCHEMA
    )


def test_refusal_names_the_line(repository: Path) -> None:
    """A refusal names the line of the first fault and what is wrong with it."""
    data = (repository / "samples/skrutinium/1.0/invalid/event--duplicate-area.xml").read_bytes()
    error = refused(data)

    assert b'id="6200"' in data.splitlines()[error.line - 1]
    assert "event-area" in error.reason


@pytest.mark.parametrize("data", [b"", b"<a", b"<a></b>", b"\xff\xfe", ERROR.format("\x07").encode()])
def test_not_well_formed(data: bytes) -> None:
    """What is not well-formed is refused as that."""
    assert "not well-formed" in refused(data).reason


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE error>",
        '<!DOCTYPE error [<!ENTITY e "text">]>',
        '<!DOCTYPE error SYSTEM "file:///etc/hostname">',
        '<!DOCTYPE error [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>',
    ],
)
def test_document_type_is_refused(doctype: str) -> None:
    """A document type declaration is refused, whatever it says."""
    assert "document type" in refused(f"{doctype}\n{ERROR.format('fine')}".encode()).reason


def test_text_that_was_cut() -> None:
    """A valid document that was cut short anywhere is refused."""
    whole = ERROR.format("fine").encode()
    VALIDATOR.validate("error.xml", whole, SCHEMA)
    for length in range(len(whole)):
        refused(whole[:length])


@pytest.mark.parametrize(
    "schema", ["", "no/such.xsd", "../xsd/skrutinium/1.0/skrutinium.xsd", "/etc/hostname", "skrutinium/1.0"]
)
def test_unknown_schema(schema: str) -> None:
    """A schema that is not part of the contract is refused by name."""
    with pytest.raises(SchemaUnknown) as caught:
        VALIDATOR.validate("event.xml", b"<a/>", schema)

    assert repr(schema) in str(caught.value)


def test_schema_is_compiled_once() -> None:
    """The same compiled schema serves every document."""
    assert VALIDATOR.schema(SCHEMA) is VALIDATOR.schema(SCHEMA)
