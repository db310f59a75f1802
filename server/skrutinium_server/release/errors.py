"""What can go wrong between a tally and a published release.

Every error has a ``code`` for machines and a message for people.
"""


class ReleaseError(Exception):
    """Base of all errors of this stage; ``code`` names the fault for machines."""

    code = "release-error"


class ForbiddenCharacter(ReleaseError):
    """A text holds a character that must not stand in an XML document."""

    code = "forbidden-character"

    def __init__(self, text: str, offset: int) -> None:
        self.text = text
        self.offset = offset
        shown = text if len(text) <= 60 else text[:57] + "..."
        super().__init__(
            f"character U+{ord(text[offset]):04X} at offset {offset} of {shown!r} must not stand in a document; "
            "expected text without control characters: correct it in the definition"
        )


class NotIssuable(ReleaseError):
    """A document cannot be written from what was given, for instance because a moment is not in UTC."""

    code = "not-issuable"


class DocumentInvalid(ReleaseError):
    """A document is not valid against its schema and must not be published."""

    code = "document-invalid"

    def __init__(self, path: str, line: int, reason: str) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        super().__init__(f"{path}, line {line}: {reason}; nothing of this release was published")


class SchemaUnknown(ReleaseError):
    """A document names a schema that is not part of the contract."""

    code = "schema-unknown"

    def __init__(self, schema: str, reason: str) -> None:
        self.schema = schema
        super().__init__(
            f"schema {schema!r}: {reason}; expected a path below xsd/ such as skrutinium/1.0/skrutinium.xsd"
        )
