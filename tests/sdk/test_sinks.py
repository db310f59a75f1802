"""Sinks hold what the feed says, release by release, whatever interrupts them."""

import asyncio
import contextlib
import json
import random
import resource
import secrets
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import skrutinium
from skrutinium import MixedPhases, SinkError
from skrutinium.sinks.postgresql import PostgresSink
from skrutinium.sinks.sink import Sink
from skrutinium.sinks.statements import DOCUMENTS, MISSING
from skrutinium.tables.columns import RELEASES
from tests.conftest import REPOSITORY
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.postgres_server import address, postgres
from tests.sdk.sinks_at_work import KINDS, fresh, long_night, read_back, sink_at
from tests.sdk.store_builder import Written, make_night
from tests.sdk.test_commands import run
from tests.sdk.test_feed import QUICK

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as folder:
        yield folder


CONNECTS = pytest.mark.blocking("asyncpg looks for ~/.pgpass and certificates when it connects")


@pytest.fixture(params=[pytest.param(one, marks=[CONNECTS] if one == "postgresql" else []) for one in KINDS])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where a sink of that kind can be made."""
    if kind != "postgresql":
        return str(tmp_path / f"tables.{kind}")
    return await database(request.getfixturevalue("server"))


async def database(server: str) -> str:
    """The address of a new database."""
    name = f"night_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(address(server))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return address(server, name)


@pytest.fixture
async def written(tmp_path: Path) -> Written:
    return await asyncio.to_thread(make_night().write, tmp_path / "store", 1)


async def grow(written: Written) -> None:
    await asyncio.to_thread(written.add, written.night.releases[written.number])


async def take_newest(sink: Sink, root: Path) -> bool:
    async with skrutinium.connect(root) as feed:
        return await sink.take(await feed.release())


async def test_equal_after_every_release(kind: str, place: str, written: Written) -> None:
    """After each release the tables are the records of that release, and the mark and the table of releases name it once."""
    async with (
        sink_at(kind, place) as sink,
        skrutinium.connect(written.root, state=sink, timing=QUICK) as feed,
    ):
        async with asyncio.timeout(200):
            async for release in feed.releases():
                assert await sink.take(release)
                assert not await sink.take(release)
                told = await read_back(kind, place)
                assert told.pop("releases") == [(number,) for number in range(1, release.number + 1)]
                assert told == await fresh(written.root, release.number)
                seen = await sink.read()
                assert seen is not None
                assert (seen.number, seen.manifest) == (release.number, release.sha256)
                if release.number == len(written.night.releases):
                    break
                await grow(written)


async def test_gap_is_caught_up(kind: str, place: str, written: Written) -> None:
    """A sink that missed releases becomes equal at once, and rows that vanished are gone."""
    async with sink_at(kind, place) as sink:
        assert await take_newest(sink, written.root)
        for _ in range(3):
            await grow(written)
        assert await take_newest(sink, written.root)
        assert not await take_newest(sink, written.root)
    async with sink_at(kind, place) as sink:
        await grow(written)
        assert await take_newest(sink, written.root)
    told = await read_back(kind, place)
    assert told.pop("releases") == [(1,), (4,), (5,)]
    assert told == await fresh(written.root)


async def test_rows_that_vanish(kind: str, place: str, tmp_path: Path) -> None:
    """Rows that a later document does not have any more are deleted."""
    night = make_night()
    for number in (4, 5):
        documents = night.releases[number - 1].documents
        for path in [one for one in documents if one.startswith(("precinct/", "contest/"))]:
            documents[path] = b"".join(
                line
                for line in documents[path].splitlines(keepends=True)
                if b'<list number="3"' not in line or path.startswith("precinct")
            )
    written = await asyncio.to_thread(night.write, tmp_path / "store", 3)
    async with (
        sink_at(kind, place) as sink,
        skrutinium.connect(written.root, state=sink, timing=QUICK) as feed,
    ):
        async with asyncio.timeout(200):
            async for release in feed.releases():
                await sink.take(release)
                if release.number == 5:
                    break
                await grow(written)
    told = await read_back(kind, place)
    del told["releases"]
    assert told == await fresh(written.root)
    assert {row[2] for row in told["lists"] if row[0] == "200"} == {1, 2}


async def test_some_tables(kind: str, place: str, written: Written) -> None:
    """Only the tables that are wanted are there, and asking for others later is refused with what it holds."""
    for _ in range(4):
        await grow(written)
    wanted = ["lists", "event"]
    async with sink_at(kind, place, tables=wanted) as sink:
        await take_newest(sink, written.root)
    told = await read_back(kind, place)
    del told["releases"]
    assert set(told) == set(wanted)
    assert told == await fresh(written.root, tables=wanted)
    with pytest.raises(SinkError, match="holds tables event, lists, and everything is wanted"):
        async with sink_at(kind, place):
            pass


async def test_another_run(kind: str, place: str, written: Written, tmp_path: Path) -> None:
    """A release of another run or phase is refused, and the tables stay."""
    other = await asyncio.to_thread(make_night(phase="test", run="other").write, tmp_path / "other")
    async with sink_at(kind, place) as sink:
        await take_newest(sink, written.root)
        with pytest.raises(MixedPhases):
            await take_newest(sink, other.root)
    told = await read_back(kind, place)
    assert told.pop("releases") == [(1,)]
    assert told == await fresh(written.root)


async def test_loop_that_forgets_to_take(kind: str, place: str, written: Written) -> None:
    """A release that counts as done but was not taken is an error, not a hole."""
    await grow(written)
    async with sink_at(kind, place) as sink, skrutinium.connect(written.root, state=sink) as feed:
        async with asyncio.timeout(200):
            release = await anext(feed.releases())
        with pytest.raises(SinkError, match=r"await sink\.take"):
            await feed.done(release)


async def test_damaged_document_leaves_the_tables(kind: str, place: str, written: Written) -> None:
    """What cannot be read changes nothing: the tables stay those of the release before, and go on when it can."""
    async with sink_at(kind, place) as sink:
        await take_newest(sink, written.root)
        await grow(written)
        objects = sorted((written.root / "objects").rglob("*.gz"), key=lambda one: one.stat().st_mtime_ns)
        kept = {one: await asyncio.to_thread(one.read_bytes) for one in objects[-3:]}
        for one in kept:
            await asyncio.to_thread(one.write_bytes, b"nothing")
        with pytest.raises(skrutinium.SkrutiniumError):
            await take_newest(sink, written.root)
        told = await read_back(kind, place)
        assert told.pop("releases") == [(1,)]
        assert told == await fresh(written.root, 1)
        for one, data in kept.items():
            await asyncio.to_thread(one.write_bytes, data)
        assert await take_newest(sink, written.root)
    told = await read_back(kind, place)
    del told["releases"]
    assert told == await fresh(written.root)


# ------------------------------------------------------------------ killed
@contextlib.asynccontextmanager
async def newsroom(kind: str, place: str, url: str, last: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program of ``sink_process``, killed at the end when it runs still."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sdk.sink_process", kind, place, url, str(last), cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[StoreFeed]:
    """A feed of the store that a test writes."""
    started = await StoreFeed(tmp_path / "store").start()
    yield started
    await started.stop()


def there(kind: str, place: str) -> bool:
    """Whether a sink holds something to be read back yet."""
    return kind != "csv" or Path(place, "newest").is_symlink()


async def test_killed_at_any_moment(kind: str, place: str, tmp_path: Path, feed: StoreFeed) -> None:
    """Killed again and again, a newsroom's tables are always those of one whole release, and in the end each release was taken once."""
    chance = random.Random(11)
    releases = 14
    night = make_night(long_night(11, releases))
    written = await asyncio.to_thread(night.write, tmp_path / "store", 1)
    held = 0
    async with asyncio.timeout(600):
        while written.number < releases:
            async with newsroom(kind, place, feed.url, releases) as process:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"open\n"
                for _ in range(chance.randint(1, 4)):
                    if written.number < releases:
                        await asyncio.to_thread(written.add, night.releases[written.number])
                        await feed.tell()
                seen, due = held, written.number - chance.randint(0, 3)
                while seen < due:
                    seen = int(await process.stdout.readline())
                process.kill()
            told = await asyncio.to_thread(there, kind, place) and await read_back(kind, place)
            if told and (taken := told.pop("releases")):
                held = max(taken)[0]
                assert told == await fresh(written.root, held)
        async with newsroom(kind, place, feed.url, releases) as process:
            assert await process.wait() == 0
    told = await read_back(kind, place)
    numbers = sorted(number for (number,) in told.pop("releases"))
    assert numbers == list(range(numbers[0], releases + 1))
    assert told == await fresh(written.root)


