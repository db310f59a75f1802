"""``skrutinium export`` and ``skrutinium diff`` as another program sees them."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.mails import Box, mail
from tests.sdk.registers_builder import make_registers
from tests.sdk.sinks_at_work import fresh, read_back
from tests.sdk.store_builder import Written, fingerprint, make_night
from tests.sdk.test_commands import run, started


@pytest.fixture
async def written(tmp_path: Path) -> Written:
    return await asyncio.to_thread(make_night().write, tmp_path / "store", 3)


@pytest.fixture
async def feed(written: Written) -> AsyncIterator[StoreFeed]:
    """A feed of the store."""
    started = await StoreFeed(written.root).start()
    yield started
    await started.stop()


@pytest.mark.parametrize("kind", ["csv", "sqlite"])
async def test_export_again_and_again(kind: str, tmp_path: Path, written: Written, feed: StoreFeed) -> None:
    """Exit code 0 when something changed, 3 when nothing did; the tables are those of the newest release."""
    place = tmp_path / "tables"
    call = ("export", feed.url, "--to", f"{kind}:{place}", "--fingerprint", fingerprint(written.night.key))
    first, again = await run(*call), await run(*call)
    assert (first[0], again[0], first[2]) == (0, 3, "")
    assert "is now at release 3, 3 of 6 protocols" in first[1]
    assert "is already at release 3" in again[1]
    for release in written.night.releases[3:]:
        await asyncio.to_thread(written.add, release)
    code, out, err = await run(*call, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["changed"], told["release"], told["phase"], told["reported"]) == (True, 5, "rehearsal", 6)
    tables = await read_back(kind, str(place))
    assert tables.pop("releases") == [(3,), (5,)]
    assert tables == await fresh(written.root)


async def test_export_follows(tmp_path: Path, written: Written, feed: StoreFeed) -> None:
    """With --follow each release is taken as it comes, until Ctrl-C."""
    place = str(tmp_path / "night.sqlite")
    process = await started("export", feed.url, "--to", f"sqlite:{place}", "--follow", "--json")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["release"] == 3
        for number in (4, 5):
            await asyncio.to_thread(written.add, written.night.releases[number - 1])
            await feed.tell()
            assert json.loads(await process.stdout.readline())["release"] == number
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 130
    tables = await read_back("sqlite", place)
    assert tables.pop("releases") == [(3,), (4,), (5,)]
    assert tables == await fresh(written.root)


async def test_export_of_some_kinds(tmp_path: Path, written: Written) -> None:
    """A kind of contest stands for its contests and the precincts that vote in them; another choice later is refused with both."""
    await asyncio.to_thread(make_registers().write, written)
    place = str(tmp_path / "night.sqlite")
    call = ("export", str(written.root), "--to", f"sqlite:{place}")
    assert (await run(*call, "--kinds", "ward-council"))[0] == 0
    tables = await read_back("sqlite", place)
    del tables["releases"]
    assert tables == await fresh(written.root, kinds=["ward-council"])
    assert {row[0] for row in tables["contests"]} == {"201", "202"}
    code, _, err = await run(*call, "--kinds", "municipal-council")
    assert code == 27
    assert "holds kinds ward-council, and kinds municipal-council is wanted" in err


async def test_export_by_mail_says_why_not(tmp_path: Path, written: Written) -> None:
    """A part of the country cannot be exported from mail alone, and the message says why and what to do; everything can."""
    box = Box(tmp_path / "mail")
    box.deliver(mail(written.root, [2, 3]))
    call = ("export", box.place, "--fingerprint", fingerprint(written.night.key), "--to")
    code, out, err = await run(*call, f"sqlite:{tmp_path / 'some.sqlite'}", "--contests", "100")
    assert (code, out) == (12, "")
    assert (
        "it takes the registers to know which documents areas, contests and kinds of contest are in, and mails bring no registers"
        in err
    )
    assert "read them from the feed first, or ask for everything" in err
    code, out, _ = await run(*call, f"sqlite:{tmp_path / 'all.sqlite'}")
    assert code == 0
    assert "is now at release 3, 3 of 6 protocols, without what no mail brought" in out
    code, out, _ = await run(
        "export", str(written.root), "--to", f"sqlite:{tmp_path / 'all.sqlite'}", "--json"
    )
    assert (code, json.loads(out)["missing"]) == (0, 0)
    tables = await read_back("sqlite", str(tmp_path / "all.sqlite"))
    del tables["releases"]
    assert tables == await fresh(written.root)


async def test_export_by_mail_fills_what_comes_later(tmp_path: Path, written: Written) -> None:
    """While no later release comes, --follow looks again for what no mail brought, and says when it is there."""
    place, box = str(tmp_path / "night.sqlite"), Box(tmp_path / "mail")
    box.deliver(mail(written.root, [1, 2, 3]))
    process = await started("export", box.place, "--to", f"sqlite:{place}", "--follow", "--json")
    assert process.stdout is not None
    async with asyncio.timeout(120):
        told = json.loads(await process.stdout.readline())
        assert told["release"] == 3
        assert told["missing"] > 0
        box.deliver(mail(written.root, [1, 2, 3], agreed=("",)))
        while told["missing"]:
            told = json.loads(await process.stdout.readline())
        assert told["release"] == 3
        process.send_signal(signal.SIGINT)
        await process.communicate()
    tables = await read_back("sqlite", place)
    assert tables.pop("releases") == [(3,)]
    assert tables == await fresh(written.root)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--to", "excel:x"), 23, "expected csv:DIR, sqlite:FILE or postgresql:"),
        (("--to", "sqlite:"), 23, "expected csv:DIR"),
        (("--to", "csv:TMP/x", "--tables", "votes"), 23, "there is no table votes, but: event,"),
        (("--to", "csv:TMP/store"), 27, "holds something else, such as event"),
        (("--to", "postgresql://127.0.0.1:1/x", "--schema", "No"), 23, "schema 'No'"),
        (("--to", "csv:TMP/x", "--phase", "live"), 21, "only live was asked for"),
    ],
)
async def test_export_refuses(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path, written: Written
) -> None:
    """What is said wrongly ends with its class's exit code and words that help."""
    told = [one.replace("TMP", str(tmp_path)) for one in arguments]
    ended, out, err = await run("export", str(written.root), *told)
    assert (ended, out) == (code, "")
    assert words in err


