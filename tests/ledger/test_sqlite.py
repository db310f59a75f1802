"""The ledger's file: durable, gapless, append-only, one writer, any grouping."""

import asyncio
import datetime
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.intake.model import Admission
from skrutinium_server.ledger import chain
from skrutinium_server.ledger.errors import (
    ChainError,
    ClosedError,
    LedgerError,
    LedgerFileError,
    LedgerLockedError,
    LedgerWriteError,
    RefusedError,
)
from skrutinium_server.ledger.model import Accepted, Closed, Cut, Entry, Opened
from skrutinium_server.ledger.reading import SqliteReader
from skrutinium_server.ledger.sqlite import SqliteLedger
from skrutinium_server.ledger.state import State
from skrutinium_server.ledger.store import Ledger, LedgerReader, Receipt
from tests.ledger.made import NIGHT, OPENED, admission, cut


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def fill(path: Path, calls: Sequence[Sequence[Admission]]) -> list[list[Receipt]]:
    """Append the calls all at once to a ledger, made when it is not there."""

    async def run() -> list[list[Receipt]]:
        opening = SqliteLedger.open if path.exists() else lambda place: SqliteLedger.create(place, OPENED)
        async with await asyncio.to_thread(opening, path) as ledger:
            return await asyncio.gather(*(ledger.append(call, NIGHT) for call in calls))

    return asyncio.run(run())


def read(path: Path) -> list[Entry]:
    with SqliteReader(path) as reader:
        return list(reader.entries())


def rewrite(path: Path, statement: str, *values: object) -> None:
    """Change the file as an intruder would: triggers off first."""
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("PRAGMA ignore_check_constraints=ON")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_first_entry_says_which_run_it_is(path: Path) -> None:
    """A ledger begins with its opened entry at position 1, chained to 64 zeros."""
    fill(path, [])
    (entry,) = read(path)
    assert (entry.position, entry.previous, entry.body) == (1, chain.GENESIS, OPENED)


def test_receipt_names_the_durable_entry(path: Path) -> None:
    """A receipt's position and hash are those of the entry, whose bytes are the ones taken over."""
    given_ = admission(1)
    ((receipt,),) = fill(path, [[given_]])
    with SqliteReader(path) as reader:
        entry = list(reader.entries())[-1]
        assert reader.data(receipt.position) == given_.taken_over.data
        assert reader.head() == (receipt.position, receipt.hash)
    assert receipt == Receipt(2, entry.hash, 1, False, True)
    assert isinstance(entry.body, Accepted)
    assert entry.body.protocol == given_.protocol


MADE = st.builds(
    admission,
    number=st.integers(1, 3),
    sequence=st.integers(1, 4),
    votes=st.integers(0, 2),
    lists=st.just(2),
)


