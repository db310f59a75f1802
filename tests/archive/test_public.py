"""The public folder: what it holds, what an outsider can check, and that it goes on through whatever happens."""

import asyncio
import csv
import datetime
import hashlib
import io
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from lxml import etree, html

import skrutinium
from skrutinium_server.archive.complete.making import archive_release
from skrutinium_server.archive.errors import (
    NotBefore,
    PublicFolderForeign,
    PublicFolderLocked,
    PublicWriteFailed,
)
from skrutinium_server.archive.public import reading, words
from skrutinium_server.archive.public.catalogue import Catalogue
from skrutinium_server.archive.public.folder import PublicFolder
from skrutinium_server.archive.public.following import follow
from skrutinium_server.archive.public.pages import Night as Stage
from skrutinium_server.archive.public.pages import Pages
from skrutinium_server.archive.public.publishing import Publishing
from skrutinium_server.archive.public.tables import contest_table
from skrutinium_server.archive.reading import parse
from skrutinium_server.rehearsal.made_up import made_up_second_round
from skrutinium_server.release.store.model import Manifest
from skrutinium_server.release.store.reading import StoreReader
from tests.archive.hosting import static_server
from tests.archive.night import START, Night, made_up

ROOT = Path(__file__).parents[2]

NOW = START + datetime.timedelta(hours=3)


class Public:
    """A public folder of a night, kept by this process until closed."""

    def __init__(self, night: Night, root: Path, phase: str = "rehearsal") -> None:
        self.folder = PublicFolder(root, night.definition.event, "night", phase)
        self.publishing = Publishing(StoreReader(night.store), self.folder, "night")

    def catch_up(self, now: datetime.datetime = NOW) -> int | None:
        """Publish what is new; the number of the release."""
        manifest = self.publishing.catch_up(now)
        return manifest.number if manifest else None

    def close(self) -> None:
        """Let others keep it."""
        self.folder.close()


def published(night: Night, root: Path) -> None:
    """Publish once."""
    public = Public(night, root)
    public.catch_up()
    public.close()


