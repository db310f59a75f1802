"""Scores from facts: each mark for what was seen, unknown for what nobody saw, and laws that hold for any night."""

import datetime
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.scoring.advice import advice, marks
from skrutinium_server.rehearsal.scoring.facts import mailings_of, troubles_of
from skrutinium_server.rehearsal.scoring.gathering import written_of
from skrutinium_server.rehearsal.scoring.model import (
    Conditional,
    Done,
    Mailing,
    Night,
    Published,
    Read,
    Receipt,
    Scorecard,
    ScoringError,
    Series,
    Subscriber,
    Trouble,
    Unchanged,
    Way,
)
from skrutinium_server.rehearsal.scoring.pages import card_page, index_page
from skrutinium_server.rehearsal.scoring.picture import Scale, card_picture, night_picture
from skrutinium_server.rehearsal.scoring.reading import LONGEST, read_access_log, read_receipts
from skrutinium_server.rehearsal.scoring.scoring import score
from skrutinium_server.rehearsal.scoring.summary import line_of, percent, seconds
from skrutinium_server.rehearsal.stage.acts import Act
from skrutinium_server.rehearsal.stage.processes import make_room

START = datetime.datetime(2030, 10, 5, 12, tzinfo=datetime.UTC)
EVENT, RUN, ME = "kv2030", "rehearsal-1", "evening-paper"
AT = f"/event/{EVENT}"


def at(second: float) -> datetime.datetime:
    """A moment of the night."""
    return START + datetime.timedelta(milliseconds=int(second * 1000))


def release(number: int, *, paths: Sequence[str] = (), correction: bool = False) -> Published:
    """Release N comes out 10 N seconds after the start, with event.xml and what else is told."""
    more = [f"corrections/{number}.xml"] if correction else []
    return Published(
        number,
        f"{number:064x}",
        at(10 * number),
        at(10 * number),
        "interim",
        number,
        10,
        frozenset(["event.xml", *paths, *more]),
        f"c{number:063x}" if correction else "",
    )


def night(
    *releases: Published,
    troubles: Sequence[Trouble] = (),
    mailings: Sequence[Mailing] = (),
    volby: Sequence[Published] = (),
    ended: float = 100,
) -> Night:
    """A night with these releases, ten unless told."""
    told = releases or tuple(release(number) for number in range(1, 11))
    series = {"skrutinium": Series("skrutinium", told)} | (
        {"volby": Series("volby", tuple(volby))} if volby else {}
    )
    return Night(
        EVENT, RUN, "rehearsal", "Made up", "cz-municipal-2018", "Europe/Prague", 2, "0" * 64, 2, series,
        tuple(troubles), tuple(mailings), told[0].time, max(told[-1].time, at(ended)),
    )  # fmt: skip


def read(
    second: float, path: str, number: int | None = None, status: int = 200, *,
    registers: int | None = None, where: Way = "feed", who: str = ME, address: str = "192.0.2.1",
) -> Read:  # fmt: skip
    """An answer."""
    return Read(
        at(second), who, address, EVENT, RUN, "GET", AT + path, status, 1000, number, registers, where
    )


def receipt(second: float, *done: Done, mails: int | None = None, by_mail: int = 0) -> Receipt:
    """A receipt."""
    client = "9f86d081884c7d65"
    return Receipt(
        at(second), ME, "192.0.2.1", EVENT, RUN, client, "skrutinium 0.1.0", None, 2, by_mail, mails, 0, done
    )


def done(number: int, second: float, source: Way = "feed", corrections: int = 0) -> Done:
    """A release that was done."""
    return Done(number, f"{number:064x}", at(second), source, number == 1, corrections)


def card_of(
    told: Night,
    reads: Sequence[Read] = (),
    unchanged: Sequence[Unchanged] = (),
    receipts: Sequence[Receipt] = (),
) -> Scorecard:
    """The card of the one subscriber."""
    [card] = score(told, [Subscriber(ME, "Evening Paper")], reads, unchanged, receipts).cards
    return card


def poll(second: float, number: int) -> Read:
    """A look at event.xml as of a release."""
    return read(second, "/newest/event.xml", number)