async def test_cancelled_at_any_moment(kind: str, place: str, written: Written) -> None:
    """A taking that is cancelled, wherever it is, leaves one whole release, and the next one goes on from there."""
    chance = random.Random(23)
    async with asyncio.timeout(600), sink_at(kind, place) as sink, skrutinium.connect(written.root) as feed:
        for number in range(1, 6):
            release = await feed.release()
            for steps in chance.sample(range(60), 3):
                taking = asyncio.create_task(sink.take(release))
                for _ in range(steps):
                    await asyncio.sleep(0.0005)
                taking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await taking
                seen = await sink.read()
                held = seen.number if seen else 0
                assert held in (number - 1, number)
                if held:
                    told = await read_back(kind, place)
                    del told["releases"]
                    assert told == await fresh(written.root, held)
            await sink.take(release)
            if number < 5:
                await grow(written)
    told = await read_back(kind, place)
    assert told.pop("releases") == [(number,) for number in range(1, 6)]
    assert told == await fresh(written.root)


# ------------------------------------------------------------------ full
@contextlib.contextmanager
def file_size(limit: int) -> Iterator[None]:
    """No file can grow beyond ``limit`` bytes: writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["csv", "sqlite"])
async def test_full_disk(kind: str, place: str, written: Written) -> None:
    """When a file cannot be written the error says so, the tables stay, and go on when there is room again."""
    async with sink_at(kind, place) as sink:
        await take_newest(sink, written.root)
        before = await read_back(kind, place)
        for _ in range(4):
            await grow(written)
        with file_size(300), pytest.raises(SinkError, match="cannot be used"):
            await take_newest(sink, written.root)
        assert await read_back(kind, place) == before
        assert await take_newest(sink, written.root)
    told = await read_back(kind, place)
    del told["releases"]
    assert told == await fresh(written.root)


# ------------------------------------------------------------------ each kind's own
async def test_csv_keeps_files_that_did_not_change(tmp_path: Path, written: Written) -> None:
    """A table that a release does not change is the same file; two releases are kept; a crash's remains are removed."""
    place = tmp_path / "csv"
    async with sink_at("csv", str(place)) as sink:
        for number in range(1, 5):
            await take_newest(sink, written.root)
            if number < 4:
                await grow(written)
    (place / ".making").mkdir()
    (place / ".making" / "lists.csv").write_text("half")
    (place / "000000009").mkdir()
    async with sink_at("csv", str(place)):
        with pytest.raises(SinkError, match="another process"):
            async with sink_at("csv", str(place)):
                pass
    assert sorted(one.name for one in place.iterdir()) == [".lock", "000000003", "000000004", "newest"]
    assert (place / "newest").resolve().name == "000000004"
    same = [(place / one / "questions.csv").stat().st_ino for one in ("000000003", "000000004")]
    assert same[0] == same[1]


