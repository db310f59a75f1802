"""What all readers are told: signed, valid, numbered, and recorded."""

import datetime
from pathlib import Path

import pytest

from skrutinium_server.authority.model import NoticeGiven
from skrutinium_server.authority.persons import Authority
from skrutinium_server.process import noticing
from skrutinium_server.process.noticing import NoticeError
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.model import Incident, Notices, Planned, SecondSite
from skrutinium_server.release.store.notices import NoticesReader
from skrutinium_server.release.store.signing import signature_holds, split_signed

NOW = datetime.datetime(2030, 10, 5, 14, 0, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
PRINT = " ".join(["0a1b"] * 16)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.create(tmp_path / "site")


def test_notices_go_out_signed_and_are_recorded(site: Site) -> None:
    """Incidents begin and end, changes are planned, a second site is named; each version has the next number."""
    reader = NoticesReader(site.store)
    assert reader.read() == Notices()
    id, begin = noticing.begin("Line <1> & 2 are slow.", NOW)
    noticing.tell(site, begin, "incident", "slow", "test", NOW)
    noticing.tell(site, noticing.plan(NOW + 2 * HOUR, "later"), "planned", "later", "test", NOW)
    noticing.tell(site, noticing.plan(NOW + HOUR, "sooner"), "planned", "sooner", "test", NOW)
    noticing.tell(site, noticing.second_site("https://b.example", PRINT), "second-site", "b", "test", NOW)
    noticing.tell(site, noticing.end(None, NOW + HOUR), "end", id, "test", NOW + HOUR)
    told = reader.read()
    assert told == Notices(
        5,
        (Incident(id, NOW, "Line <1> & 2 are slow.", NOW + HOUR),),
        (Planned(NOW + HOUR, "sooner"), Planned(NOW + 2 * HOUR, "later")),
        SecondSite("https://b.example", "0a1b" * 16),
    )
    assert told.next_planned(NOW + HOUR) == Planned(NOW + 2 * HOUR, "later")
    assert told.next_planned(NOW + 2 * HOUR) is None
    body, line = split_signed(reader.path.read_bytes())
    assert signature_holds(site.signer().public, body, line)
    events = [entry.event for entry in Authority(site.root).log.entries()]
    assert [event.notice for event in events if isinstance(event, NoticeGiven)] == [
        "incident",
        "planned",
        "planned",
        "second-site",
        "end",
    ]


def test_notice_that_cannot_be_is_refused(site: Site) -> None:
    """An incident that does not go on cannot end, none begins twice, and a fingerprint has 64 digits."""
    with pytest.raises(NoticeError, match="these do: none"):
        noticing.tell(site, noticing.end("x", NOW), "end", "x", "test", NOW)
    noticing.tell(site, noticing.begin("a", NOW, "x")[1], "incident", "a", "test", NOW)
    with pytest.raises(NoticeError, match="already"):
        noticing.tell(site, noticing.begin("b", NOW, "x")[1], "incident", "b", "test", NOW)
    with pytest.raises(NoticeError, match="64"):
        noticing.second_site("https://b.example", "abc")
    assert NoticesReader(site.store).read().number == 1


def test_damaged_notices_are_named(site: Site) -> None:
    """A file that is no notices is named, not shown."""
    path = NoticesReader(site.store).path
    for data in (
        b"",
        b"<a/>\ned25519 x y\n",
        b'<notices xmlns="urn:skrutinium:1" number="x"/>\ned25519 x y\n',
    ):
        path.write_bytes(data)
        with pytest.raises(StoreDamaged, match=r"notices\.xml"):
            NoticesReader(site.store).read()