# ------------------------------------------------------------------------------------------------ each mark
def test_nothing_seen_is_unknown() -> None:
    """A subscriber of whom nothing was seen has no bad mark, only unknown ones, and is told where to look."""
    outage = Trouble("outage", "first", at(20), at(30))
    card = card_of(
        night(release(1), release(2, correction=True), troubles=[outage], mailings=[Mailing(at(20), None)])
    )
    assert not card.seen
    assert set(marks(card).values()) == {"unknown"}
    assert (card.codebooks.outcome, card.mail.outcome, card.stale) == ("unknown", "unknown", None)
    assert [one.outcome for one in card.recoveries] == ["unknown"]
    assert [one.outcome for one in card.corrections] == ["unknown"]
    assert "/access" in advice(card)[0]
    assert line_of(card) == "evening-paper: nothing was seen of it"


def test_releases_taken_passed_over_and_missed() -> None:
    """Changes cover all that they bring, a look at a document covers its release, the last ones were never asked for."""
    card = card_of(
        night(), [poll(10.5, 1), read(35, "/changes?since=1", 3), poll(51, 5), poll(71, 7), poll(72, 7)]
    )
    taken = card.releases
    assert (taken.first, taken.newest, taken.taken, taken.passed_over) == (1, 7, 4, 2)
    assert taken.missed == (8, 9, 10)
    assert marks(card)["releases"] == "bad"


def test_a_late_reader_misses_nothing_of_before() -> None:
    """Whoever joins late begins with the newest release, which stands for all before it."""
    card = card_of(night(), [read(75, "/newest/manifest.xml", 7), read(101, "/changes?since=7", 10)])
    assert (card.releases.first, card.releases.taken, card.releases.missed) == (7, 3, ())
    assert card.stale is not None
    assert (card.stale.milliseconds, card.stale.release) == (21_000, 8)


def test_staleness_is_the_longest_wait() -> None:
    """The longest time from the coming out of a release until it, or a later one, was had; for ever lasts to the end."""
    reads = [poll(10.5, 1), poll(21, 2), poll(47, 4), poll(50.5, 5)]
    card = card_of(night(), reads)
    assert card.stale is not None
    assert (card.stale.milliseconds, card.stale.release, card.stale.ended) == (40_000, 6, False)
    assert [(one.since, one.until) for one in card.behind] == [
        (at(20), at(21)),
        (at(30), at(47)),
        (at(50), at(50.5)),
        (at(60), None),
    ]
    [ended] = [one for one in [card_of(night(), [*reads, poll(100.2, 10)]).stale] if one]
    assert (ended.milliseconds, ended.release, ended.ended) == (40_200, 6, True)


def test_unchanged_answers_prove_that_it_was_up_to_date() -> None:
    """An answer 304 says that the reader had what was newest a moment before, once the run was read at all."""
    polls = [Unchanged(at(21.9), ME, "manifest", 3, "feed"), Unchanged(at(32), ME, "document", 1, "feed")]
    card = card_of(night(), [poll(10.5, 1)], polls)
    assert card.releases.newest == 3
    assert card.stale is not None
    assert card.stale.release == 4
    alone = card_of(night(), [], polls)
    assert not alone.seen
    assert alone.requests == 0


def test_conditional_share() -> None:
    """Counted are answers 304, and documents that were sent again to the same address although they had not changed."""
    told = night(*(release(number, paths=["area/1.xml"] if number == 5 else []) for number in range(1, 11)))
    area = "/newest/area/1.xml"
    reads = [
        read(15, area, 1), read(25, area, 2), read(45, area, 4), read(55, area, 5),  # 2 of 3 were the same
        read(56, area, 5, address="192.0.2.2"),  # another machine
        poll(15, 1), poll(16, 1), poll(25, 2),  # 1 of 2
        read(15, "/pack/1"), read(85, "/pack/1"),  # never changes
        read(15, "/newest/manifest.xml", 1), read(25, "/newest/manifest.xml", 2),
    ]  # fmt: skip
    card = card_of(told, reads, [Unchanged(at(30), ME, "manifest", 12, "feed")])
    assert card.conditional == Conditional(12, 16)
    assert card.conditional.hundredths == 7500
    assert Conditional(0, 0).hundredths is None
    assert percent(card.conditional.hundredths) == "75.0 %"
    assert marks(card)["conditional"] == "none"
    many = card_of(told, reads, [Unchanged(at(30), ME, "manifest", 30, "feed")])
    assert marks(many)["conditional"] == "bad"


