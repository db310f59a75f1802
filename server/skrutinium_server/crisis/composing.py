"""Messages for many recipients: what is the same for several of them is selected, packed and written once. Files are read: call it in a thread."""

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from skrutinium_server.crisis.message import Content, Identity, content, head
from skrutinium_server.crisis.model import Kind, Package, Results, Selection
from skrutinium_server.crisis.packing import pack
from skrutinium_server.crisis.queued import New
from skrutinium_server.crisis.reading import RunReader
from skrutinium_server.crisis.recipients import Recipient, Recipients
from skrutinium_server.crisis.selecting import Choice, choice_of, select
from skrutinium_server.crisis.telling import Told, body, note, read_summary, subject, zone_of
from skrutinium_server.crisis.territory import Territory, read_territory
from skrutinium_server.release.store.notices import NoticesReader

MORE: Final = 64
"""So many earlier releases are offered; those that fit go along."""
_FOLDERS: Final = ("manifest/", "keys/", "release/")
_SHOWN: Final = 20


class Wanted(NamedTuple):
    """A message that a recipient is to get: every release after ``since``; ``repeat`` as in its id."""

    recipient: Recipient
    kind: Kind
    since: int
    repeat: int


class _Same(NamedTuple):
    """Recipients who are alike in all of this get the same content."""

    choice: Choice
    language: str
    limit: int
    zip_above: int
    interval: int
    newest_only: bool
    events: tuple[str, ...]
    kind: Kind
    since: int


class Written(msgspec.Struct, frozen=True):
    """The content of each part of a message, and its subject; ``left_out``: what no message of this limit can carry."""

    parts: tuple[Content, ...]
    subjects: tuple[str, ...]
    left_out: tuple[str, ...]


def compose(
    reader: RunReader,
    results: Results,
    wanted: Iterable[Wanted],
    told: Recipients,
    crisis: int,
    store: Path,
    now: datetime.datetime,
) -> Iterator[tuple[list[New], tuple[str, ...]]]:
    """The messages of each recipient, and the paths of what had to be left out; alike ones one after the other.

    Raises StoreError, UnreadableResults.
    """
    territory = read_territory(store, results.key.event)
    groups: dict[_Same, list[Wanted]] = {}
    for one in wanted:
        groups.setdefault(_same(one, territory), []).append(one)
    second = NoticesReader(store).read().second_site
    for same, members in groups.items():
        written = _write(reader, results, same, told, second.address if second else "")
        for one in members:
            yield _addressed(results, one, written, told, crisis, now), written.left_out


def _same(one: Wanted, territory: Territory) -> _Same:
    recipient = one.recipient
    return _Same(
        choice_of(recipient, territory),
        recipient.language,
        recipient.limit,
        recipient.zip_above,
        recipient.interval,
        recipient.releases == "newest",
        recipient.events,
        one.kind,
        one.since,
    )


def _write(
    reader: RunReader, results: Results, same: _Same, recipients: Recipients, second_site: str
) -> Written:
    selection = select(
        same.choice,
        results,
        same.since,
        reader.release,
        reader.named_by,
        newest_only=same.newest_only,
        more=MORE,
    )
    told = _told(reader, results, same, recipients, second_site, selection)
    packages, left_out = pack(
        results,
        selection,
        note(told),
        reader.release,
        reader.bytes_of,
        limit=same.limit,
        zip_above=same.zip_above,
    )
    told = msgspec.structs.replace(told, left_out=tuple(left_out))
    parts = len(packages)
    return Written(
        tuple(
            content(body(told, _names(package), at, parts), package) for at, package in enumerate(packages, 1)
        ),
        tuple(subject(told, at, parts) for at in range(1, parts + 1)),
        tuple(left_out),
    )


def _names(package: Package) -> list[str]:
    """What is attached, for people: the newest documents by name, of what proves them and what was before how many."""
    names = [file.name for file in package.files]
    if package.zipped is None:
        return names
    counted = Counter(name.partition("/")[0] for name in names if name.startswith(_FOLDERS))
    shown = [name for name in names if not name.startswith(_FOLDERS)]
    if len(shown) > _SHOWN:
        shown = [*shown[:_SHOWN], f"… (+ {len(shown) - _SHOWN})"]
    shown += [f"{folder}/ ({count})" for folder, count in counted.items()]
    return [f"{package.zipped}:", *(f"  {name}" for name in shown)]


def _told(
    reader: RunReader,
    results: Results,
    same: _Same,
    recipients: Recipients,
    second_site: str,
    selection: Selection,
) -> Told:
    summary = reader.document("summary.xml")
    state, kinds = ("", ()) if summary is None else read_summary(summary)
    told = Told(same.kind, same.language, results)  # type: ignore[arg-type]
    return msgspec.structs.replace(
        told,
        kinds=kinds,
        state=state,
        corrected=any(
            one.path.startswith("corrections/")
            for part in selection.due
            for one in reader.release(part.number).changed
        ),
        fingerprint=reader.fingerprint(results.newest),
        zone=zone_of(results.run.law, recipients.sender.timezone),
        interval=same.interval,
        contacts=recipients.sender.contacts,
        second_site=second_site,
    )


def _addressed(
    results: Results,
    one: Wanted,
    written: Written,
    told: Recipients,
    crisis: int,
    now: datetime.datetime,
) -> list[New]:
    parts = len(written.parts)
    made = []
    for at, (shared, line) in enumerate(zip(written.parts, written.subjects, strict=True), 1):
        identity = Identity(
            results.key.event,
            results.key.run,
            results.newest.number,
            at,
            one.repeat,
            one.recipient.mark,
            told.domain,
        )
        headers = head(
            one.recipient,
            told.sender,
            identity,
            subject=line,
            kind=one.kind,
            phase=results.run.phase,
            part=(at, parts),
            now=now,
        )
        made.append(
            New(
                identity,
                str(identity),
                one.recipient.id,
                one.recipient.address,
                one.kind,
                parts,
                crisis,
                headers,
                shared,
            )
        )
    return made
