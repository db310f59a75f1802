"""Counting a run again from its ledger: every release is made anew and compared, byte for byte, with the one that was published.

A manifest names the hashes of all its documents, so two equal manifests are two equal releases: totals, seats, batches and
corrections included. Nothing is written. Source: design § 4.2 (everything after the ledger is a function of it).
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from skrutinium_server.ledger.sqlite import SqliteReader
from skrutinium_server.process.basis import Basis
from skrutinium_server.process.publisher import WRITERS
from skrutinium_server.process.site import Site
from skrutinium_server.release.findings import Fault
from skrutinium_server.release.publisher import Publisher
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import ManifestRow, SeriesKey
from skrutinium_server.release.store.reading import StoreReader, read_manifest
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.validate import Validator
from skrutinium_server.tally.tally import Tally


class Remade:
    """Takes what a publisher makes again, in place of a release store; keeps nothing of it."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer

    def put_objects(self, documents: Iterable[tuple[str, bytes, str, int]]) -> list[ManifestRow]:
        """Hash the documents of a release."""
        return [
            ManifestRow(path, len(data), hashlib.sha256(data).hexdigest(), schema, codebook)
            for path, data, schema, codebook in documents
        ]

    def publish(
        self, key: SeriesKey, number: int, manifest: bytes, documents: Iterable[tuple[str, bytes]]
    ) -> None:
        """Take a release."""

    def write_checkpoint(self, key: SeriesKey, number: int, document: bytes) -> None:
        """A checkpoint repeats what manifests say, and the check of the store compares it with them."""

    def write_heartbeat(self, key: SeriesKey, document: bytes) -> None:
        """A heartbeat tells nothing of the count."""


@contextlib.contextmanager
def remaking(
    basis: Basis, series: str, ledger: SqliteReader, validator: Validator, remade: Remade
) -> Iterator[Publisher]:
    """A publisher that begins before the first release, whatever is published already; what it makes goes to ``remade``."""
    with TemporaryDirectory() as nothing:
        yield Publisher(
            SeriesKey(basis.record.event, basis.record.run, series),
            ledger,
            Tally(basis.index, basis.law),
            WRITERS[series](basis),
            validator,
            StoreReader(Path(nothing)),
            remade,
        )


class Comparing(Remade):
    """Compares what is made again with what stands in a store; collects the differences."""

    def __init__(self, published: StoreReader, signer: Signer) -> None:
        super().__init__(signer)
        self.faults: list[Fault] = []
        self._published = published

    def publish(
        self, key: SeriesKey, number: int, manifest: bytes, documents: Iterable[tuple[str, bytes]]
    ) -> None:
        """Compare a release with the published one."""
        del documents  # the manifest names their hashes
        where = f"release {number} of {'/'.join(key)}"
        path = self._published.layout.manifest(key, number)
        try:
            before = self._published.manifest_bytes(key, number)
            if before == manifest:
                return
            told = {row.path: row for row in read_manifest(path, before).rows}
        except StoreError as error:
            self.faults.append(Fault(where, str(error)))
            return
        made = {row.path: row for row in read_manifest(path, manifest).rows}
        other = sorted(name for name in {*told, *made} if told.get(name) != made.get(name))
        what = f"in {', '.join(other[:5])}" if other else "in what its manifest says of itself"
        self.faults.append(Fault(where, f"the ledger gives another release: it differs {what}"))


def recount(site: Site, run: str, series: str, told: Callable[[int], None]) -> tuple[int, list[Fault]]:
    """Make the releases of one series again from the ledger; how many there are, and what differs.

    ``told`` is called with each number. Raises what reading the ledger raises when the ledger itself is broken.
    """
    key = site.series_key(run, series)
    published = StoreReader(site.store)
    newest = published.newest(key)
    basis = site.basis(run)
    comparing = Comparing(published, site.signer())
    with (
        SqliteReader(site.ledger(run)) as ledger,
        remaking(basis, series, ledger, Validator(), comparing) as publisher,
    ):
        while publisher.newest < (newest.number if newest else 0) and publisher.catch_up(at_most=1):
            told(publisher.newest)
    if newest and publisher.newest < newest.number:
        comparing.faults.append(
            Fault(
                "/".join(key),
                f"the ledger asks for {publisher.newest} releases, the store holds {newest.number}",
            )
        )
    return publisher.newest, comparing.faults