@given(calls=st.lists(st.lists(MADE, max_size=4), max_size=6), cuts=st.integers(0, 6))
def test_any_grouping_makes_one_sound_chain(
    calls: list[list[Admission]], cuts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever arrives in whatever groups: no gap, a sound chain, same bytes once, and opened again it stands the same."""
    path = tmp_path_factory.mktemp("any") / "ledger.sqlite"
    receipts = [*fill(path, calls[:cuts]), *fill(path, calls[cuts:])]
    entries = read(path)
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
    assert list(chain.verify(entries)) == entries
    flat = [
        (made, receipt)
        for call, got in zip(calls, receipts, strict=True)
        for made, receipt in zip(call, got, strict=True)
    ]
    places = {(made.protocol.precinct, made.taken_over.data): receipt.position for made, receipt in flat}
    assert len(entries) == 1 + len(set(places.values())) == 1 + len(places)
    with SqliteReader(path) as reader:
        for made, receipt in flat:
            assert reader.data(receipt.position) == made.taken_over.data
            assert receipt.position == places[made.protocol.precinct, made.taken_over.data]
            assert receipt.hash == entries[receipt.position - 1].hash
    assert sum(not receipt.duplicate for _, receipt in flat) == len(places)
    again = fill(path, calls)
    assert all(receipt.duplicate for call in again for receipt in call)
    assert read(path) == entries


@given(
    made=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), unique=True, max_size=10), data=st.data()
)
def test_what_counts_does_not_depend_on_the_order_of_arrival(
    made: list[tuple[int, int]], data: st.DataObject
) -> None:
    """In any order of arrival the version with the highest sequence counts, and each superseding entry names the one before."""
    arrivals = data.draw(st.permutations(made))
    state = State()
    state.plan_opened(OPENED)
    rows, receipts = state.plan([admission(number, sequence) for number, sequence in arrivals], NIGHT)
    counting = {state.units[key].position for key in state.units}
    best = {number: max(sequence for other, sequence in made if other == number) for number, _ in made}
    assert counting == {
        receipt.position
        for (number, sequence), receipt in zip(arrivals, receipts, strict=True)
        if best[number] == sequence
    }
    current: dict[str, tuple[int, int]] = {}
    for row in rows:
        body = chain.unpack(row).body
        assert isinstance(body, Accepted)
        before = current.get(body.protocol.precinct)
        newer = before is not None and body.protocol.sequence > before[1]
        assert body.supersedes == (before[0] if before is not None and newer else None)
        assert not newer or (body.reason == "source-resend" and body.authority == "volby.cz")
        if before is None or newer:
            current[body.protocol.precinct] = (row.position, body.protocol.sequence)


def test_equal_sequence_with_other_bytes_changes_nothing(path: Path) -> None:
    """Of two protocols with one sequence the first counts; the second is stored and supersedes nothing."""
    ((first,), (second,)) = fill(path, [[admission(1, 5, votes=1)], [admission(1, 5, votes=2)]])
    assert (first.counts, second.counts, second.version) == (True, False, 2)
    body = read(path)[-1].body
    assert isinstance(body, Accepted)
    assert body.supersedes is None


def test_bytes_of_an_older_version_are_that_entry(path: Path) -> None:
    """An older version sent again answers with its own entry and does not count."""
    old, new = admission(1, 1), admission(1, 2)
    fill(path, [[old], [new]])
    ((receipt,),) = fill(path, [[old]])
    assert (receipt.position, receipt.duplicate, receipt.counts) == (2, True, False)


def test_change_without_reason_is_refused_outside_imports(path: Path) -> None:
    """A typed change needs reason and authority; with both it is stored as told, and a refused call stores nothing at all."""
    typed = admission(1, 2, path="typed")
    fill(path, [[admission(1, 1)]])
    with pytest.raises(RefusedError, match="without reason") as caught:
        fill(path, [[admission(2), typed]])
    assert caught.value.code == "ledger-reason"
    assert len(read(path)) == 2
    fill(path, [[msgspec.structs.replace(typed, reason="recount", authority="commission")]])
    body = read(path)[-1].body
    assert isinstance(body, Accepted)
    assert (body.reason, body.authority, body.supersedes) == ("recount", "commission", 2)


async def test_refusal_of_one_call_leaves_the_others(path: Path) -> None:
    """Calls that share a commit fail or succeed each for itself."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        good, bad, last = await asyncio.gather(
            ledger.append([admission(1)], NIGHT),
            ledger.append([admission(2)], NIGHT.replace(tzinfo=None)),
            ledger.append([admission(3)], NIGHT),
            return_exceptions=True,
        )
    assert isinstance(bad, RefusedError)
    assert isinstance(good, list)
    assert isinstance(last, list)
    assert [good[0].position, last[0].position] == [2, 3]


async def test_cuts_are_numbered_without_gaps(path: Path) -> None:
    """Each series counts its cuts from 1; a number left out or used twice is refused, also after opening again."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        await ledger.append_cut(cut(1))
        await ledger.append_cut(cut(1, "volby"))
        for number in (1, 3):
            with pytest.raises(RefusedError, match="expected number 2"):
                await ledger.append_cut(cut(number))
    async with await asyncio.to_thread(SqliteLedger.open, path) as ledger:
        assert (ledger.newest_release("skrutinium"), ledger.newest_release("other")) == (1, 0)
        assert (await ledger.append_cut(cut(2))).position == ledger.head()[0] == 4


async def test_closed_ledger_takes_nothing(path: Path) -> None:
    """After the last entry everything is refused, also after opening again."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        mark = await ledger.append_step(Closed(NIGHT))
        assert (mark.position, ledger.closed) == (2, True)
    async with await asyncio.to_thread(SqliteLedger.open, path) as ledger:
        assert ledger.closed
        for asked in (
            ledger.append([admission(1)], NIGHT),
            ledger.append_cut(cut(1)),
            ledger.append_step(Closed(NIGHT)),
        ):
            with pytest.raises(ClosedError):
                await asked
    assert isinstance((await asyncio.to_thread(read, path))[-1].body, Closed)


