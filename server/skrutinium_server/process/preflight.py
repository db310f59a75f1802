"""Before an election night: is everything as it has to be? Each look says go, warn or no-go, and why.

Nothing is changed but a probe file beside the store, which is taken away again. Source: requirement M5.
"""

import datetime
import os
import shutil
import smtplib
import socket
import stat
import time
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from skrutinium_server.authority.access_list import granted, read_list
from skrutinium_server.authority.errors import AuthorityError
from skrutinium_server.authority.persons import Authority
from skrutinium_server.crisis.errors import CrisisError
from skrutinium_server.election.calendar import CalendarError
from skrutinium_server.election.check import check
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.election.law import Law, load_law
from skrutinium_server.election.model import Definition
from skrutinium_server.feed.access import load_access
from skrutinium_server.feed.errors import FeedError
from skrutinium_server.process import room
from skrutinium_server.process.crisis_mail import checked
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.process.kernel_clock import is_synchronised
from skrutinium_server.process.registers import calendar_of
from skrutinium_server.process.site import Site
from skrutinium_server.process.socket import short_name
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.release.store.model import SeriesKey
from skrutinium_server.release.store.reading import StoreReader
from skrutinium_server.release.store.registers import RegistersReader
from skrutinium_server.release.store.signing import fingerprint, read_public_key, signature_holds

Verdict = Literal["go", "warn", "no-go"]

TRIALS: Final = ("testing-window", "rehearsal", "live-test", "closing-date")
"""Entries of the calendar that end before people vote."""

TIMEOUT: Final = 5.0


class Finding(msgspec.Struct, frozen=True):
    """What one look found."""

    part: str
    verdict: Verdict
    text: str


Look = Callable[[], Iterator[Finding]]


def preflight(site: Site, event: str, now: datetime.datetime) -> list[Finding]:
    """Everything that has to be right before ``event`` runs live; ``now`` is the wall clock (aware)."""
    definition = site.definitions(event).newest()
    assert definition is not None
    law = load_law(definition.law)
    looks: dict[str, Look] = {
        "keys": lambda: _keys(site),
        "disk": lambda: _disk(site, len(definition.polls)),
        "clock": lambda: _clock(site, law),
        "persons": lambda: _persons(site),
        "ranges": lambda: _ranges(site, event, now),
        "calendar": lambda: _calendar(site, definition),
        "definition": lambda: _definition(definition, law, now),
        "runs": lambda: _runs(site, definition),
        "registers": lambda: _registers(site, definition),
        "mail": lambda: _mail(site),
        "crisis": lambda: (Finding("crisis", *told) for told in checked(site.root, int(TIMEOUT))),
        "store": lambda: _store(site),
        "counting": lambda: _counting(site),
    }
    found: list[Finding] = []
    for part, look in looks.items():
        try:
            found += look()
        except (
            AuthorityError,
            CrisisError,
            ElectionError,
            FeedError,
            ProcessError,
            StoreError,
            OSError,
            ValueError,
        ) as error:
            found.append(Finding(part, "no-go", str(error)))
    return found


def _keys(site: Site) -> Iterator[Finding]:
    path = site.root / "keys" / "signing.pem"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "keys", "no-go", f"{path} can be read by others (mode {mode:04o}); expected 0600: chmod 600"
        )
    signer = site.signer()
    published = StoreReader(site.store).layout.key(signer.key_id)
    if not published.exists():
        yield Finding("keys", "no-go", f"{published} is missing: readers find no public key in the store")
        return
    if fingerprint(read_public_key(published.read_bytes())) != signer.fingerprint:
        yield Finding("keys", "no-go", f"{published} is not the public key of {path}")
        return
    yield Finding(
        "keys", "go", f"the key signs and is published; compare with the paper: {signer.fingerprint}"
    )