async def test_export_never_goes_back(tmp_path: Path, written: Written) -> None:
    """A source that is older than the tables is a rollback, and one with another past a broken chain."""
    place = f"sqlite:{tmp_path / 'night.sqlite'}"
    assert (await run("export", str(written.root), "--to", place))[0] == 0
    night = written.night
    older = await asyncio.to_thread(night.write, tmp_path / "older", 2)
    assert (await run("export", str(older.root), "--to", place))[0] == 19
    night.change(2, "event.xml", 'name="Committee 7" votes="90"', 'name="Committee 7" votes="91"')
    other = await asyncio.to_thread(night.write, tmp_path / "other", 4)
    assert (await run("export", str(other.root), "--to", place))[0] == 18


async def test_diff(tmp_path: Path, written: Written, feed: StoreFeed) -> None:
    """What differs is told in lines and as JSON, with exit code 1; nothing with 0; by number, as the newest, or of two places."""
    code, out, _ = await run("diff", feed.url, "2", "newest", "--tables", "lists,corrections")
    assert code == 1
    assert "lists contest 100, district 100.1, number 1: votes 80 → 79" in out
    assert "correction: precinct 100-1, contest 100, entry 7 for 3: source-resend (source)" in out
    code, out, _ = await run("diff", str(written.root), "2", "3", "--json")
    told = json.loads(out)
    assert code == 1
    assert (told["from"]["release"], told["to"]["release"], len(told["corrections"])) == (2, 3, 1)
    assert {
        "table": "lists",
        "key": {"contest": "100", "district": "100.1", "number": 1},
        "field": "votes",
        "old": 80,
        "new": 79,
    } in told["changes"]
    assert (await run("diff", feed.url, "3", "newest"))[0] == 0
    assert (await run("diff", feed.url, str(written.root)))[0] == 0
    older = await asyncio.to_thread(written.night.write, tmp_path / "older", 2)
    assert (await run("diff", str(older.root), feed.url))[0] == 1


@pytest.mark.parametrize(
    ("arguments", "code"), [(("1", "99"), 12), (("0", "1"), 23), (("1", "2", "--tables", "votes"), 23)]
)
async def test_diff_refuses(arguments: tuple[str, ...], code: int, written: Written) -> None:
    """A release or table that there is not ends with its class's exit code."""
    ended, out, _ = await run("diff", str(written.root), *arguments)
    assert (ended, out) == (code, "")


async def test_diff_of_mail_says_what_mail_brings(tmp_path: Path, written: Written) -> None:
    """Crisis mail as a place, the first or the second, is refused with what it brings and what can be done instead."""
    place = f"maildir:{tmp_path}"
    for arguments in ((place, "1", "2"), (str(written.root), place)):
        code, out, err = await run("diff", *arguments)
        assert (code, out) == (25, "")
        assert "crisis mail: it brings agreed documents of some releases" in err
        assert "skrutinium mail PLACE --save DIR" in err
