"""docs/continuity.md on a night in progress: every command of the page is carried out as it stands there."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from skrutinium_server.crisis.reporting import crisis_status
from tests.continuity.duty import Duty, free_port, sections, served, steps
from tests.continuity.night import (
    HALF,
    PROTOCOLS,
    begin,
    bring,
    counted,
    newest,
    on_duty,
    reading,
    site_of,
    until,
)
from tests.crisis.night import listed, recipients, write_list
from tests.crisis.relay import Relay, relay
from tests.soak.test_disk import fill, small_disk

pytestmark = [pytest.mark.blocking("works in a terminal, as people do"), pytest.mark.timeout(600)]
WHOLE = "WHOLE"


def test_every_section_is_tried() -> None:
    """A section that tells what to do has a test here, and is in the table of what one sees."""
    tried = {
        "Before the night": test_before_the_night,
        "The disk is full": test_the_disk_is_full,
        "The disk is dead": test_the_disk_is_dead,
        "The machine is dead": test_the_machine_is_dead,
        "The line is down": test_the_line_is_down,
        "The power was off": test_the_power_was_off,
        "The mail relay is dead": test_the_mail_relay_is_dead,
        "A person is missing": test_a_person_is_missing,
    }
    assert sections() == list(tried)


def test_before_the_night(tmp_path: Path) -> None:
    """The backup is served as the second site with the same key; readers are told; preflight says what lacks."""
    backup, second, told, preflight = steps("Before the night")
    with on_duty(tmp_path) as duty:
        begin(duty)
        duty.do(backup)
        duty.do(second)
        duty.do(told)
        place = f"http://127.0.0.1:{duty.second}"
        watch = ["skrutinium", "watch", place, "--once", "--json", "--fingerprint", duty.words["FINGERPRINT"]]
        assert json.loads(duty.one(watch))["release"] == newest(tmp_path / "site")
        said = duty.do(
            preflight, code=1
        )  # nobody is a person of this site yet, which is a no-go for a live run
        assert "person" in said


def test_the_disk_is_full(tmp_path: Path) -> None:
    """A full disk refuses loudly; with room again the rest comes in, and nothing that was acknowledged is lost."""
    look, again = steps("The disk is full")
    with small_disk(tmp_path / "disk", 48) as disk, on_duty(disk) as duty:
        begin(duty)
        before = newest(disk / "site")
        filler = fill(disk)
        refused = served(again_words(duty, again[0]), code=1)
        assert "full" in refused or "No space" in refused
        said = duty.do(look[:1], code=1)
        assert "MB left" in said
        duty.do(look[1:])
        assert newest(disk / "site") == before
        filler.unlink()
        assert WHOLE in duty.do(again)
        assert newest(disk / "site") > before
        assert counted(duty) == len(PROTOCOLS)
        duty.stop("serve")


def again_words(duty: Duty, command: str) -> list[str]:
    """The arguments of a command of the page."""
    return duty.line(command)[1:]


def test_the_disk_is_dead(tmp_path: Path) -> None:
    """With a backup as new as what readers saw the run goes on without a gap; with an older one it goes on in a new run."""
    restore, compare, goes_on, new_run = steps("The disk is dead")
    with on_duty(tmp_path) as duty:
        begin(duty)
        served(["site", "backup", duty.words["SITE"], duty.words["BACKUP"]])
        seen = newest(tmp_path / "site")
        with reading(duty) as reader:
            reader.until(seen)
            reader.end()
            duty.kill("serve")
            shutil.rmtree(tmp_path / "site")
            said = duty.do(restore)
            assert f"Run night, series skrutinium: newest release {seen}." in said
            duty.begin("feed", ["feed", duty.words["BACKUP"], "--port", str(duty.second)])
            duty.do(compare)
            duty.stop("feed")
            assert WHOLE in duty.do(goes_on)
            reader.begin()
            reader.until(newest(tmp_path / "site"))
            assert counted(duty) == len(PROTOCOLS)
        assert newest(tmp_path / "site") > seen
        duty.kill("serve")
        shutil.rmtree(tmp_path / "site")
        duty.do(restore)  # the backup is older now than what the reader has
        duty.do(new_run)
        assert counted(duty, "night-2") == len(PROTOCOLS)
        place = f"http://127.0.0.1:{duty.port}"
        watch = [
            "skrutinium",
            "watch",
            place,
            "--json",
            "--until-complete",
            "--fingerprint",
            duty.words["FINGERPRINT"],
        ]
        assert json.loads(duty.one(watch).splitlines()[-1])["run"] == "night-2"
        duty.stop("serve")


def test_the_machine_is_dead(tmp_path: Path) -> None:
    """A second machine goes on from the backup under the same fingerprint without a gap; the old one finds no site to serve."""
    retire, restore, start, more = steps("The machine is dead")
    with on_duty(tmp_path) as duty:
        begin(duty)
        served(["site", "backup", duty.words["SITE"], duty.words["BACKUP"]])
        with reading(duty) as reader:
            reader.until(newest(tmp_path / "site"))
            reader.end()
            duty.kill("serve")
            duty.do(retire)
            assert "is no site" in served(["serve", duty.words["SITE"], "--port", "0"], code=1)
            duty.words["SITE"] = str(tmp_path / "second-machine")
            duty.do(restore, code=1)
            duty.do(start)
            reader.begin()
            duty.do(more)
            reader.until(newest(tmp_path / "second-machine"))
            assert counted(duty) == len(PROTOCOLS)
        site = tmp_path / "second-machine"
        assert (site / "keys" / "signing.pem").read_bytes() == (
            tmp_path / "site.retired" / "keys" / "signing.pem"
        ).read_bytes()
        duty.stop("serve")


async def test_the_line_is_down(tmp_path: Path) -> None:
    """The second site serves what the backup brings, mail goes out beside it, and ends when the line is back."""
    second, mail, back = steps("The line is down")
    async with relay() as taking:
        duty = on_duty(tmp_path)
        duty.words["WHERE"] = duty.words["BACKUP"]
        with duty:
            await asyncio.to_thread(begin, duty)
            people(duty)
            site = tmp_path / "site"
            write_list(site / "recipients.toml", listed(taking.port, recipients(2))).chmod(0o600)
            await asyncio.to_thread(duty.do, second)
            await asyncio.to_thread(duty.do, mail, 0, PASSPHRASE)
            await taking.until(2)
            await asyncio.to_thread(bring, duty, HALF, len(PROTOCOLS))
            await asyncio.to_thread(duty.do, second[:1])
            place = f"http://127.0.0.1:{duty.second}"
            watch = ["skrutinium", "watch", place, "--json", "--until-complete", "--once"]
            shown = await asyncio.to_thread(duty.one, [*watch, "--fingerprint", duty.words["FINGERPRINT"]])
            assert json.loads(shown)["release"] == newest(site)
            await asyncio.to_thread(duty.do, back, 0, PASSPHRASE)
            await asyncio.to_thread(until, lambda: ends(taking) == 2)
            await asyncio.to_thread(duty.stop, "crisis run")


def ends(taking: Relay) -> int:
    """How many recipients were told that the feed is back."""
    return [str(one["Skrutinium-Kind"]) for one in taking.messages()].count("end")


PASSPHRASE = "slepice v trave spi\n"


def people(duty: Duty, *names: str) -> None:
    """Add persons; each types the passphrase twice."""
    for name in names or ("j.novakova",):
        served(["person", "add", duty.words["SITE"], name, "--role", "operator"], typed=PASSPHRASE * 2)


def test_the_power_was_off(tmp_path: Path) -> None:
    """Everything is killed at once; after the start the reader goes on, and all that is brought again counts once."""
    start, prove, again = steps("The power was off")
    with on_duty(tmp_path) as duty:
        begin(duty)
        with reading(duty) as reader:
            seen = newest(tmp_path / "site")
            reader.until(seen)
            reader.end()
            duty.kill("serve")
            duty.do(start)
            reader.begin()
            assert WHOLE in duty.do(prove)
            duty.do(again)
            reader.until(newest(tmp_path / "site"))
            assert newest(tmp_path / "site") > seen
            assert counted(duty) == len(PROTOCOLS)
        duty.stop("serve")


async def test_the_mail_relay_is_dead(tmp_path: Path) -> None:
    """What the dead relay did not take waits, and goes out once by another one after the list is changed."""
    look, check, again = steps("The mail relay is dead")
    async with relay() as other:
        with on_duty(tmp_path) as duty:
            await asyncio.to_thread(begin, duty)
            site, dead = tmp_path / "site", free_port()
            people(duty)
            path = write_list(site / "recipients.toml", listed(dead, recipients(2)))
            path.chmod(0o600)
            await asyncio.to_thread(duty.do, again[:1])
            start = ["crisis", "start", str(site), "--by", "j.novakova", "--reason", "the feed is gone"]
            await asyncio.to_thread(served, start, 0, PASSPHRASE)
            await asyncio.to_thread(until, lambda: waiting(site) == 2)
            assert "waiting" in await asyncio.to_thread(duty.do, look)
            path.write_text(path.read_text().replace(str(dead), str(other.port)))
            await asyncio.to_thread(duty.do, check)
            assert not other.taken
            await asyncio.to_thread(duty.stop, "crisis run")
            await asyncio.to_thread(duty.do, again)
            await other.until(2)
            await asyncio.to_thread(until, lambda: not waiting(site))
            await asyncio.to_thread(duty.stop, "crisis run")
            assert {address for address, _ in other.taken} >= {one.address for one in recipients(2)}
            assert len(other.ids()) == len(set(other.ids()))


def waiting(site: Path) -> int:
    """How many messages to recipients wait in the outbox."""
    rows = crisis_status(site / "crisis").recipients
    return sum(one.state == "waiting" and not one.recipient.startswith("operator") for one in rows)


def test_a_person_is_missing(tmp_path: Path) -> None:
    """Another person takes the place; what the one who left asked for cannot be confirmed; the run is closed by the two who are there."""
    show, add, remove, decide = steps("A person is missing")
    site = site_of(tmp_path / "site", made_up=False)
    with Duty(tmp_path, SITE=site.root) as duty:
        people(duty, "j.novakova", "k.svoboda")
        duty.begin("serve", ["serve", str(site.root), "--port", str(duty.port)])
        opened = ["run", "open", str(site.root), "air", "--phase", "live", "--by", "k.svoboda"]
        confirm = ["run", "confirm", str(site.root), "air", "--by"]
        served(opened, typed=PASSPHRASE)
        served([*confirm, "j.novakova"], typed=PASSPHRASE + "y\n")
        served(["run", "close", str(site.root), "air", "--by", "k.svoboda"], typed=PASSPHRASE)
        assert "k.svoboda" in duty.do(show)
        duty.do(add, typed=PASSPHRASE * 2)
        duty.do(remove)
        assert "k.svoboda" in served([*confirm, "p.dvorak"], code=1, typed=PASSPHRASE + "y\n")
        said = duty.do(decide, typed=PASSPHRASE + "y\n")
        assert "p.dvorak" in said
        assert not site.told()["air"].open
        duty.stop("serve")