def test_recovery_after_an_outage() -> None:
    """Counted is the time from the end of the outage until the reader had what was newest then."""
    outage = Trouble("outage", "first", at(35), at(65))
    told = night(troubles=[outage])
    [one] = card_of(told, [poll(11, 1), poll(31, 3), read(66.5, "/changes?since=3", 6)]).recoveries
    assert (one.outcome, one.milliseconds, one.way) == ("recovered", 1500, "feed")
    [one] = card_of(told, [poll(11, 1), poll(31, 3)]).recoveries
    assert one.outcome == "not-recovered"
    [one] = card_of(told, [poll(71, 7)]).recoveries
    assert one.outcome == "not-there"
    second = read(61, "/newest/event.xml", 6, where="second-site")
    [one] = card_of(told, [poll(11, 1), second, poll(80, 8)]).recoveries
    assert (one.outcome, one.way) == ("went-on", "second-site")
    slow = night(troubles=[Trouble("slow", "first", at(25), at(60.5))])
    [one] = card_of(
        slow, [*(poll(10 * number + 2, number) for number in range(1, 6)), poll(62, 6)]
    ).recoveries
    assert (one.outcome, one.way) == ("went-on", "feed")
    [one] = card_of(night(troubles=[Trouble("outage", "first", at(35), None)]), [poll(11, 1)]).recoveries
    assert one.outcome == "unknown"


def test_recovery_when_nothing_new_came_out() -> None:
    """Where nothing new came out meanwhile, any sign of life afterwards shows that the reader is back."""
    told = night(release(1), release(2), troubles=[Trouble("outage", "first", at(25), at(28))], ended=60)
    beat = read(31, "/heartbeat.xml")
    [one] = card_of(told, [poll(11, 1), poll(21, 2), beat]).recoveries
    assert (one.outcome, one.milliseconds) == ("recovered", 3000)
    [one] = card_of(told, [poll(11, 1), poll(21, 2)]).recoveries
    assert one.outcome == "not-recovered"


@pytest.mark.parametrize(
    ("reads", "receipts", "outcome"),
    [
        ([poll(11, 1), read(31, "/newest/corrections/3.xml", 3)], [], "read"),
        ([poll(11, 1), read(31, "/release/3/corrections/3.xml", 3)], [], "read"),
        ([poll(11, 1), read(31, "/changes?since=1", 3)], [], "received"),
        ([poll(11, 1), read(31, "/changes?since=1&area=5", 3)], [], "figures"),
        ([poll(11, 1), read(31, "/changes?since=3", 3)], [], "figures"),
        ([poll(11, 1), read(31, "/pack/3")], [], "received"),
        ([poll(11, 1), poll(41, 4)], [], "figures"),
        ([poll(11, 1), poll(21, 2)], [], "no"),
        ([], [receipt(35, done(1, 10), done(3, 31, corrections=2))], "read"),
        ([], [receipt(35, done(1, 10), done(3, 31))], "figures"),
        ([], [], "unknown"),
    ],
)
def test_corrections(reads: list[Read], receipts: list[Receipt], outcome: str) -> None:
    """The record of a correction was read, came along, or only its figures were taken, or not even these."""
    told = night(release(1), release(2), release(3, correction=True), release(4))
    card = card_of(told, reads, [], receipts)
    assert [(one.release, one.outcome) for one in card.corrections] == [(3, outcome)]


def test_correction_by_its_hash() -> None:
    """Whoever reads the record by its hash has read it."""
    told = night(release(1), release(2, correction=True))
    by_hash = Read(
        at(22), ME, "192.0.2.1", EVENT, RUN, "GET", f"/object/c{2:063x}", 200, 9, None, None, "feed"
    )
    assert card_of(told, [poll(11, 1), by_hash]).corrections[0].outcome == "read"