def files(root: Path) -> dict[str, bytes]:
    """Every file for readers by its path."""
    found = (path for path in root.rglob("*") if path.is_file() and ".publish" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def verified(place: str) -> skrutinium.Report:
    """What ``skrutinium verify`` finds there."""

    async def verify() -> skrutinium.Report:
        async with skrutinium.open_source(place) as source:
            return await skrutinium.verify(source)

    return asyncio.run(verify())


def text_of(path: Path) -> str:
    """What a page says, white space made one."""
    return re.sub(r"\s+", " ", html.fromstring(path.read_bytes()).text_content())


def test_outsider_verifies_the_folder_alone(night: Night, tmp_path: Path) -> None:
    """One command on the public folder checks every signature and adds every vote of the night up again."""
    night.whole()
    root = tmp_path / "public"
    published(night, root)
    report = verified(str(root))
    assert report.differences == []
    assert report.phase == "rehearsal"


def test_outsider_verifies_by_the_address_of_any_web_server(night: Night, tmp_path: Path) -> None:
    """The same command on the address of a plain static server comes to the same end."""
    night.whole()
    published(night, tmp_path / "public")
    with static_server(tmp_path / "public") as address:
        report = verified(address)
    assert report.differences == []
    assert report.run == "night"


def test_verify_names_a_protocol_altered_in_the_folder(night: Night, tmp_path: Path) -> None:
    """An object of the folder that was replaced is found; the store itself is not reached through the folder."""
    night.whole()
    root = tmp_path / "public"
    published(night, root)
    reader = StoreReader(root)
    row = next(row for path, row in reader.snapshot(night.key, 3).items() if path.startswith("contest/"))
    reader.layout.object(row.sha256).write_bytes(b"nonsense")
    assert StoreReader(night.store).object(row.sha256)
    report = verified(str(root))
    assert {one.code for one in report.differences} >= {"object"}


def test_every_protocol_lies_there_as_taken_over(night: Night, tmp_path: Path) -> None:
    """Each accepted protocol, corrected ones too, is a file with the very bytes that the ledger hashed."""
    night.whole()
    root = tmp_path / "public"
    published(night, root)
    reader = StoreReader(night.store)
    due: dict[str, str] = {}
    for path, row in reader.snapshot(night.key, 3).items():
        if path.startswith("batch/"):
            for protocol in etree.fromstring(reader.object(row.sha256)).iter("{*}protocol"):
                due[protocol.attrib["entry"]] = protocol.attrib["sha256"]
    assert len(due) > len(night.definition.polls)  # some came twice
    found = {}
    for index in (root / "protocol").glob("*/index.csv"):
        with index.open(encoding="utf-8", newline="") as file:
            for told in csv.DictReader(file):
                data = (index.parent / told["file"]).read_bytes()
                assert hashlib.sha256(data).hexdigest() == told["sha256"]
                assert len(data) == int(told["size"])
                found[told["entry"]] = told["sha256"]
    assert found == due


def test_release_by_release_shows_what_one_go_shows(night: Night, tmp_path: Path) -> None:
    """A folder that followed every release holds the same files as one that is written at the end."""
    step = Public(night, tmp_path / "steps")
    step.catch_up()
    for count in (1, 3, 2, 40, night.left):
        night.take(count)
        night.cut()
        assert step.catch_up() is not None
    published(night, tmp_path / "once")
    steps, once = files(tmp_path / "steps"), files(tmp_path / "once")
    # When it was written is told on these two only.
    for told in (steps, once):
        del told["contests.html"]
    assert steps.keys() == once.keys()
    assert [path for path in steps if steps[path] != once[path]] == []
    step.close()


def test_only_what_changed_is_written(night: Night, tmp_path: Path) -> None:
    """A release with one protocol rewrites the pages of its precinct, its contests, the areas around and the start page."""
    public = Public(night, tmp_path / "public")
    public.catch_up()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "public").rglob("*.html")}
    night.take(1)
    night.cut()
    assert public.catch_up() == 2
    touched = {
        path.relative_to(tmp_path / "public").parts[0]
        for path, time in before.items()
        if path.stat().st_mtime_ns != time
    }
    assert touched == {"precinct", "contest", "area", "index.html", "check.html"}
    precincts = [p for p, t in before.items() if p.parent.name == "precinct" and p.stat().st_mtime_ns != t]
    assert len(precincts) == 1
    assert public.catch_up() is None
    public.close()