async def test_shut_down_ledger_finishes_what_was_asked(path: Path) -> None:
    """Closing carries out every call made before it, and later ones are refused."""
    ledger = await asyncio.to_thread(SqliteLedger.create, path, OPENED)
    calls = [asyncio.ensure_future(ledger.append([admission(number)], NIGHT)) for number in range(1, 20)]
    await asyncio.sleep(0)
    await ledger.close()
    assert [call.result()[0].position for call in calls] == list(range(2, 21))
    with pytest.raises(ClosedError):
        await ledger.append([admission(99)], NIGHT)


async def test_cancelled_caller_does_not_hurt_the_others(path: Path) -> None:
    """A caller that gives up while its commit is under way leaves the calls beside it alone."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        calls = [asyncio.ensure_future(ledger.append([admission(number)], NIGHT)) for number in (1, 2)]
        await asyncio.sleep(0)
        calls[0].cancel()
        assert (await calls[1])[0].position in (2, 3)


def test_one_writer(path: Path) -> None:
    """A second writer is told who holds the lock; after the first has closed the ledger opens."""

    async def run() -> None:
        async with await asyncio.to_thread(SqliteLedger.create, path, OPENED):
            with pytest.raises(LedgerLockedError, match="held by another process"):
                await asyncio.to_thread(SqliteLedger.open, path)

    asyncio.run(run())
    fill(path, [[admission(1)]])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET data = x'00' WHERE position = 2",
        "DELETE FROM entries WHERE position = 2",
        "INSERT OR REPLACE INTO entries SELECT 2, head, data, hash FROM entries WHERE position = 1",
        "INSERT INTO entries SELECT 9, head, data, hash FROM entries WHERE position = 1",
    ],
)
def test_table_refuses_everything_but_the_next_entry(path: Path, statement: str) -> None:
    """Updating, deleting, replacing and leaving a gap are refused by the file itself."""
    fill(path, [[admission(1)]])
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="an entry of the ledger"):
        connection.execute(statement)
    connection.close()


@given(data=st.data())
def test_altered_byte_is_found(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any one byte changed in any column of any row is found, and the error names the position."""
    path = tmp_path_factory.mktemp("altered") / "ledger.sqlite"
    fill(path, [[admission(number, lists=1)] for number in (1, 2, 3)])
    position = data.draw(st.integers(2, 4))
    column = data.draw(st.sampled_from(("head", "data", "hash")))
    connection = sqlite3.connect(path)
    (stored,) = connection.execute(f"SELECT {column} FROM entries WHERE position = ?", (position,)).fetchone()
    connection.close()
    place = data.draw(st.integers(0, len(stored) - 1))
    other = stored[place] ^ data.draw(st.integers(1, 255))
    rewrite(
        path,
        f"UPDATE entries SET {column} = ? WHERE position = ?",
        stored[:place] + bytes([other]) + stored[place + 1 :],
        position,
    )
    with pytest.raises(ChainError) as caught:
        read(path)
    assert caught.value.position == position
    with SqliteReader(path) as reader, pytest.raises(ChainError):
        reader.data(position)
    with pytest.raises(ChainError):
        SqliteLedger.open(path)
    assert not path.with_name("lock").read_text(), "a failed opening gives the lock back"


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM entries WHERE position = 3", "UPDATE entries SET position = 9 WHERE position = 3"],
)
def test_missing_entry_is_found(path: Path, statement: str) -> None:
    """An entry taken out or moved is named, even when nothing else is near."""
    fill(path, [[admission(number)] for number in (1, 2)])
    rewrite(path, statement)
    if statement.startswith("DELETE"):
        rewrite(path, "INSERT INTO entries SELECT 1000, head, data, hash FROM entries WHERE position = 2")
    with pytest.raises(ChainError) as caught:
        read(path)
    assert caught.value.position == 3


def test_rehashed_entry_breaks_the_next_one(path: Path) -> None:
    """An entry changed together with its own hash is found by the one after it."""
    fill(path, [[admission(number)] for number in (1, 2)])
    entry = read(path)[1]
    head = chain.head_bytes(2, entry.previous, msgspec.structs.replace(entry.body, skipped_rules=7))
    rewrite(
        path,
        "UPDATE entries SET head = ?, hash = ? WHERE position = 2",
        head,
        bytes.fromhex(chain.entry_hash(head)),
    )
    with pytest.raises(ChainError) as caught:
        read(path)
    assert caught.value.position == 3
    entries = [entry, msgspec.structs.replace(entry, position=3)]
    with pytest.raises(ChainError):
        list(chain.verify(entries, 1, entry.previous))