async def test_csv_is_the_same_bytes_either_way(tmp_path: Path, written: Written) -> None:
    """Step by step or at once, the files of a release are the same bytes."""
    steps, once = tmp_path / "steps", tmp_path / "once"
    async with sink_at("csv", str(steps)) as sink:
        for number in range(1, 6):
            await take_newest(sink, written.root)
            if number < 5:
                await grow(written)
    async with sink_at("csv", str(once)) as sink:
        await take_newest(sink, written.root)
    files = sorted((once / "newest").glob("*.csv"))
    assert len(files) == len(skrutinium.TABLES) + 3  # releases, documents, missing
    for file in files:
        if file.name != "releases.csv":
            assert file.read_bytes() == (steps / "newest" / file.name).read_bytes()


async def test_csv_goes_on_after_a_link_that_could_not_be_replaced(tmp_path: Path, written: Written) -> None:
    """When readers could not be led to a release, taking it again in the same process does it, and nothing is left behind."""
    place = tmp_path / "csv"
    newest = place / "newest"
    async with sink_at("csv", str(place)) as sink:
        await take_newest(sink, written.root)
        await grow(written)
        newest.unlink()
        (newest / "in the way").mkdir(parents=True)
        for _ in range(2):
            with pytest.raises(SinkError, match="cannot be used"):
                await take_newest(sink, written.root)
        (newest / "in the way").rmdir()
        newest.rmdir()
        newest.symlink_to("000000001")
        assert await take_newest(sink, written.root)
        assert not await take_newest(sink, written.root)
    told = await read_back("csv", str(place))
    assert told.pop("releases") == [(1,), (2,)]
    assert told == await fresh(written.root)
    assert sorted(one.name for one in place.iterdir()) == [".lock", "000000001", "000000002", "newest"]


