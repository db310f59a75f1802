"""Publishing what there is to read before the election: registers, codebooks, calendar and the bundle of it all."""

import datetime
from collections.abc import Iterator, Sequence
from importlib import resources

from skrutinium_server.archive.bundle import BundleFacts, bundle, format_pages
from skrutinium_server.election.calendar import Calendar, read_calendar
from skrutinium_server.election.formats import csv_set
from skrutinium_server.election.model import Definition
from skrutinium_server.process.site import Site
from skrutinium_server.release.registers.calendar import calendar_papers
from skrutinium_server.release.registers.codebooks import codebooks
from skrutinium_server.release.registers.documents import registers
from skrutinium_server.release.registers.model import Edition, Paper, plain
from skrutinium_server.release.registers.publish import (
    Published,
    alone,
    edition_of,
    newest_registers,
    publish,
    settle,
)
from skrutinium_server.release.registers.rows import row_registers
from skrutinium_server.release.store.registers import Registers, RegistersReader
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.trust import check_signed
from skrutinium_server.release.validate import Validator

BUNDLE = "bundle.zip"


def publish_registers(site: Site, definition: Definition, now: datetime.datetime) -> Published:
    """Publish everything there is to read before the election of that definition; ``now`` is the wall clock (aware).

    Equal facts publish nothing: it may be called as often as one likes. It takes seconds for a whole country, so a
    process that must answer calls it in a thread. Raises ``ReleaseError``, ``StoreError``, ``ElectionError``.
    """
    writer = StoreWriter(site.store, site.signer())
    try:
        writer.publish_key()
        with alone(writer, definition.event):
            before = _before(site, definition.event)
            edition = edition_of(definition, now)
            settled = _settled(site, definition, edition, before)
            return publish(writer, Validator(), definition, settled, edition, before)
    finally:
        writer.close()


def make_bundle(site: Site, definition: Definition, now: datetime.datetime) -> bytes:
    """The bundle as it would be published at the moment ``now``; publishes nothing. Raises as :func:`publish_registers`."""
    before = _before(site, definition.event)
    settled = _settled(site, definition, edition_of(definition, now), before)
    return next(data for paper, _, data in settled if paper.path == BUNDLE)


def _before(site: Site, event: str) -> Registers | None:
    """The registers that are continued, None before the first; raises ``StoreDamaged`` unless this site signed them."""
    reader = RegistersReader(site.store)
    before = newest_registers(reader, event)
    if before is not None:
        path = reader.layout.registers_index(event, before.definition, before.edition)
        check_signed(reader.layout, site.signer().public, path, *reader.index_bytes(event, before.definition))
    return before


def calendar_of(site: Site) -> Calendar:
    """What ``SITE/calendar.toml`` says; an empty calendar when there is none. Raises ``CalendarError``."""
    try:
        return read_calendar((site.root / "calendar.toml").read_bytes())
    except FileNotFoundError:
        return Calendar()


def papers(definition: Definition, calendar: Calendar) -> Iterator[Paper]:
    """Every document of the registers of a definition but the bundle and what describes the formats."""
    yield from calendar_papers(definition, calendar)
    yield from codebooks(definition.event, _tables("codebooks"), made_up=definition.made_up)
    yield from registers(definition)
    yield from row_registers(definition, _tables("codebooks", "volby"))
    for name, data in sorted(csv_set.write_set(definition).items()):
        yield plain(f"csv-set/{name}", data)


def _settled(
    site: Site, definition: Definition, edition: Edition, before: Registers | None
) -> list[tuple[Paper, Edition, bytes]]:
    calendar = calendar_of(site)
    settled = list(settle(papers(definition, calendar), edition, before))
    pages = (plain(path, data) for path, data in sorted(format_pages(definition.made_up).items()))
    whole = plain(BUNDLE, _bundle(site, definition, calendar, edition, settled))
    return [*settled, *settle((*pages, whole), edition, before)]


def _bundle(
    site: Site,
    definition: Definition,
    calendar: Calendar,
    edition: Edition,
    settled: Sequence[tuple[Paper, Edition, bytes]],
) -> bytes:
    signer = site.signer()
    facts = BundleFacts(
        event=definition.event,
        name=definition.name,
        date=str(definition.date or ""),
        definition=edition.definition,
        definition_sha256=edition.sha256,
        made_up=definition.made_up,
        addresses=site.all_settings().letter.addresses,
        calendar=tuple(calendar.line(entry) for entry in calendar.of_event(definition.event)),
        fingerprint=signer.fingerprint,
        key_id=signer.key_id,
    )
    documents = {paper.path: (data, paper.schema) for paper, _, data in settled}
    return bundle(facts, documents, signer.public_pem(), signer.line)


def _tables(*folders: str) -> dict[str, bytes]:
    """The CSV files of a folder of the contract by name."""
    folder = resources.files("skrutinium_server").joinpath("_contract", *folders)
    return {
        file.name.removesuffix(".csv"): file.read_bytes()
        for file in folder.iterdir()
        if file.name.endswith(".csv")
    }
