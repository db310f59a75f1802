"""Documents of protocols: one precinct, the batch of a release, and what its corrections changed."""

import base64
from collections.abc import Iterator, Mapping

from skrutinium_server.intake.model import ListVotes, Protocol
from skrutinium_server.ledger.model import Accepted
from skrutinium_server.release.errors import NotIssuable
from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.figures import Figures
from skrutinium_server.release.formats.skrutinium.outline import Outline
from skrutinium_server.release.formats.skrutinium.stamp import DECLARATION, Stamp, utc
from skrutinium_server.release.model import Arrival, State
from skrutinium_server.tally.tally import Tally


def precinct(outline: Outline, figures: Figures, tally: Tally, stamp: str, state: State, id: str) -> bytes:
    """``precinct/ID.xml``: the protocols that count now, and the contests whose protocol is awaited.

    ``stamp`` holds the attributes of the release, ``state`` is that of the event; raises KeyError for an unknown precinct.
    """
    known = outline.precincts[id]
    counted = []
    awaited = []
    for contest, district in known.polls:
        current = tally.current(id, contest)
        if current is None:
            awaited.append(f' <awaited contest="{contest}" district="{district}"/>\n')
        else:
            counted.append(_protocol(figures, *current, ""))
    if state in ("interim", "complete"):
        state = "interim" if awaited else "complete"
    return (
        f'{DECLARATION}<precinct-results {stamp} {known.root} state="{state}">\n'
        f"{''.join(counted)}{''.join(awaited)}</precinct-results>\n"
    ).encode()


def batch(figures: Figures, stamp: Stamp, state: State, arrivals: tuple[Arrival, ...]) -> bytes:
    """``batch/N.xml``: every protocol of the release with the bytes taken over, in the order of the ledger."""
    rows = "".join(
        _protocol(figures, arrival.position, arrival.body, _taken_over(arrival.body, arrival.data))
        for arrival in arrivals
    )
    head = f'<protocol-batch {stamp.attributes()} state="{state}">'
    return f"{DECLARATION}{head}\n{rows}</protocol-batch>\n".encode()


def corrections(figures: Figures, stamp: Stamp, state: State, arrivals: tuple[Arrival, ...]) -> bytes | None:
    """``corrections/N.xml``: every arrival that replaced another, number by number; None when none did.

    Raises :class:`~skrutinium_server.release.errors.NotIssuable` for a replacement without reason or authority.
    """
    rows = "".join(
        _correction(figures, arrival, *arrival.replaced)
        for arrival in arrivals
        if arrival.replaced is not None
    )
    if not rows:
        return None
    head = f'<corrections {stamp.attributes()} state="{state}">'
    return f"{DECLARATION}{head}\n{rows}</corrections>\n".encode()


def _protocol(figures: Figures, position: int, body: Accepted, taken_over: str) -> str:
    protocol = body.protocol
    repeated = ' repeated="true"' if protocol.repeated else ""
    supersedes = "" if body.supersedes is None else f' supersedes="{body.supersedes}"'
    return (
        f' <protocol precinct="{protocol.precinct}" contest="{protocol.contest}" district="{protocol.district}" '
        f'entry="{position}" version="{body.version}" sequence="{protocol.sequence}" '
        f'established="{utc(protocol.established)}" accepted="{utc(body.time)}" sha256="{body.data_sha256}"'
        f"{repeated}{supersedes}{_given('reason', body.reason)}{_given('authority', body.authority)}>\n"
        f"{figures.rows(protocol.figures, '  ')}{''.join(map(_list_votes, protocol.lists))}{taken_over} </protocol>\n"
    )


def _list_votes(row: ListVotes) -> str:
    if not row.candidates:
        return f'  <list number="{row.number}" votes="{row.votes}"/>\n'
    candidates = "".join(
        f'   <candidate number="{number}" votes="{votes}"/>\n' for number, votes in row.candidates
    )
    return f'  <list number="{row.number}" votes="{row.votes}">\n{candidates}  </list>\n'


def _taken_over(body: Accepted, data: bytes) -> str:
    return (
        f'  <taken-over format="{attribute(body.format)}" encoding="{attribute(body.encoding)}" '
        f'source="{attribute(body.source)}" source-sha256="{body.source_sha256}" offset="{body.offset}">'
        f"{base64.b64encode(data).decode('ascii')}</taken-over>\n"
    )


def _correction(figures: Figures, arrival: Arrival, position: int, before: Accepted) -> str:
    now = arrival.body
    protocol = now.protocol
    if not now.reason or not now.authority:
        raise NotIssuable(
            f"entry {arrival.position} replaces entry {position} (precinct {protocol.precinct}, contest "
            f"{protocol.contest}) without a reason or an authority; expected both on every change"
        )
    changes = "".join(_changes(figures, before.protocol, protocol))
    return (
        f' <correction precinct="{protocol.precinct}" contest="{protocol.contest}" entry="{arrival.position}" '
        f'supersedes="{position}" reason="{attribute(now.reason)}" authority="{attribute(now.authority)}" '
        f'time="{utc(now.time)}">\n{changes} </correction>\n'
    )


def _changes(figures: Figures, before: Protocol, now: Protocol) -> Iterator[str]:
    for field in figures.order(before.figures, now.figures):
        yield _change(f'field="{attribute(field)}"', before.figures.get(field), now.figures.get(field))
    old, new = _by_number(before), _by_number(now)
    for number in sorted(old.keys() | new.keys()):
        was, is_now = old.get(number), new.get(number)
        yield _change(
            f'list="{number}"', None if was is None else was.votes, None if is_now is None else is_now.votes
        )
        old_votes, new_votes = _candidates(was), _candidates(is_now)
        for candidate in sorted(old_votes.keys() | new_votes.keys()):
            yield _change(
                f'list="{number}" candidate="{candidate}"', old_votes.get(candidate), new_votes.get(candidate)
            )


def _change(what: str, old: int | None, new: int | None) -> str:
    if old == new:
        return ""
    was = "" if old is None else f' old="{old}"'
    is_now = "" if new is None else f' new="{new}"'
    return f"  <change {what}{was}{is_now}/>\n"


def _by_number(protocol: Protocol) -> Mapping[int, ListVotes]:
    return {row.number: row for row in protocol.lists}


def _candidates(row: ListVotes | None) -> Mapping[int, int]:
    return {} if row is None or row.candidates is None else dict(row.candidates)


def _given(name: str, value: str | None) -> str:
    return f' {name}="{attribute(value)}"' if value else ""
