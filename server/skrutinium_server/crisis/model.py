"""What goes through the crisis mail: releases as they are in the store, what is selected of them, files, messages."""

import datetime
from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from skrutinium_server.release.store.model import Run, SeriesKey

Kind = Literal["begin", "release", "unchanged", "end", "test"]
"""Why a message is sent; it is the hint ``Skrutinium-Kind``."""


class Document(NamedTuple):
    """A document by its path in a release, the SHA-256 of its bytes and their number."""

    path: str
    sha256: str
    size: int


class Release(msgspec.Struct, frozen=True):
    """A release: the exact bytes of its manifest and of the signature line, and what it changed."""

    number: int
    time: datetime.datetime
    manifest: bytes
    signature: bytes
    changed: tuple[Document, ...]


class File(NamedTuple):
    """A file of a message under the name that people see."""

    name: str
    data: bytes


class Results(msgspec.Struct, frozen=True):
    """A run at its newest release, as far as every message needs it: ``held`` are all documents by path."""

    run: Run
    key: SeriesKey
    newest: Release
    reported: int
    expected: int
    made_up: bool
    held: Mapping[str, Document]
    common: tuple[File, ...]
    """What every part carries: the signed state and the public keys."""


class Selected(NamedTuple):
    """A document that is due to a recipient, and the release whose manifest names it."""

    document: Document
    number: int


class ReleasePart(msgspec.Struct, frozen=True):
    """What is sent of one release: manifest and signature, the agreed documents that are newest, and those that are not any more."""

    number: int
    newest: tuple[Document, ...] = ()
    older: tuple[Document, ...] = ()


class Selection(msgspec.Struct, frozen=True):
    """What goes to a recipient, newest first: what has to be there, agreed documents of earlier releases, and what may be left out."""

    due: tuple[ReleasePart, ...]
    standing: tuple[Selected, ...]
    more: tuple[ReleasePart, ...]


class Package(msgspec.Struct, frozen=True):
    """The files of one message; ``zipped`` is the name of the zip, None when they are attached singly."""

    files: tuple[File, ...]
    zipped: str | None