def _disk(site: Site, protocols: int) -> Iterator[Finding]:
    need = room.LEAST + protocols * room.A_PROTOCOL
    for name, folder in (("site", site.root), ("store", site.store)):
        free = shutil.disk_usage(folder).free
        found = f"{free / 1e9:.1f} GB free for the {name}, {need / 1e9:.1f} GB are advised for {protocols} protocols"
        yield Finding("disk", "go" if free >= need else "no-go" if free < room.LEAST else "warn", found)
        try:
            took = _written(folder)
        except OSError as error:
            yield Finding(
                "disk", "no-go", f"the {name} cannot be written: {error.strerror or error} ({folder})"
            )
            continue
        slow = took > 0.5
        text = f"the {name} is written and synced in {took * 1000:.0f} ms"
        yield Finding(
            "disk", "warn" if slow else "go", text + ("; a slow disk delays every release" if slow else "")
        )


def _written(folder: Path) -> float:
    """Seconds that it takes to write and sync a small file; raises OSError."""
    probe = folder / f".preflight.{os.getpid()}"
    try:
        began = time.monotonic()
        with probe.open("wb") as file:
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
        return time.monotonic() - began
    finally:
        probe.unlink(missing_ok=True)


def _clock(site: Site, law: Law) -> Iterator[Finding]:
    zoneinfo.ZoneInfo(law.time_zone)
    probe = site.root / f".preflight.{os.getpid()}"
    try:
        probe.touch()
        drift = abs(probe.stat().st_mtime - time.time())
    finally:
        probe.unlink(missing_ok=True)
    text = f"the file system's clock is {drift:.1f} s from this one's; time zone {law.time_zone} is known"
    yield Finding("clock", "go" if drift < 2 else "no-go", text)
    service = "see that a time service (chrony, systemd-timesyncd) runs"
    try:
        kept = is_synchronised()
    except OSError as error:  # a container may forbid asking
        yield Finding(
            "clock",
            "warn",
            f"the kernel does not tell whether its clock is synchronised ({error}): {service}",
        )
        return
    if kept:
        yield Finding("clock", "go", "the kernel says that the clock is synchronised")
    else:
        yield Finding("clock", "warn", f"the kernel does not take its clock for synchronised: {service}")


def _persons(site: Site) -> Iterator[Finding]:
    persons = Authority(site.root).state().persons
    text = f"{len(persons)} persons may act: {', '.join(sorted(persons)) or 'none'}"
    enough = len(persons) >= 2
    yield Finding("persons", "go" if enough else "no-go", text + ("" if enough else "; a live run takes two"))


def _ranges(site: Site, event: str, now: datetime.datetime) -> Iterator[Finding]:
    number, entries = read_list(site.access.read_bytes())
    load_access(site.access)  # as the feed reads it: what overlaps or is malformed is refused
    reading = [one for one in entries if one.live and (not one.events or event in one.events)]
    lasting = [one for one in reading if one.until is None or one.until > now]
    state = Authority(site.root).state()
    text = f"version {number}: {len(lasting)} subscribers read {event} live, {sum(len(one.live) for one in lasting)} ranges"
    yield Finding("ranges", "go" if lasting else "no-go", text)
    due = granted(state, site.all_settings().subscribers)
    if state.subscribers and state.list_number != number:
        yield Finding(
            "ranges",
            "no-go",
            f"the event log is at version {state.list_number} of the list: run subscriber export",
        )
    elif state.subscribers and due != entries:
        yield Finding("ranges", "warn", "the list was changed by hand: it is not what the event log says")


def _calendar(site: Site, definition: Definition) -> Iterator[Finding]:
    if not (site.root / "calendar.toml").exists():
        yield Finding(
            "calendar", "warn", "there is no calendar.toml: readers learn of no testing window or rehearsal"
        )
        return
    try:
        calendar = calendar_of(site)
    except CalendarError as error:
        yield Finding("calendar", "no-go", str(error))
        return
    entries = calendar.of_event(definition.event)
    for entry in entries:
        if definition.date is not None and entry.kind in TRIALS and entry.to.date() >= definition.date:
            text = f"{entry.id} ({entry.kind}) ends on {entry.to:%Y-%m-%d}, not before the voting of {definition.date}"
            yield Finding("calendar", "no-go", text)
    yield Finding("calendar", "go", f"{len(entries)} entries for {definition.event}")


