"""Scenarios in which figures change: a newsroom that uses the SDK learns of each change, with its reason, in the release that brings it."""

import pytest

from skrutinium import Change
from tests.rehearsal.scenarios.scene import Scenes

pytestmark = pytest.mark.asyncio(loop_scope="module")


def fell(change: Change) -> bool:
    """Whether a figure went down."""
    return change.old is not None and change.new is not None and change.new < change.old


async def test_correction(scenes: Scenes) -> None:
    """A corrected protocol comes once, with reason, authority and every figure that changed; what is shown adds up to it."""
    async with scenes("correction") as scene, scene.reader() as reader:
        await scene.play(reader)
        (act,) = await scene.acts("correct")
        ((release, corrections),) = await reader.corrections()
        assert release.number == act.release
        (correction,) = corrections.corrections
        assert (correction.reason, correction.authority) == ("recount", "Made-up commission")
        assert [(one.field, fell(one)) for one in correction.changes if one.field] == [("valid-votes", True)]
        before, after = (await reader.got[release.number - 2].event(), await release.event())
        assert after.kinds[0].count.figures["valid-votes"] < before.kinds[0].count.figures["valid-votes"]
        assert reader.has_every_release()
        told = await scene.shown(reader, release)
        assert f"{correction.precinct} {correction.contest} recount by Made-up commission" in told
        assert f"corrections in release {release.number} : 1" in told
        await scene.agrees(reader.got[-1])


async def test_recount(scenes: Scenes) -> None:
    """All precincts of a contest that is counted again are corrected in one release; only what rests on them changed."""
    async with scenes("recount") as scene, scene.reader() as reader:
        await scene.play(reader)
        ((release, corrections),) = await reader.corrections()
        (contest,) = {one.contest for one in corrections.corrections}
        again = {one.precinct for one in corrections.corrections}
        results = await release.contest(contest)
        assert len(again) == sum(one.count.reported for one in results.districts) > 1
        assert {one.reason for one in corrections.corrections} == {"recount"}
        assert release.changed_ids("contest") == (contest,)
        assert set(release.changed_ids("precinct")) == again
        told = await scene.shown(reader, release)
        assert told == f"{results.name} counted again in {len(again)} precincts"
        await scene.agrees(reader.got[-1])


async def test_precinct_lowered(scenes: Scenes) -> None:
    """A precinct that loses half of its votes takes totals down with it, and every figure that went down is named."""
    async with scenes("precinct-lowered") as scene, scene.reader() as reader:
        await scene.play(reader)
        ((release, corrections),) = await reader.corrections()
        (correction,) = corrections.corrections
        assert correction.reason == "commission-mistake"
        told = {one.field: one for one in correction.changes}
        assert fell(told["issued"])
        assert fell(told["valid-votes"])
        difference = await release.changes(reader.got[release.number - 2])
        assert difference.corrections == (correction,)
        (total,) = (one for one in difference.changes if one.table == "kinds" and one.field == "votes")
        fewer = told["valid-votes"]
        assert fewer.old is not None
        assert fewer.new is not None
        assert isinstance(total.old, int)
        assert total.new == total.old - (fewer.old - fewer.new)
        assert "figures went down; 1 corrections say why" in await scene.shown(reader, release)
        await scene.agrees(reader.got[-1])


async def test_late_precinct(scenes: Scenes) -> None:
    """While one precinct is out the event is not complete, and an incident tells why; when it comes it is complete at once."""
    async with scenes("late-precinct") as scene, scene.reader() as reader:
        open_incidents = []

        async def look(step: object) -> None:
            open_incidents.append([one.text for one in (await reader.feed.notices()).open])

        await scene.play(reader, after=look)
        late = (await scene.acts("bring_late"))[0].release
        assert late is not None
        before, after = reader.got[late - 2], reader.got[late - 1]
        assert (before.expected - before.reported, after.expected - after.reported) == (1, 0)
        event = await before.event()
        assert event.kinds[0].decided < event.kinds[0].contests
        assert (await after.event()).kinds[0].decided == event.kinds[0].contests
        assert [len(one) for one in open_incidents] == [0, 1, 1, 0]
        assert scene.waited == [60, 5]
        assert "15 of 16 protocols, interim\nstill out in" in await scene.shown(reader, before)
        await scene.agrees(reader.got[-1])


async def test_codebook_change(scenes: Scenes) -> None:
    """Results keep to the codebooks that they name; the newer ones count for the run that names them, and the change is told."""
    async with scenes("codebook-change") as scene, scene.reader() as reader:
        await scene.play(reader)
        first, last = reader.got[0], reader.got[-1]
        held = (await first.book()).definition
        assert {one.manifest.codebook for one in reader.got} == {held}
        assert await last.book() is await first.book()
        assert f"goes with version {held} = {held}" in await scene.shown(reader, last)
        old = await last.book()
        await scene.stage.close_run()
        await scene.stage.open("with-the-newer")
        async with scene.reader() as later:
            new = await later.got[0].book()
            assert new.definition == held + 1
            (change,) = await new.changes(old)
        assert (change.register, change.fields) == ("candidates", ("given_name",))


async def test_early_final(scenes: Scenes) -> None:
    """Results that are declared final stay so while a protocol is corrected afterwards; the release says both."""
    async with scenes("early-final") as scene, scene.reader() as reader:
        await scene.play(reader)
        ((release, corrections),) = await reader.corrections()
        assert [one.reason for one in corrections.corrections] == ["entry-mistake"]
        before = reader.got[release.number - 2]
        assert (before.state, release.state) == ("final", "final")
        assert reader.got[before.number - 2].state == "complete"
        assert f"release {release.number} is final and corrects 1 protocols" in await scene.shown(
            reader, release
        )
        assert scene.waited == [60]
        await scene.agrees(release)


async def test_court_order(scenes: Scenes) -> None:
    """A change that a court orders weeks after the night reaches who still follows, and who joins again from where he was."""
    async with scenes("court-order") as scene, scene.reader() as reader:
        await scene.play(reader)
        ((release, corrections),) = await reader.corrections()
        assert [(one.reason, one.authority) for one in corrections.corrections] == [
            ("court-order", "Made-up court")
        ]
        night = next(one for one in reader.got if one.state == "final")
        assert (release.time - night.time).days == 21
        assert reader.has_every_release()
        state = await reader.feed.state()
        assert not next(one for one in state.runs if one.id == reader.feed.run.id).open
        told = await scene.shown(reader, release)
        assert told == f"the run is closed - newest release {release.number} of {release.time:%Y-%m-%d}"
        await scene.agrees(release)
