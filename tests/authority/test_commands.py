"""The commands of subscribers, persons and the event log against a real site; one way through in processes of their own."""

import contextlib
import io
import sys
from pathlib import Path

import msgspec
import pytest

from skrutinium_server.authority.log import EventLog
from skrutinium_server.authority.persons import Authority
from skrutinium_server.commands import main
from skrutinium_server.feed.access import load_access
from skrutinium_server.process.site import Site
from tests.e2e import at_work

CONTACT = ("--email", "results@radio.example", "--telephone", "+420 222 111 333")


def command(*arguments: object, code: int = 0) -> str:
    """Run one command in this process, as its own main program would; what it said."""
    said = io.StringIO()
    before, sys.argv = sys.argv, ["skrutinium-server", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
        ended: object = 0
    except SystemExit as exit_:
        ended = exit_.code
    finally:
        sys.argv = before
    assert ended == code, f"{arguments}: exit {ended}\n{said.getvalue()}"
    return said.getvalue()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A new site that takes example addresses."""
    folder = tmp_path / "site"
    command("site", "create", folder)
    settings = folder / "site.toml"
    settings.write_text(settings.read_text().replace("special_addresses = false", "special_addresses = true"))
    return folder


def test_from_request_to_revocation(site: Path) -> None:
    """A newsroom asks, is approved, has letters, is changed and revoked; the feed's list follows each step."""
    command = at_work.command
    ask = ("subscriber", "add", site, "radio", "--name", "Rádio Zlín", *CONTACT, "--live", "192.0.2.0/28")
    assert "pending" in command(*ask, "--test", "192.0.2.99", "--until", "2090-12-31")
    assert "which is pending" in command("subscriber", "simulate", site, "192.0.2.3")
    assert load_access(site / "access.toml").find("192.0.2.3") is None
    assert "error [event-refused]" in command(*ask, "--name", "Other", "--live", "192.0.2.77", code=1)

    said = command("subscriber", "approve", site, "radio", "--who", "novakova")
    assert str(site / "letters" / "radio" / "0001.eml") in said
    assert "names no addresses and no contacts" in said
    grant = load_access(site / "access.toml").find("192.0.2.3")
    assert grant is not None
    assert (grant.subscriber, grant.kind) == ("radio", "live")
    assert "live range 192.0.2.0/28" in command("subscriber", "simulate", site, "::ffff:192.0.2.3")
    later = command("subscriber", "simulate", site, "192.0.2.3", "--at", "2091-01-01T00:00:00Z")
    assert "Refused" in later
    fingerprint = Site(site).signer().fingerprint
    assert fingerprint[:39] in (site / "letters" / "radio" / "0001.txt").read_text()

    command("subscriber", "change", site, "radio", "--no-test", "--no-end", "--reason", "asked by mail")
    assert load_access(site / "access.toml").find("192.0.2.99") is None
    assert (site / "letters" / "radio" / "0002.pdf").exists()
    assert "sound" in command("subscriber", "check", site)
    shown = command("subscriber", "show", site, "radio")
    assert "by novakova" in shown
    assert "Rádio Zlín" in command("subscriber", "list", site)

    command("subscriber", "revoke", site, "radio", "--reason", "no longer a medium")
    listed = load_access(site / "access.toml")
    assert listed.find("192.0.2.3") is None
    assert listed.find("127.0.0.1") is not None
    assert listed.number == 4
    assert "4 entries, unbroken" in command("event-log", "check", site)
    log = command("event-log", "show", site, "--json").splitlines()
    assert [msgspec.json.decode(line)["event"]["kind"] for line in log] == [
        "subscriber-requested",
        "subscriber-approved",
        "subscriber-changed",
        "subscriber-revoked",
    ]
    assert "subscriber-revoked" in command("event-log", "show", site, "--after", "3")


def test_list_written_by_hand_is_noticed_and_put_right(site: Path) -> None:
    """`check` tells what the list says otherwise than was recorded; `export` puts it right and keeps the old one."""
    path = site / "access.toml"
    path.write_text(
        path.read_text() + '\n[[subscriber]]\nid = "mine"\nname = "Mine"\nlive = ["192.0.2.200"]\n'
    )
    assert "access.toml lets in mine, whom nobody approved" in command("subscriber", "check", site, code=1)
    assert "access.replaced-by-" in command("subscriber", "export", site)
    assert "sound" in command("subscriber", "check", site)
    (kept,) = site.glob("access.replaced-by-*.toml")
    assert '"mine"' in kept.read_text()


def test_file_of_requests(site: Path, tmp_path: Path) -> None:
    """A file is registered whole, approved at once, and comes out again for another site."""
    file = tmp_path / "all.csv"
    header = "id,name,email,telephone,live\n"
    file.write_text(
        header
        + "one,One,a@one.example,+420222111333,192.0.2.1\ntwo,Two,b@two.example,+420222111334,10.0.0.0/8\n"
    )
    refusal = command("subscriber", "import", site, file, code=1)
    assert "line 3: 10.0.0.0/8 is too wide" in refusal
    assert EventLog(site / "authority").entries() == ()
    file.write_text(file.read_text().replace("10.0.0.0/8", "192.0.2.2"))
    assert "pending: one two" in command("subscriber", "import", site, file)
    command("subscriber", "approve", site, "one", "two")
    assert "one,One,a@one.example,+420222111333,192.0.2.1/32,,," in command(
        "subscriber", "export", site, "--csv"
    )
    assert load_access(site / "access.toml").size == 4


def test_closing_date_of_the_settings(site: Path) -> None:
    """After the closing date a request needs its reason."""
    settings = site / "site.toml"
    settings.write_text(settings.read_text().replace("# closing =", "closing = 2020-01-01T00:00:00Z"))
    ask = ("subscriber", "add", site, "radio", "--name", "Radio", *CONTACT, "--live", "192.0.2.1")
    assert "error [subscriber-late]" in command(*ask, code=1)
    command("subscriber", "decline", site, "radio", "--reason", "x", code=1)
    assert "pending" in command(*ask, "--late", "the post was late")
    command("subscriber", "decline", site, "radio", "--reason", "no medium")
    assert "declined" in command("subscriber", "list", site)


def test_people_by_file_and_pipe(site: Path, tmp_path: Path) -> None:
    """A passphrase comes from a file; it is nowhere to be found afterwards, and opens."""
    file = tmp_path / "passphrase"
    file.write_text("čtyři slova stačí všem\n")
    add = ("person", "add", site, "j.novakova", "--role", "commissioner", "--passphrase-file", file)
    assert "Added j.novakova (commissioner)" in command(*add)
    assert "error [event-refused]" in command(*add, code=1)
    assert "commissioner" in command("person", "list", site)
    assert Authority(site).authenticate("j.novakova", "čtyři slova stačí všem") == "j.novakova"
    assert "čtyři" not in command("event-log", "show", site, "--json")
    command("person", "remove", site, "j.novakova")
    assert "error [person]" in command("person", "remove", site, "j.novakova", code=1)


def test_damaged_log_stops_commands(site: Path) -> None:
    """A log that was changed is told by every command, and nothing is added to it."""
    command("subscriber", "add", site, "radio", "--name", "Radio", *CONTACT, "--live", "192.0.2.1")
    path = site / "authority" / "events.jsonl"
    path.write_bytes(path.read_bytes().replace(b"192.0.2.1/32", b"192.0.2.7/32"))
    size = path.stat().st_size
    for rest in (("event-log", "check"), ("subscriber", "list"), ("subscriber", "check")):
        assert "error [event-log-damaged]" in command(*rest, site, code=1)
    assert "error [event-log-damaged]" in command("subscriber", "approve", site, "radio", code=1)
    assert path.stat().st_size == size
