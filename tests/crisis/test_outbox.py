"""The outbox by itself: what is replaced, what is remembered, what is let go, and what a backup holds."""

import datetime
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.crisis.errors import OutboxError
from skrutinium_server.crisis.message import Content, Identity
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import Failed, New, Notice, Replaced, Sent, Waiting
from skrutinium_server.process.backup import backup
from skrutinium_server.process.site import Site
from tests.crisis.night import NOW

CONTENT = Content(b"Content-Type: text/plain", b"text")


def message(number: int, part: int = 1, parts: int = 1, repeat: int = 0, recipient: str = "radio") -> New:
    identity = Identity("e", "r", number, part, repeat, recipient, "organiser.example")
    return New(
        identity, str(identity), recipient, "a@a.example", "release", parts, 1, b"Head: 1\r\n", CONTENT
    )


def later(seconds: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=seconds)


def test_a_message_is_reached_with_all_its_parts(outbox: Outbox) -> None:
    """A release counts as with a recipient when the relay took every part of its message."""
    parts = [message(7, part, 3) for part in (1, 2, 3)]
    outbox.queue(parts, NOW)
    outbox.sent([(parts[0].id, "ok"), (parts[1].id, "ok")], NOW)
    assert outbox.reached(1, "radio", "e", "r") is None
    outbox.sent([(parts[2].id, "ok")], NOW)
    assert outbox.reached(1, "radio", "e", "r") == 7
    assert outbox.reached(2, "radio", "e", "r") is None


def test_a_later_message_replaces_what_waits(outbox: Outbox) -> None:
    """What waits for a recipient is replaced by the next message, never what waits for others; a late success counts."""
    first, other, second = message(7), message(7, recipient="paper"), message(8)
    outbox.queue([first, other], NOW)
    outbox.queue([second], later(1))
    assert [one.id for one in outbox.due(later(2), 10)] == [other.id, second.id]
    assert isinstance(outbox.messages()[0].state, Replaced)
    outbox.later(first.id, Waiting(1, "451"), later(60))
    assert isinstance(outbox.messages()[0].state, Replaced)
    outbox.sent([(first.id, "ok")], later(3))
    assert isinstance(outbox.messages()[0].state, Sent)
    assert outbox.reached(1, "radio", "e", "r") == 7


def test_the_same_message_is_queued_once(outbox: Outbox) -> None:
    """A message that is there already is not queued or changed again."""
    outbox.queue([message(7)], NOW)
    outbox.failed(message(7).id, "550", NOW)
    outbox.queue([message(7)], later(1))
    (kept,) = outbox.messages()
    assert kept.state == Failed(NOW, "550")
    assert outbox.next_due() is None


def test_old_contents_are_let_go(outbox: Outbox) -> None:
    """The bytes of old messages go, unless they wait; who got what stays."""
    other = New(None, "<2@a>", "paper", "b@b.example", "operators", 1, 0, b"", Content(b"", b"kept"))
    outbox.queue([message(7), other], NOW)
    outbox.sent([(message(7).id, "ok")], NOW)
    outbox.forget(later(1))
    assert outbox.bytes_of("<2@a>") == b"\r\n\r\nkept"
    assert b"text" not in outbox.bytes_of(message(7).id)
    assert outbox.counts() == {"waiting": 1, "sent": 1, "failed": 0, "replaced": 0}


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A file in the place of the folder, or nonsense in the place of the outbox, is told with its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match="file"):
        Outbox(tmp_path / "file")
    (tmp_path / "outbox.sqlite").write_bytes(b"nonsense" * 1000)
    with pytest.raises(OutboxError, match="not a database"):
        Outbox(tmp_path)


def test_what_finds_no_room_is_refused_whole(outbox: Outbox) -> None:
    """A message that finds no room is refused with the database's words, nothing of it is there, and the outbox goes on."""
    outbox._database.execute("PRAGMA max_page_count = 1")
    large = msgspec.structs.replace(message(7), content=Content(b"", bytes(1_000_000)))
    with pytest.raises(OutboxError, match="is full"):
        outbox.queue([message(6, recipient="paper"), large], NOW)
    assert outbox.messages() == []
    outbox._database.execute("PRAGMA max_page_count = 100000")
    outbox.queue([large], NOW)
    assert [one.number for one in outbox.messages()] == [7]


def test_what_operators_learn_is_kept(tmp_path: Path) -> None:
    """Whom the relay refuses and which files are too large stay known after a restart until they are told, once in a crisis."""
    large = Notice(1, "large", "event.xml", "release 7")
    with Outbox(tmp_path) as outbox:
        outbox.queue([message(7)], NOW, noted=[large])
        outbox.failed(message(7).id, "550", NOW)
    with Outbox(tmp_path) as outbox:
        untold = outbox.untold()
        assert untold == [large, Notice(1, "refused", "radio (a@a.example)", "550")]
        outbox.queue([message(8)], NOW, noted=[large], told=untold)
        outbox.failed(message(8).id, "551", NOW)
    with Outbox(tmp_path) as outbox:
        assert outbox.untold() == []
        outbox.queue([], NOW, noted=[Notice(2, "large", "event.xml", "release 9")])
        assert [one.crisis for one in outbox.untold()] == [2]


def test_a_backup_holds_the_outbox_while_it_is_written(tmp_path: Path) -> None:
    """A backup of a site has the outbox as of one durable moment, and it opens."""
    site = Site.create(tmp_path / "site")
    with Outbox(site.root / "crisis") as outbox:
        outbox.queue([message(7)], NOW)
        outbox.decide(b"{}", NOW)
        backup(site, tmp_path / "backup", lambda *_: None)
        outbox.queue([message(8)], NOW)
    assert not list((tmp_path / "backup" / "crisis").glob("*-wal"))
    with Outbox(tmp_path / "backup" / "crisis") as kept:
        assert [one.number for one in kept.messages()] == [7]
        assert len(kept.decisions()) == 1