async def test_reader_follows_a_writer(path: Path) -> None:
    """A reader beside the writer sees each commit, and reads on from any position up to any other."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        reader = await asyncio.to_thread(SqliteReader, path)
        after = 0
        for number in range(1, 4):
            await ledger.append([admission(number)], NIGHT)
            seen = await asyncio.to_thread(list, reader.entries(after))
            assert seen[-1].position == ledger.head()[0]
            after = seen[-1].position
        part = await asyncio.to_thread(list, ledger.entries(1, 3))
        assert [entry.position for entry in part] == [2, 3]
        await asyncio.to_thread(reader.close)


def test_long_ledger_reads_over_chunks(path: Path) -> None:
    """More entries than are read at once come out in order with their bytes."""
    admissions = [admission(number, lists=1) for number in range(1, 700)]
    fill(path, [admissions])
    with SqliteReader(path) as reader:
        records = list(reader.records(1))
    assert [data for _, data in records] == [made.taken_over.data for made in admissions]


def test_asking_beyond_the_end_is_told(path: Path) -> None:
    """Positions that do not exist are an error, not an empty answer."""
    fill(path, [])
    with SqliteReader(path) as reader:
        with pytest.raises(KeyError):
            reader.data(2)
        with pytest.raises(LedgerError, match="ends at position 1"):
            list(reader.entries(5))


def test_wrong_files_are_told(tmp_path: Path) -> None:
    """No file, another kind of file, and a second creation each get an error that says so."""
    with pytest.raises(LedgerFileError, match="is missing"):
        SqliteLedger.open(tmp_path / "none.sqlite")
    with pytest.raises(LedgerFileError, match="is missing"):
        SqliteReader(tmp_path / "none.sqlite")
    text = tmp_path / "text.sqlite"
    text.write_text("no database at all, but long enough to have a header " * 9)
    with pytest.raises(LedgerFileError, match="cannot be read"):
        SqliteReader(text)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE entries (position INTEGER)")
    connection.close()
    with pytest.raises(LedgerFileError, match="not a ledger"):
        SqliteLedger.open(other)
    fill(tmp_path / "ledger.sqlite", [])
    with pytest.raises(LedgerFileError, match="there already"):
        SqliteLedger.create(tmp_path / "ledger.sqlite", OPENED)


async def test_full_disk_fails_the_append_and_the_next_one_succeeds(path: Path) -> None:
    """When no room is left nothing is acknowledged or stored; with room again the same call succeeds."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        await ledger.append([admission(1)], NIGHT)
        # SQLite's own limit makes the real SQLITE_FULL, as a full disk does.
        connection = ledger._writer._connection
        (pages,) = await asyncio.to_thread(lambda: connection.execute("PRAGMA page_count").fetchone())
        await asyncio.to_thread(lambda: connection.execute(f"PRAGMA max_page_count={pages}").fetchone())
        many = [admission(number) for number in range(2, 60)]
        with pytest.raises(LedgerWriteError, match="full") as caught:
            await ledger.append(many, NIGHT)
        assert caught.value.code == "ledger-full"
        assert ledger.head()[0] == 2
        await asyncio.to_thread(lambda: connection.execute("PRAGMA max_page_count=1000000").fetchone())
        receipts = await ledger.append(many, NIGHT)
        assert [receipt.position for receipt in receipts] == list(range(3, 61))
    assert len(await asyncio.to_thread(read, path)) == 60


async def test_unknown_fault_stops_the_writer(path: Path) -> None:
    """After a fault that leaves open what reached the disk, everything is refused until the ledger is opened anew."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        await asyncio.to_thread(rewrite, path, "DROP TABLE entries")
        for _ in range(2):
            with pytest.raises(LedgerWriteError, match="stopped") as caught:
                await ledger.append([admission(1)], NIGHT)
            assert caught.value.code == "ledger-write"


async def test_interfaces_are_kept(path: Path) -> None:
    """The SQLite ledger is a Ledger, and its reader a LedgerReader."""
    async with await asyncio.to_thread(SqliteLedger.create, path, OPENED) as ledger:
        writing: Ledger = ledger
        reading: LedgerReader = ledger
        assert writing.head() == reading.head()


def test_time_is_kept_in_utc() -> None:
    """A time with another offset is stored as the same moment in UTC."""
    local = NIGHT.astimezone(datetime.timezone(datetime.timedelta(hours=2)))
    state = State()
    entry = chain.unpack(state.plan_opened(msgspec.structs.replace(OPENED, time=local)))
    row, _ = state.plan_cut(msgspec.structs.replace(cut(1), time=local))
    body = chain.unpack(row).body
    assert isinstance(entry.body, Opened)
    assert isinstance(body, Cut)
    assert b"+02:00" not in row.head
    assert entry.body.time == body.time == NIGHT