@pytest.mark.parametrize(
    ("receipts", "outcome"),
    [
        ([], "unknown"),
        ([receipt(35, done(1, 10))], "no"),
        ([receipt(35, done(1, 10), mails=0)], "no"),
        ([receipt(35, done(1, 10), mails=2)], "yes"),
        ([receipt(35, done(1, 10), done(2, 21, "mail"), by_mail=1)], "yes"),
    ],
)
def test_mail(receipts: list[Receipt], outcome: str) -> None:
    """Only receipts tell whether mail was read; where none was sent there was nothing to do."""
    mailing = [Mailing(at(15), at(25))]
    assert card_of(night(mailings=mailing), [poll(11, 1)], [], receipts).mail.outcome == outcome
    assert card_of(night(), [poll(11, 1)], [], receipts).mail.outcome == "not-applicable"


def test_codebooks() -> None:
    """Registers of the run's version count, fetched ahead of the run too; older ones and none do not."""
    told = night()
    ahead = read(-500, "/registers/newest/registers.xml", registers=2)
    old = read(-500, "/registers/1/registers.xml", registers=1)
    anywhere = Read(
        at(-9), ME, "192.0.2.1", None, None, "GET", "/codebooks/phases.xml", 200, 9, None, None, "feed"
    )
    assert card_of(told, [ahead, poll(11, 1)]).codebooks.outcome == "yes"
    assert card_of(told, [old, poll(11, 1)]).codebooks.outcome == "no"
    assert card_of(told, [poll(11, 1)]).codebooks.outcome == "no"
    assert card_of(told, [anywhere, poll(11, 1)]).codebooks.outcome == "yes"
    assert card_of(told, [], [], [receipt(35, done(1, 10))]).codebooks.held == 2


def test_readers_and_their_hashes() -> None:
    """Each program has its own row, and one that holds another release than the published one is told."""
    wrong = Done(2, "f" * 64, at(21), "feed")
    card = card_of(night(), [], [], [receipt(35, done(1, 10), wrong)])
    assert [(one.newest, one.agrees, one.stale) for one in card.readers] == [(2, False, 70_000)]
    assert any("signatures" in one for one in advice(card))
    assert card_of(night(), [], [], [receipt(35, done(1, 10), done(2, 21))]).readers[0].agrees


def test_readers_of_volby() -> None:
    """A newsroom that reads volby is scored by the releases of that series, and its corrections by their figures."""
    volby = [release(number) for number in range(1, 6)]
    told = night(*(release(n, correction=n == 3) for n in range(1, 6)), volby=volby)
    path = "/appdata/kv2030/20301005/odata/vysledky.xml"
    reads = [
        Read(at(second), ME, "192.0.2.1", EVENT, RUN, "GET", path, 200, 9, number, None, "feed")
        for second, number in ((11, 1), (33, 3), (52, 5))
    ]
    card = card_of(told, reads)
    assert (card.series, card.releases.newest, card.releases.passed_over) == ("volby", 5, 2)
    assert [one.outcome for one in card.corrections] == ["figures"]


def test_other_runs_do_not_count() -> None:
    """What was read of another run says nothing of this one."""
    other = Read(
        at(11), ME, "192.0.2.1", EVENT, "night", "GET", f"{AT}/newest/event.xml", 200, 9, 1, None, "feed"
    )
    assert not card_of(night(), [other]).seen


# ------------------------------------------------------------------------------------------------ laws
SIGNS = st.lists(st.tuples(st.integers(0, 1200), st.integers(1, 10)), max_size=12)


