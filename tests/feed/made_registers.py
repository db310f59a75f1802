"""Registers, notices and archives in a made store, written as the publisher writes them."""

import datetime
import hashlib
from pathlib import Path

from skrutinium_server.release.formats.skrutinium.notices import write_notices
from skrutinium_server.release.registers.index import index
from skrutinium_server.release.registers.model import SCHEMA, Edition, root
from skrutinium_server.release.store.archives import ArchiveLayout
from skrutinium_server.release.store.model import ZEROS, Notices, SeriesKey
from skrutinium_server.release.store.registers import RegisterRow, RegistersReader, put_index
from skrutinium_server.release.store.writing import write_whole
from tests.feed.made import EVENT, START, MadeStore

BEFORE = START - datetime.timedelta(days=100)

AREAS = {
    "CZ": None,
    "6200": "CZ",
    "6202": "6200",
    "582786": "6202",
    "551082": "582786",
    "6203": "6200",
    "583": "6203",
}
CONTESTS = {"582786": "582786", "551082": "551082", "583": "583", "27": "6202"}
PRECINCTS = {
    "582786-1": ("582786", ("582786", "27")),
    "551082-1": ("551082", ("551082", "582786", "27")),
    "583-1": ("583", ("583", "27")),
}


def documents(edition: Edition, more: dict[str, bytes]) -> dict[str, bytes]:
    """The registers of the made event and what else there is."""
    areas = "".join(
        f'<area id="{id}" kind="{"country" if parent is None else "municipality"}" name="{id}"'
        + (f' parent="{parent}"/>\n' if parent else "/>\n")
        for id, parent in AREAS.items()
    )
    contests = "".join(
        f'<contest id="{id}" kind="municipal-council" form="lists" area="{area}" name="{id}" round="1"/>\n'
        for id, area in CONTESTS.items()
    )
    precincts = "".join(
        f'<precinct id="{id}" area="{area}" number="1" kind="permanent">'
        + "".join(f'<poll contest="{contest}" district="{contest}.1"/>' for contest in polls)
        + "</precinct>\n"
        for id, (area, polls) in PRECINCTS.items()
    )
    written = {
        f"registers/{name}.xml": root(name, EVENT, made_up=True)(edition) + f"{rows}</{name}>\n".encode()
        for name, rows in (("areas", areas), ("contests", contests), ("precincts", precincts))
    }
    return written | more


def publish_registers(
    store: MadeStore, number: int = 1, time: datetime.datetime = BEFORE, **more: bytes
) -> dict[str, bytes]:
    """Publish registers of one version of the definition, and tell their documents by path."""
    edition = Edition(number, "d" * 64, time)
    held = documents(edition, {name.replace("_", "."): data for name, data in more.items()})
    reader = RegistersReader(store.root)
    newest = reader.newest(EVENT)
    before = reader.index(EVENT, newest.number) if newest else None
    stored = store.writer.put_objects((path, data, "", number) for path, data in sorted(held.items()))
    rows = [
        RegisterRow(row.path, row.size, row.sha256, SCHEMA, number, edition.sha256, time) for row in stored
    ]
    count = reader.edition(EVENT, number) + 1
    data = index(
        EVENT,
        edition,
        rows,
        before.rows if before else {},
        number=count,
        previous=before.sha256 if before else ZEROS,
        made_up=True,
    )
    put_index(store.writer, EVENT, number, count, data)
    return held | {"registers.xml": data, "registers.xml.sig": store.signer.line(data)}


def publish_notices(store: MadeStore, notices: Notices) -> bytes:
    """Tell readers something; the bytes of the file."""
    document = write_notices(notices, START)
    data = document + store.signer.line(document)
    write_whole(store.root / "notices.xml", data)
    return data


def put_archive(store: MadeStore, key: SeriesKey, number: int, xml: bytes, csv: bytes) -> Path:
    """Lay an archive where the publisher lays it."""
    layout = ArchiveLayout(store.root, key)
    write_whole(layout.xml(number), xml)
    write_whole(layout.csv(number), csv)
    told = f"{number} {hashlib.sha256(xml).hexdigest()} {hashlib.sha256(csv).hexdigest()}\n"
    write_whole(layout.newest, told.encode())
    return layout.xml(number)