def test_states_of_reporting_differ_in_words(night: Night, tmp_path: Path) -> None:
    """Not reported, partly reported and all reported are told in words, and a precinct that is out shows no zero."""
    night.take(night.left // 2)
    night.cut()
    root = tmp_path / "public"
    published(night, root)
    pages = " ".join(text_of(path) for path in (root / "contest").glob("*.html"))
    for state in ("none", "part", "all"):
        assert words.REPORTING[state] in pages
    awaited = [path for path in (root / "precinct").glob("*.xml") if b"<awaited" in path.read_bytes()]
    assert awaited
    assert all("Not yet reported" in text_of(path.with_suffix(".html")) for path in awaited)


def test_senate_shows_candidates_and_who_goes_on(new_night: Callable[..., Night], tmp_path: Path) -> None:
    """A contest of persons shows votes and shares by candidate, and says who is elected or goes into a second round."""
    night = new_night(made_up("cz-senate-2018"))
    root = tmp_path / "public"
    public = Public(night, root)
    public.catch_up()
    assert "not yet reported" in text_of(next((root / "contest").glob("*.html")))
    night.whole()
    public.catch_up()
    public.close()
    pages = [text_of(path) for path in (root / "contest").glob("*.html")]
    assert all("Votes by candidate" in page and "name not known" not in page for page in pages)
    assert all("elected" in page or "second round" in page for page in pages)
    assert all("Votes by candidate" in text_of(path) for path in (root / "precinct").glob("*.html"))
    assert verified(str(root)).differences == []


def test_second_round_shows_the_first(new_night: Callable[..., Night], tmp_path: Path) -> None:
    """Pages and tables of the second round tell what the first one ended with."""
    night = new_night(made_up_second_round(made_up("cz-senate-2018"), 3))
    root = tmp_path / "public"
    archive_release(night.store, night.key)
    published(night, root)
    page = text_of(next((root / "contest").glob("*.html")))
    assert "The first round" in page
    assert "second round" in page
    assert "archive/000000001.zip" in (root / "index.html").read_text("utf-8")
    (made,) = root.glob("event/*/night/archive/000000001-csv.zip")
    with zipfile.ZipFile(made) as tables:
        assert tables.read("first_round.csv").count(b"true") >= 2


def test_questions_show_yes_and_no(night: Night) -> None:
    """A referendum shows each question with its votes, shares and answer; its CSV has a row for each vote."""
    sample = ROOT / "samples/skrutinium/1.0/valid/contest-referendum.xml"
    contest = reading.contest(parse(sample.name, sample.read_bytes()))
    run = StoreReader(night.store).state()[1][0]
    pages = Pages(Stage(run, True, "fingerprint"), Catalogue(), lambda _: contest)
    page = html.fromstring(pages.contest(contest))
    assert [one.text_content() for one in page.iterfind(".//h3")] == [
        "1. Shall the pond be round?",
        "2. Shall the trumpets be quiet?",
    ]
    told = [re.sub(r"\s+", " ", one.text_content()) for one in page.iterfind(".//p[@class='outcome']")]
    assert told[1:] == ["Answer: Yes.", "Answer: Not binding: too few voted."]
    rows = [[cell.text_content().strip() for cell in row] for row in page.iterfind(".//tbody/tr")]
    assert rows[0][:3] == ["Yes", "450", "56.96\u202f%"]
    assert rows[3][:3] == ["No", "130", "52.00\u202f%"]
    table = list(csv.DictReader(io.StringIO(contest_table(contest).decode(), newline="")))
    assert [(row["question"], row["vote"], row["votes"]) for row in table] == [
        *(("1", "yes", "450"), ("1", "no", "340"), ("2", "yes", "120"), ("2", "no", "130"))
    ]


def test_every_page_carries_its_marks(night: Night, tmp_path: Path) -> None:
    """Each page of a rehearsal of a made-up election says so, in the title too, and names its release."""
    root = tmp_path / "public"
    published(night, root)
    pages = list(root.rglob("*.html"))
    assert len(pages) > 20
    for path in pages:
        assert words.STATES["interim"] in text_of(path), path
        page = html.fromstring(path.read_bytes())
        marks = [mark.text_content().strip() for mark in page.iterfind(".//p[@class='mark']")]
        assert marks[:2] == [words.MARKS["rehearsal"], words.MADE_UP], path
        assert (page.findtext(".//title") or "").startswith("[REHEARSAL] [MADE UP] ")
        (footer,) = page.iterfind(".//footer")
        assert re.search(r"[Rr]elease \d+", footer.text_content())


def test_live_pages_of_a_real_election_carry_no_mark(new_night: Callable[..., Night], tmp_path: Path) -> None:
    """A live run shows no mark; that it is one is told by the state file alone."""
    night = new_night(msgspec.structs.replace(made_up(), made_up=False))
    night.tell(phase="live")
    public = Public(night, tmp_path / "public", "live")
    public.catch_up()
    public.close()
    assert b'class="mark"' not in (tmp_path / "public" / "index.html").read_bytes()


def test_names_cannot_put_markup_into_pages(new_night: Callable[..., Night], tmp_path: Path) -> None:
    """A name that looks like markup is shown as text."""
    definition = made_up()
    evil = '<script>alert("1")</script>'
    lists = tuple(msgspec.structs.replace(one, name=evil) for one in definition.lists)
    night = new_night(msgspec.structs.replace(definition, lists=lists, name=evil))
    night.whole()
    root = tmp_path / "public"
    published(night, root)
    for path in root.rglob("*.html"):
        assert html.fromstring(path.read_bytes()).find(".//script") is None
    assert any(
        evil in html.fromstring(p.read_bytes()).text_content() for p in (root / "contest").glob("*.html")
    )


def test_second_process_is_refused(night: Night, tmp_path: Path) -> None:
    """Two processes cannot keep one folder; when the first ends, the next may."""
    first = Public(night, tmp_path / "public")
    with pytest.raises(PublicFolderLocked, match="another process"):
        Public(night, tmp_path / "public")
    first.close()
    Public(night, tmp_path / "public").close()


def test_foreign_folders_are_left_alone(night: Night, tmp_path: Path) -> None:
    """A folder with other files, and the public folder of another run, are refused and not touched."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(PublicFolderForeign, match=r"thesis\.txt"):
        Public(night, other)
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    published(night, tmp_path / "public")
    with pytest.raises(PublicFolderForeign, match="Give every run a folder"):
        Public(night, tmp_path / "public", "live")


def test_nothing_of_a_live_run_before_its_minute(night: Night, tmp_path: Path) -> None:
    """Before the minute nothing is written and the reason told; from that second on everything is."""
    minute = START + datetime.timedelta(hours=1)
    night.tell(phase="live", not_before=minute)
    public = Public(night, tmp_path / "public", "live")
    with pytest.raises(NotBefore, match="2030-04-01T15:00:00Z"):
        public.catch_up(minute - datetime.timedelta(seconds=1))
    assert files(tmp_path / "public") == {}
    assert public.catch_up(minute) == 1
    assert "index.html" in files(tmp_path / "public")
    public.close()


def test_following_waits_for_the_minute_and_for_room(night: Night, tmp_path: Path) -> None:
    """Following says once why nothing can be published, tries again, and publishes as soon as it can."""
    minute = START + datetime.timedelta(hours=1)
    night.tell(phase="live", not_before=minute)
    root = tmp_path / "public"
    public = Public(night, root, "live")
    stop = threading.Event()
    troubles: list[type[Exception]] = []
    numbers: list[int] = []
    early = [minute - datetime.timedelta(seconds=2), minute - datetime.timedelta(seconds=1)]
    (root / "precinct").write_text("in the way")

    def trouble(error: Exception) -> None:
        troubles.append(type(error))
        if isinstance(error, PublicWriteFailed):
            (root / "precinct").unlink()  # room again

    def done(manifest: Manifest) -> None:
        numbers.append(manifest.number)
        stop.set()

    follow(public.publishing, stop, lambda: early.pop() if early else minute, done, trouble)
    assert troubles == [NotBefore, PublicWriteFailed]
    assert numbers == [1]
    public.close()


_PUBLISH = [sys.executable, "-m", "skrutinium_server", "publish"]


def test_full_disk_is_told_and_the_next_start_finishes(night: Night, tmp_path: Path) -> None:
    """When files cannot grow the command fails with its code; started again with room it brings the folder to the same end."""
    night.whole()
    root = tmp_path / "public"

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    command = [*_PUBLISH, str(night.site.root), "night", str(root)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, preexec_fn=limited
    )
    assert done.returncode == 1
    assert "error [public-write-failed]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / "index.html").exists()
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    published(night, tmp_path / "other")
    assert files(root) == files(tmp_path / "other")


def test_killed_in_the_middle_goes_on(night: Night, tmp_path: Path) -> None:
    """Killed with -9 at many moments and started again, it ends with the same files as if nothing had happened."""
    night.whole()
    root = tmp_path / "public"
    command = [*_PUBLISH, str(night.site.root), "night", str(root)]
    for wanted in ("objects", "protocol", "precinct", "contest", "area"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (root / wanted).exists():
            os.sched_yield()
        process.kill()
        process.wait()
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    published(night, tmp_path / "other")
    left = {path: data for path, data in files(root).items() if not Path(path).name.startswith(".")}
    assert left == files(tmp_path / "other")


def test_shares_are_whole_number_arithmetic() -> None:
    """Shares round half up to two places, progress rounds down, and nothing of nothing is no percentage."""
    assert words.share(1, 3) == "33.33\u202f%"
    assert words.share(2, 3) == "66.67\u202f%"
    assert words.share(1, 800) == "0.13\u202f%"  # 0.125
    assert words.share(0, 5) == "0.00\u202f%"
    assert words.share(5, 0) is None
    assert words.share(None, 5) is None
    assert words.done(9999, 10_000) == "99.9\u202f%"
    assert words.done(0, 0) is None