def _definition(definition: Definition, law: Law, now: datetime.datetime) -> Iterator[Finding]:
    check(definition)
    if definition.made_up:
        yield Finding("definition", "no-go", f"{definition.event} is made up: it cannot be run live")
    if definition.date is None:
        yield Finding("definition", "no-go", "the date of voting is not known")
        return
    if not definition.polls:
        yield Finding("definition", "no-go", "no precinct votes in a contest: nothing could be counted")
        return
    text = f"version {definition.version} of {definition.event} agrees with itself: {len(definition.polls)} protocols expected"
    yield Finding("definition", "go", text)
    minute = law.not_before(definition.date)
    if minute is None:
        yield Finding(
            "definition",
            "warn",
            f"the law {law.id} names no minute of publication: a live run is read at once",
        )
    elif minute <= now:
        yield Finding(
            "definition",
            "warn",
            f"the minute of publication, {minute:%Y-%m-%d %H:%M} UTC, is past: a live run is read at once",
        )
    else:
        yield Finding("definition", "go", f"nothing is read before {minute:%Y-%m-%d %H:%M} UTC")


def _runs(site: Site, definition: Definition) -> Iterator[Finding]:
    """Open runs keep the version of the definition that they were opened with."""
    told = site.told()
    opened = [one for one in site.runs() if one.event == definition.event and one.run in told]
    for record in opened:
        if told[record.run].open and record.definition < definition.version:
            text = (
                f"the open run {record.run} ({record.phase}) rests on version {record.definition} of the definition; "
                f"version {definition.version} waits for the next run that opens"
            )
            yield Finding("runs", "warn", text)
    names = ", ".join(one.run for one in opened if told[one.run].open) or "none"
    yield Finding("runs", "go", f"open runs of {definition.event}: {names}")


def _registers(site: Site, definition: Definition) -> Iterator[Finding]:
    published = RegistersReader(site.store).newest(definition.event)
    if published is None:
        yield Finding(
            "registers", "warn", "they are not published yet: run registers publish (run open does it too)"
        )
    elif published.number != definition.version:
        text = f"those of version {published.number} are published, the definition is at {definition.version}: run registers publish"
        yield Finding("registers", "warn", text)
    else:
        yield Finding("registers", "go", f"those of version {definition.version} are published")


def _mail(site: Site) -> Iterator[Finding]:
    relay = site.all_settings().mail.relay
    if not relay:
        yield Finding("mail", "warn", "no mail relay is set ([mail] relay in site.toml)")
        return
    host, _, port = relay.rpartition(":")
    try:
        with smtplib.SMTP(host or relay, int(port) if host else 25, timeout=TIMEOUT) as client:
            code, _ = client.ehlo()
    except (OSError, smtplib.SMTPException, socket.gaierror) as error:
        yield Finding("mail", "no-go", f"{relay} does not answer: {error}")
        return
    yield Finding("mail", "go" if code == 250 else "no-go", f"{relay} answers with {code}")


def _store(site: Site) -> Iterator[Finding]:
    reader, public = StoreReader(site.store), site.signer().public
    looked = 0
    for run in reader.state()[1]:
        for series in run.series:
            key = SeriesKey(run.event, run.id, series)
            newest = reader.newest(key)
            if newest is None:
                continue
            looked += 1
            manifest = reader.manifest_bytes(key, newest.number)
            if not signature_holds(public, manifest, reader.manifest_signature(key, newest.number)):
                yield Finding(
                    "store", "no-go", f"release {newest.number} of {'/'.join(key)} is not signed by this site"
                )
    yield Finding("store", "go", f"{looked} series looked at; store check goes through everything")


def _counting(site: Site) -> Iterator[Finding]:
    with short_name(site.socket) as name, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(TIMEOUT)
        try:
            client.connect(name)
        except OSError:
            yield Finding(
                "counting", "warn", "nothing counts this site now: start serve or count before the run opens"
            )
            return
    yield Finding("counting", "go", "the counting process answers")