async def test_csv_link_that_was_not_put_in_place_yet(tmp_path: Path, written: Written) -> None:
    """Where a link is replaced in two steps and only the first was done, opening does the second."""
    place = tmp_path / "csv"
    async with sink_at("csv", str(place)) as sink:
        await take_newest(sink, written.root)
    (place / "newest").rename(place / ".newest")
    async with sink_at("csv", str(place)) as sink:
        assert not await take_newest(sink, written.root)
    assert (place / "newest").readlink() == Path("000000001")


@pytest.mark.parametrize("kind", ["csv", "sqlite"])
async def test_foreign_place(kind: str, place: str) -> None:
    """A folder or file that holds something else is refused and left alone."""
    foreign = Path(place)
    if kind == "csv":
        foreign.mkdir()
        (foreign / "thesis.txt").write_text("mine")
    else:
        foreign.write_bytes(b"mine, and no database at all" * 100)
    with pytest.raises(SinkError):
        async with sink_at(kind, place):
            pass
    assert (foreign / "thesis.txt" if kind == "csv" else foreign).read_bytes().startswith(b"mine")


@CONNECTS
async def test_postgresql_connection_cut(server: str, written: Written) -> None:
    """A connection that is cut at any moment is made again, and the release is taken whole, once."""
    place = await database(server)
    chance = random.Random(5)
    async with (
        sink_at("postgresql", place) as sink,
        skrutinium.connect(written.root, state=sink, timing=QUICK) as feed,
    ):
        other = await asyncpg.connect(place)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'skrutinium' AND datname = current_database()"
        async with asyncio.timeout(600):
            async for release in feed.releases():
                taking = asyncio.create_task(sink.take(release))
                for _ in range(3):
                    await asyncio.sleep(chance.random() / 50)
                    await other.execute(cut)
                assert await taking
                if release.number == 5:
                    break
                await grow(written)
        await other.close()
    told = await read_back("postgresql", place)
    assert told.pop("releases") == [(number,) for number in range(1, 6)]
    assert told == await fresh(written.root)


@CONNECTS
async def test_postgresql_two_writers_serializable(server: str, written: Written) -> None:
    """Two that write the same tables under serializable isolation get in each other's way, and still each release is taken once."""
    place = await database(server)
    connection = await asyncpg.connect(place)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    await connection.close()
    for _ in range(4):
        await grow(written)
    async with (
        asyncio.timeout(600),
        sink_at("postgresql", place) as one,
        sink_at("postgresql", place) as two,
        skrutinium.connect(written.root) as feed,
    ):
        for release in [await feed.release(number) for number in range(1, 6)]:
            assert sorted(await asyncio.gather(one.take(release), two.take(release))) == [False, True]
    told = await read_back("postgresql", place)
    assert told.pop("releases") == [(number,) for number in range(1, 6)]
    assert told == await fresh(written.root)


@CONNECTS
async def test_postgresql_by_command(server: str, written: Written) -> None:
    """``export --to postgresql:`` fills the schema that is named, and says when nothing changed."""
    place = await database(server)
    for expected in (0, 3):
        code, out, err = await run(
            "export", str(written.root), "--to", place, "--schema", "skrutinium", "--json"
        )
        assert code == expected, err
        assert json.loads(out)["changed"] is (expected == 0)
    told = await read_back("postgresql", place)
    assert told.pop("releases") == [(1,)]
    assert told == await fresh(written.root)


@CONNECTS
@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ("postgresql://me:secret@127.0.0.1:1/none", "postgresql://127.0.0.1:1/none"),
        ("postgresql://me@127.0.0.1:1/none?password=secret", "postgresql://127.0.0.1:1/none"),
        ("postgresql:///none?user=me&password=secret&host=/nowhere", "postgresql:///nowhere/none"),
    ],
)
async def test_postgresql_wrong_address(wrong: str, shown: str) -> None:
    """A database that cannot be reached is a sink's error, which tells host and database and nothing of user and password."""
    nowhere: dict[str, Any] = {"pick": lambda: 0.0}
    with pytest.raises(SinkError) as error:
        async with sink_at("postgresql", wrong, **nowhere):
            pass
    told = "".join(traceback.format_exception(error.value))
    assert f"[{shown} skrutinium]" in told
    assert "secret" not in told
    assert "me@" not in told