def seen(signs: Sequence[tuple[int, int]]) -> list[Read]:
    """Looks at the document as of releases that were out then."""
    return [poll(tenths / 10, min(number, tenths // 100)) for tenths, number in signs if tenths >= 100]


@given(SIGNS)
def test_every_release_is_one_of_three(signs: list[tuple[int, int]]) -> None:
    """Each release that came out after the reader began is taken, passed over or missed, and only one of them."""
    reads = seen(signs)
    card = card_of(night(), reads)
    if not reads:
        assert not card.seen
        return
    first = min(reads, key=lambda one: one.time)
    due = [n for n in range(1, 11) if at(10 * n) > first.time and n > (first.release or 0)]
    taken = card.releases
    assert taken.taken + taken.passed_over + len(taken.missed) == len(due)
    assert set(taken.missed) <= set(due)
    assert taken.newest == max(one.release or 0 for one in reads)
    assert all(number > taken.newest for number in taken.missed)


@given(SIGNS)
def test_times_behind_are_apart_and_hold_the_longest(signs: list[tuple[int, int]]) -> None:
    """Times behind follow one another without touching; none is shorter than it is long, the longest wait lies in one."""
    card = card_of(night(), seen(signs))
    ends = [
        (one.since, one.until or card.behind[-1].since + datetime.timedelta(days=1)) for one in card.behind
    ]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))
    assert all(since < until for since, until in ends)
    if card.stale is not None and card.stale.milliseconds:
        assert any(since <= card.stale.since < until for since, until in ends)


@given(SIGNS, st.tuples(st.integers(100, 1200), st.integers(1, 10)))
def test_more_signs_never_make_it_worse(signs: list[tuple[int, int]], more: tuple[int, int]) -> None:
    """A later sign of the newest release shortens waits or leaves them; it never makes a card worse."""
    reads = seen(signs)
    if not reads:
        return
    last = max(one.time for one in reads)
    better = [*reads, read((last - START).total_seconds() + 1, "/newest/event.xml", 10)]
    before, after = card_of(night(ended=200), reads), card_of(night(ended=200), better)
    assert before.stale is not None
    assert after.stale is not None
    assert after.stale.milliseconds <= before.stale.milliseconds
    assert len(after.releases.missed) <= len(before.releases.missed)


@given(SIGNS)
def test_pictures_are_well_formed(signs: list[tuple[int, int]]) -> None:
    """Whatever was seen, pictures and pages are well-formed, have no script, and stay within their frame."""
    told = night(
        release(1),
        release(2, correction=True),
        troubles=[Trouble("outage", "first", at(12), None)],
        ended=120,
    )
    scores = score(told, [Subscriber(ME, 'A <b>"&amp;')], seen(signs), [], [])
    for picture in (night_picture(scores), card_picture(scores, scores.cards[0])):
        root = etree.fromstring(picture)
        for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
            if rect.get("x"):
                assert (
                    0
                    <= float(rect.get("x", ""))
                    <= float(rect.get("x", "")) + float(rect.get("width", ""))
                    <= 1000
                )
    for page in (index_page(scores, START), card_page(scores, scores.cards[0], START)):
        assert b"<script" not in page
        assert b"<b>" not in page


def test_ticks_are_few_and_round() -> None:
    """However long the night, the axis has a handful of round times in the zone of the law."""
    for length in (0.2, 7, 50, 300, 4000, 40_000, 400_000):
        told = night(release(1), ended=10 + length)
        ticks = list(Scale(told).ticks())
        assert len(ticks) <= 10
        assert length < 1 or ticks
    assert next(iter(Scale(night(release(1), ended=40_000)).ticks()))[1] == "16:00"


# ------------------------------------------------------------------------------------------------ acts, logs, words
def test_troubles_of_acts() -> None:
    """A trouble lasts until what it befell is restored; crisis mail from its beginning to its end."""
    acts = [
        Act(at(1), "outage", {"which": "first"}),
        Act(at(2), "slow", {"which": "second"}),
        Act(at(3), "correct", {}, 4),
        Act(at(4), "restore", {"which": "first"}),
        Act(at(5), "mail_begin", {}, 4),
        Act(at(6), "restore", {"which": "both"}),
        Act(at(7), "mail_end", {}, 5),
        Act(at(8), "stale", {}),
        Act(at(9), "mail_begin", {}, 5),
    ]
    assert troubles_of(acts) == (
        Trouble("outage", "first", at(1), at(4)),
        Trouble("slow", "second", at(2), at(6)),
        Trouble("stale", "first", at(8), None),
    )
    assert mailings_of(acts) == (Mailing(at(5), at(7)), Mailing(at(9), None))


LINE = {
    "time": "2030-10-05T12:00:11.000Z", "subscriber": ME, "address": "192.0.2.1", "event": EVENT, "run": RUN,
    "phase": "rehearsal", "request_id": None, "method": "GET", "path": f"{AT}/newest/event.xml", "release": 1,
    "status": 200, "bytes": 9, "ms": 0.1,
}  # fmt: skip


def test_access_log_is_read(tmp_path: Path) -> None:
    """Answers and sums of 304 of the time are taken; lost lines are counted, strangers and a line cut off are left out."""
    path = tmp_path / "access.jsonl"
    lines = [
        LINE,
        LINE | {"subscriber": None},
        LINE | {"time": "2030-10-06T12:00:00Z"},
        LINE | {"run": "another"},
        {
            "time": "2030-10-05T11:00:12Z",
            "subscriber": ME,
            "kind": "manifest",
            "status": 304,
            "count": 7,
            "bytes": 0,
        },
        {
            "time": "2030-10-05T12:00:12Z",
            "subscriber": ME,
            "kind": "manifest",
            "status": 304,
            "count": 7,
            "bytes": 0,
        },
        {"time": "2030-10-05T12:00:13Z", "lost": 3},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"time":"2030-')
    logged = read_access_log(path, night(), at(100))
    assert logged.reads == (read(11, "/newest/event.xml", 1).__class__(
        at(11), ME, "192.0.2.1", EVENT, RUN, "GET", f"{AT}/newest/event.xml", 200, 9, 1, None, "feed"
    ),)  # fmt: skip
    assert logged.unchanged == (Unchanged(at(12), ME, "manifest", 7, "feed"),)
    assert logged.lost == 3


def test_clocks_of_readers_are_set_right(tmp_path: Path) -> None:
    """A reader whose clock is an hour slow is no hour behind."""
    path = tmp_path / "receipts.jsonl"
    line = {
        "received": "2030-10-05T12:00:30.500Z", "subscriber": ME, "address": "192.0.2.1", "phase": "rehearsal",
        "event": EVENT, "run": RUN, "client": "9f86d081884c7d65", "software": "skrutinium 0.1.0",
        "sent": "2030-10-05T11:00:30.000Z", "by-mail": 0, "corrections": 0,
        "done": [{"release": 2, "manifest": "0" * 64, "time": "2030-10-05T11:00:20.100Z", "source": "feed"}],
    }  # fmt: skip
    path.write_text(json.dumps(line) + "\n" + json.dumps(line | {"run": "other"}) + "\n")
    [told] = read_receipts(path, EVENT, RUN)
    assert [one.time for one in told.done] == [at(20.6)]


@pytest.mark.parametrize("wrong", ["{}", "[]", '{"time":"yesterday"}', '{"time":1}', "x" * (LONGEST + 10)])
def test_lines_that_are_none_are_named(tmp_path: Path, wrong: str) -> None:
    """A line that is none stops the reading by its number: half a log would make wrong scores."""
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(LINE) + "\n" + wrong + "\n")
    with pytest.raises(ScoringError, match="line 2"):
        read_access_log(path, night(), at(100))
    with pytest.raises(ScoringError, match="line 1"):
        read_receipts(path, EVENT, RUN)
    with pytest.raises(ScoringError, match="cannot be read"):
        read_access_log(tmp_path, night(), at(100))


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0.0 s"),
        (849, "0.8 s"),
        (9949, "9.9 s"),
        (17_400, "17 s"),
        (65_000, "1 min 05 s"),
        (3_600_000, "60 min 00 s"),
    ],
)
def test_seconds_in_words(milliseconds: int, words: str) -> None:
    """Times are told as people read them."""
    assert seconds(milliseconds) == words


def test_files_that_have_grown_are_moved_away(tmp_path: Path) -> None:
    """What a stage writes for ever does not fill the disk: a large file gives way, the one before is still read."""
    site = Site.create(tmp_path / "site")
    folder = site.root / "rehearsal"
    folder.mkdir()
    for name, text in (
        ("access.jsonl", "x" * 11),
        ("receipts.jsonl", "x" * 10),
        ("second-access.jsonl", "y" * 11),
    ):
        (folder / name).write_text(text)
    make_room(site.root, 10)
    assert {path.name for path in folder.iterdir()} == {
        "access.before.jsonl",
        "receipts.jsonl",
        "second-access.before.jsonl",
    }
    (folder / "access.jsonl").write_text("z")
    written = written_of(site)
    assert [path.name for path in written.access] == ["access.before.jsonl", "access.jsonl"]
    assert [path.name for path in written.second_access] == ["second-access.before.jsonl"]
    make_room(site.root, 0)
    assert (folder / "access.before.jsonl").read_text() == "z"
