"""Scenarios in which something goes wrong on the way: a newsroom that uses the SDK is given nothing wrong, and in the end every release."""

import asyncio
import datetime
import os
from pathlib import Path

import pytest

from skrutinium import RollbackError, SignatureError
from skrutinium.examining.doctor import examine
from skrutinium.examining.examination import Patience as Limits
from skrutinium.examining.finding import Asked, Machine
from skrutinium.testing.faults import Answer, Pass, Request
from skrutinium_server.rehearsal.scenarios import Step
from tests.rehearsal.scenarios.scene import Scenes
from tests.sdk.several import QUICK

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_feed_down(scenes: Scenes) -> None:
    """While the feed is away the reader says so and waits; when it is back it is given every release it missed, in order."""
    async with scenes("feed-down") as scene, scene.reader() as reader:
        had: dict[str, int] = {}

        async def look(step: Step) -> None:
            if step.do == "outage":
                await reader.until_true(lambda: reader.trouble is not None)
                told = await scene.shown(reader, reader.got[-1])
                assert told.startswith("trouble: ")
                assert "trouble: None" not in told
                had["before"] = reader.numbers[-1]
            else:
                had["released"] = scene.stage.release

        await scene.play(reader, after=look)
        assert had["released"] > had["before"] + 1
        assert reader.has_every_release()
        assert reader.trouble is None
        await scene.agrees(reader.got[-1])


async def test_second_site_only(scenes: Scenes) -> None:
    """A second site that signed notices name takes over at once: while the first is away every release comes from there."""
    async with scenes("second-site-only") as scene, scene.reader(follow_second_site=True) as reader:
        away: list[int] = []

        async def look(step: Step) -> None:
            if step.do == "second_site":
                await reader.until_true(lambda: len(reader.feed.health.sources) == 2)
            away.append(scene.stage.release)

        await scene.play(reader, after=look, always=True)
        _, begun, over = away
        came = [one.source for one in reader.got if begun < one.number <= over]
        assert len(came) > 1
        assert set(came) == {scene.stage.second.url}
        last = next(one for one in reader.got if one.number == over)
        told = await scene.shown(reader, last)
        assert f"second site: {scene.stage.second.url}" in told
        assert f"release {over} came from {scene.stage.second.url}" in told
        assert reader.has_every_release()
        await scene.agrees(reader.got[-1])


async def test_stale_cache(scenes: Scenes) -> None:
    """What a cache shows again is not given again; who has a second source misses nothing, who has none waits."""
    async with scenes("stale-cache") as scene:
        other = await scene.stage.second_site(told=False)
        async with scene.reader() as alone, scene.reader(others=[other]) as reader:
            shown: list[int] = []

            async def look(step: Step) -> None:
                shown.append(scene.stage.release)
                if step.do == "stale":
                    newer = await scene.stage.cut()
                    await reader.until(newer)
                    assert alone.numbers[-1] < newer

            await scene.play(reader, after=look, always=True)
            await alone.until(scene.stage.release)
            assert alone.has_every_release()
            assert reader.has_every_release()
            held, back = shown
            meanwhile = [one.source for one in reader.got if held < one.number <= back]
            assert len(meanwhile) > 1
            assert set(meanwhile) == {other}
            await scene.agrees(alone.got[-1])


async def test_state_file_refuses_what_is_older(scenes: Scenes, tmp_path: Path) -> None:
    """A program that starts again while a cache shows older releases than it has done is told so, and does not go back."""
    async with scenes("stale-cache") as scene:
        await scene.stage.stale()
        await scene.stage.ask(do="take", records=[], now=scene.night[0].at.isoformat(), speed=0)
        number = await scene.stage.cut()
        state = tmp_path / "state.json"
        other = await scene.stage.second_site(told=False)
        async with scene.reader(others=[other], state=state) as reader:
            await reader.until(number)
        with pytest.raises(RollbackError):
            async with scene.reader(state=state):
                pass


async def test_limit(scenes: Scenes) -> None:
    """A reader that is told to come back later asks for nothing before, and then goes on where it was."""
    async with scenes("limit") as scene, scene.reader(timing=QUICK) as reader:
        loop = asyncio.get_running_loop()
        asked: list[float] = []

        async def count(request: Request, pass_on: Pass) -> Answer:
            asked.append(loop.time())
            return await pass_on(request)

        async def look(step: Step) -> None:
            if step.do == "refuse":
                await scene.stage.front.begin(count)
                await reader.until_true(lambda: bool(asked) and asked[-1] - asked[0] >= 1)

        await scene.play(reader, after=look)
        # Without heeding it there would be more than twenty heartbeats a second.
        assert len(asked) <= 6 * (asked[-1] - asked[0] + 1)
        assert reader.has_every_release()
        await scene.agrees(reader.got[-1])