@pytest.mark.parametrize(
    "wrong",
    [
        "host=127.0.0.1 dbname=none password=secret",
        "postgresql:host=127.0.0.1 password=secret",
        "postgresql://me:top/secret@127.0.0.1/none",
        "postgresql://me:12/secret@127.0.0.1/none",
        "postgresql://me:top@secret@127.0.0.1/none",
        "postgresql://me:12?top=secret@127.0.0.1/none",
        "postgresql://me:12#secret@127.0.0.1/none",
        "postgresql://[me:secret@127.0.0.1/none",
    ],
)
def test_postgresql_address_of_another_form(wrong: str) -> None:
    """What could be read in two ways is refused before a driver sees it, and nothing of it is repeated."""
    with pytest.raises(ValueError, match="expected postgresql://USER@HOST/DATABASE") as error:
        PostgresSink(wrong)
    assert "secret" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    "wrong", ["host=127.0.0.1 dbname=none password=secret", "postgresql://me:top@secret@127.0.0.1/none"]
)
async def test_export_repeats_no_password(wrong: str, tmp_path: Path) -> None:
    """Nothing of an address that is not understood is repeated by the command."""
    code, out, err = await run("export", str(tmp_path), "--to", wrong)
    assert (code, out) == (23, "")
    assert "expected" in err
    assert "secret" not in err


@CONNECTS
async def test_postgresql_password_is_used(server: str) -> None:
    """A password in the address, written with %40, is the one that the database gets; a wrong one is not repeated."""
    place = await database(server)
    connection = await asyncpg.connect(place)
    name, hba = await connection.fetchrow("SELECT current_database(), current_setting('hba_file')")
    role = f"desk_{name}"
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p@ss/1'")
    await connection.execute(f"GRANT CREATE ON DATABASE {name} TO {role}")
    rules = await asyncio.to_thread(Path(hba).read_text)
    await asyncio.to_thread(Path(hba).write_text, f"local {name} {role} scram-sha-256\n{rules}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    for address_ in (
        f"postgresql://{role}:p%40ss%2F1@/{name}?host={server}",
        f"postgresql:///{name}?user={role}&password=p%40ss%2F1&host={server}",
    ):
        async with sink_at("postgresql", address_) as sink:
            assert await sink.read() is None
    wrong = secrets.token_hex(8)
    with pytest.raises(SinkError, match="password authentication failed") as error:
        async with sink_at("postgresql", f"postgresql://{role}:{wrong}@/{name}?host={server}"):
            pass
    assert wrong not in "".join(traceback.format_exception(error.value))


@CONNECTS
async def test_postgresql_schema_that_was_given(server: str, written: Written) -> None:
    """A role that owns an empty schema and may not make any fills that one."""
    place = await database(server)
    connection = await asyncpg.connect(place)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"CREATE ROLE owner_{name} LOGIN")
    await connection.execute(f"CREATE SCHEMA skrutinium AUTHORIZATION owner_{name}")
    await connection.close()
    async with sink_at("postgresql", f"postgresql://owner_{name}@/{name}?host={server}") as sink:
        assert await take_newest(sink, written.root)
    told = await read_back("postgresql", place)
    del told["releases"]
    assert told == await fresh(written.root)


@CONNECTS
async def test_postgresql_names_need_no_quotes(server: str, written: Written) -> None:
    """With the schema before it, each table can be named in SQL as the page says, and each of its columns."""
    place = await database(server)
    async with sink_at("postgresql", place) as sink:
        await take_newest(sink, written.root)
    connection = await asyncpg.connect(place)
    for table in (*skrutinium.TABLES.values(), RELEASES, DOCUMENTS, MISSING):
        columns = ", ".join(f"t.{name}" for name in table.names)
        rows = await connection.fetch(f"SELECT {columns} FROM skrutinium.{table.name} AS t")
        assert len(rows) == await connection.fetchval(f"SELECT count(*) FROM skrutinium.{table.name}")
    await connection.close()
