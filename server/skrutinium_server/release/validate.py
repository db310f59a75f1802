"""Validation of every document before it is published: no valid document, no release (design § 4.8, § 6).

Reads the schemas of the contract from the package. The parser resolves and loads nothing and refuses a document type
declaration.
"""

from importlib import resources
from importlib.resources.abc import Traversable

from lxml import etree

from skrutinium_server.release.errors import DocumentInvalid, SchemaUnknown
from skrutinium_server.xml_parsing import xml_parser


class Validator:
    """Compiles each schema once, at its first use, and keeps it. For one thread at a time."""

    def __init__(self) -> None:
        self._root: Traversable = resources.files("skrutinium_server").joinpath("_contract", "xsd")
        self._schemas: dict[str, etree.XMLSchema] = {}
        self._parser = xml_parser()

    def validate(self, path: str, data: bytes, schema: str) -> None:
        """Return when ``data``, the document at ``path``, is valid against ``schema`` (a path below ``xsd/``).

        Raises :class:`~skrutinium_server.release.errors.DocumentInvalid` (path, line, reason) for anything else and
        :class:`~skrutinium_server.release.errors.SchemaUnknown` when its schema is not part of the contract.
        """
        compiled = self.schema(schema)
        try:
            root = etree.fromstring(data, self._parser)
        except etree.XMLSyntaxError as error:
            raise DocumentInvalid(path, error.lineno or 0, f"not well-formed: {error.msg}") from error
        if root.getroottree().docinfo.doctype:
            raise DocumentInvalid(path, 1, "a document type declaration is not allowed")
        if not compiled.validate(root):
            first = compiled.error_log[0]
            raise DocumentInvalid(path, first.line, first.message)

    def schema(self, path: str) -> etree.XMLSchema:
        """The compiled schema at that path below ``xsd/``; raises SchemaUnknown."""
        schema = self._schemas.get(path)
        if schema is None:
            schema = self._schemas[path] = self._compile(path)
        return schema

    def _compile(self, path: str) -> etree.XMLSchema:
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise SchemaUnknown(path, "not a path below xsd/")
        file = self._root.joinpath(*parts)
        if not file.is_file():
            raise SchemaUnknown(path, "no such file in the contract")
        try:
            return etree.XMLSchema(etree.fromstring(file.read_bytes(), xml_parser()))
        except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
            raise SchemaUnknown(path, f"cannot be compiled: {error}") from error
