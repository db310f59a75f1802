"""The command line as another program sees it: output, exit codes, a clean end."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.store_builder import fingerprint, make_night


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from skrutinium.commands import main; main()",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: str) -> tuple[int | None, str, str]:
    process = await started(*arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_verify_agrees(tmp_path: Path) -> None:
    """Agreement is said in words, with exit code 0."""
    night = make_night()
    night.write(tmp_path)

    code, out, err = await run("verify", str(tmp_path), "--fingerprint", fingerprint(night.key))

    assert (code, err) == (0, "")
    assert "AGREEMENT" in out


async def test_verify_differs(tmp_path: Path) -> None:
    """Differences are named, for people and as JSON, with exit code 1."""
    night = make_night()
    night.change(2, "event.xml", 'name="Committee 7" votes="90"', 'name="Committee 7" votes="91"')
    night.write(tmp_path)

    code, out, _ = await run("verify", str(tmp_path))
    json_code, json_out, _ = await run("verify", str(tmp_path), "--json")

    assert (code, json_code) == (1, 1)
    assert "release 2, event.xml: municipal-council: votes of committee 7: published 91, recomputed 90" in out
    assert json.loads(json_out)["differences"][0]["code"] == "total"


async def test_exit_code_by_class(tmp_path: Path) -> None:
    """An error ends with the exit code of its class and one line that says what was wrong."""
    code, out, err = await run("verify", str(tmp_path / "nothing"))

    assert (code, out) == (25, "")
    assert err.count("\n") == 1
    assert "[no-such-place]" in err


async def test_watch_in_a_pipe(tmp_path: Path) -> None:
    """In a pipe there is one plain line a release; ``--until-complete`` ends with 0."""
    await asyncio.to_thread(make_night().write, tmp_path)
    feed = await StoreFeed(tmp_path).start()

    code, out, _ = await run("watch", feed.url, "--until-complete")
    await feed.stop()

    assert code == 0
    assert out.count("\n") == 1
    assert "[REHEARSAL · MADE UP] Made-up election, release 5 (complete): 6 of 6 protocols" in out
    assert "\x1b" not in out


async def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and without a traceback."""
    await asyncio.to_thread(make_night().write, tmp_path, 2)
    feed = await StoreFeed(tmp_path).start()
    process = await started("watch", feed.url)
    assert process.stdout is not None
    async with asyncio.timeout(20):
        await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    await feed.stop()

    assert process.returncode == 130
    assert b"Traceback" not in err


async def test_watch_for_programs(tmp_path: Path) -> None:
    """``--json`` prints one object a line for each release, with exact shares and no floats."""
    await asyncio.to_thread(make_night().write, tmp_path)
    feed = await StoreFeed(tmp_path).start()

    code, out, _ = await run("watch", feed.url, "--once", "--json")
    await feed.stop()

    told = json.loads(out, parse_float=lambda text: pytest.fail(f"a float: {text}"))
    assert code == 0
    assert (told["release"], told["phase"], told["reported"]) == (5, "rehearsal", 6)
    council = next(one for one in told["kinds"] if one["id"] == "municipal-council")
    assert council["turnout"] == {"exact": "3/5", "percent": "60.00"}
