"""Publishing what there is to read before the election: registers, codebooks, calendar and the bundle of it all."""

import datetime
from collections.abc import Iterator
from importlib import resources

from skrutinium_server.election.calendar import Calendar, read_calendar
from skrutinium_server.election.model import Definition
from skrutinium_server.process.site import Site
from skrutinium_server.release.registers.calendar import calendar_papers
from skrutinium_server.release.registers.codebooks import codebooks
from skrutinium_server.release.registers.documents import registers
from skrutinium_server.release.registers.model import Paper
from skrutinium_server.release.registers.publish import (
    Published,
    alone,
    edition_of,
    newest_registers,
    publish,
    settle,
)
from skrutinium_server.release.registers.rows import row_registers
from skrutinium_server.release.store.registers import RegistersReader
from skrutinium_server.release.store.writing import StoreWriter
from skrutinium_server.release.validate import Validator


def publish_registers(site: Site, definition: Definition, now: datetime.datetime) -> Published:
    """Publish everything there is to read before the election of that definition; ``now`` is the wall clock (aware).

    Equal facts publish nothing: it may be called as often as one likes. It takes seconds for a whole country, so a
    process that must answer calls it in a thread. Raises ``ReleaseError``, ``StoreError``, ``ElectionError``.
    """
    writer = StoreWriter(site.store, site.signer())
    try:
        writer.publish_key()
        with alone(writer, definition.event):
            before = newest_registers(RegistersReader(site.store), definition.event)
            edition = edition_of(definition, now)
            settled = list(settle(papers(definition, calendar_of(site)), edition, before))
            return publish(writer, Validator(), definition, settled, edition, before)
    finally:
        writer.close()


def calendar_of(site: Site) -> Calendar:
    """What ``SITE/calendar.toml`` says; an empty calendar when there is none. Raises ``CalendarError``."""
    try:
        return read_calendar((site.root / "calendar.toml").read_bytes())
    except FileNotFoundError:
        return Calendar()


def papers(definition: Definition, calendar: Calendar) -> Iterator[Paper]:
    """Every document of the registers of a definition but the bundle."""
    yield from calendar_papers(definition, calendar)
    yield from codebooks(definition.event, _tables("codebooks"), made_up=definition.made_up)
    yield from registers(definition)
    yield from row_registers(definition, _tables("codebooks", "volby"))


def _tables(*folders: str) -> dict[str, bytes]:
    """The CSV files of a folder of the contract by name."""
    folder = resources.files("skrutinium_server").joinpath("_contract", *folders)
    return {
        file.name.removesuffix(".csv"): file.read_bytes()
        for file in folder.iterdir()
        if file.name.endswith(".csv")
    }