async def test_slow_line(scenes: Scenes) -> None:
    """On a slow line every release comes, later; who asks for less than everything gets less."""
    async with scenes("slow-line") as scene:
        sizes: dict[bool, int] = {True: 0, False: 0}

        async def count(request: Request, pass_on: Pass) -> Answer:
            answer = await pass_on(request)
            if "/changes?" in request.target and answer.size:
                sizes["only=" in request.target] += answer.size
            return answer

        async with scene.reader() as reader, scene.reader(only=["summary.xml"]) as less:

            async def look(step: Step) -> None:
                if step.do == "slow":
                    await scene.stage.front.begin(count)

            await scene.play(reader, less, after=look, always=True)
            assert reader.has_every_release()
            assert less.has_every_release()
            assert 0 < sizes[True] * 2 < sizes[False]
            await scene.agrees(reader.got[-1])
            await scene.agrees(less.got[-1])


async def test_truncated_file(scenes: Scenes) -> None:
    """A document that was cut off is noticed and asked for again; nothing of it is given."""
    async with scenes("truncated-file") as scene, scene.reader() as reader:
        troubles: list[str | None] = []

        async def look(step: Step) -> None:
            if step.do == "truncate":
                before = reader.numbers[-1]
                await reader.until_true(lambda: reader.trouble is not None)
                troubles.append(reader.trouble)
                assert reader.numbers[-1] == before

        await scene.play(reader, after=look)
        assert troubles[0]
        assert reader.has_every_release()
        assert reader.trouble is None
        await scene.agrees(reader.got[-1])


async def test_wrong_signature(scenes: Scenes, tmp_path: Path) -> None:
    """What somebody else signed ends following with an error; with a second source it goes on; later it continues where it was."""
    state = tmp_path / "state.json"
    async with scenes("wrong-signature") as scene:
        other = await scene.stage.second_site(told=False)
        async with scene.reader(state=state) as alone, scene.reader(others=[other]) as reader:
            ended: list[BaseException | None] = []

            async def look(step: Step) -> None:
                if step.do == "wrong_signature":
                    ended.append(await alone.ended())

            await scene.play(reader, after=look, always=True)
            (error,) = ended
            assert isinstance(error, SignatureError)
            assert alone.has_every_release()
            assert reader.has_every_release()
            assert other in {one.source for one in reader.got}
        async with scene.again(state=state) as again:
            await again.until(scene.stage.release)
            assert again.has_every_release(alone.numbers[-1] + 1)
            await scene.agrees(again.got[-1])


async def test_clock_skew(scenes: Scenes) -> None:
    """A reader goes by the numbers of releases, so a wrong clock of the feed changes nothing; the doctor names it."""
    async with scenes("clock-skew") as scene, scene.reader() as reader:
        verdicts: dict[str, str] = {}

        async def look(step: Step) -> None:
            if step.do == "skew":
                asked = Asked(scene.stage.url, fingerprint=scene.stage.fingerprint)
                machine = Machine(lambda: datetime.datetime.now(datetime.UTC), os.environ)
                for one in await examine(asked, machine, patience=Limits(answer=30)):
                    verdicts[one.check] = f"{one.verdict}: {one.seen}"

        await scene.play(reader, after=look, always=True)
        assert verdicts["clock"].startswith("bad: ")
        assert verdicts["clock"].endswith("ahead of the server")
        assert verdicts["heartbeat"].startswith("warn: ")
        assert verdicts["newest release"].startswith("ok: ")
        told = await scene.shown(reader, reader.got[-1])
        assert f"newest is what has the highest number: {reader.numbers[-1]}" in told
        assert reader.has_every_release()
        await scene.agrees(reader.got[-1])


async def test_crisis_mail(scenes: Scenes) -> None:
    """While the feed is away the reader takes releases from the mail, then again from the feed, each once."""
    async with scenes("crisis-mail") as scene:
        box = scene.stage.mailboxes["newsroom"]
        async with scene.reader(others=[f"maildir:{box}"]) as reader:
            had: dict[str, int] = {}

            async def look(step: Step) -> None:
                if step.do == "mail_begin":
                    await scene.agrees(await reader.until(scene.stage.release))  # while there is no feed
                had[step.do] = reader.numbers[-1]

            await scene.play(reader, after=look)
            away = [one.source for one in reader.got if had["outage"] < one.number <= had["mail_begin"]]
            assert len(away) > 1
            assert set(away) == {f"maildir:{box}"}
            assert reader.has_every_release()
            await scene.agrees(reader.got[-1])
            assert scene.waited == [20]
