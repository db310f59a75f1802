"""Subjects and texts of messages, in every language."""

import datetime
from collections.abc import Mapping

import msgspec
import pytest

from skrutinium_server.crisis.message import Identity, content, head
from skrutinium_server.crisis.model import Kind, Release, Results
from skrutinium_server.crisis.recipients import Language, Recipient, Sender
from skrutinium_server.crisis.telling import Ahead, KindTold, Told, body, note, subject, zone_of
from skrutinium_server.crisis.wording import WORDINGS
from skrutinium_server.release.store.model import Run, SeriesKey
from tests.crisis.relay import parsed, text

TIME = datetime.datetime(2030, 10, 5, 19, 35, tzinfo=datetime.UTC)
RUN = Run(
    "kv2030", "night", "Made-up election", "2030-10-05", "cz-municipal-2018", "rehearsal", True, True, ()
)
RESULTS = Results(
    RUN, SeriesKey("kv2030", "night", "skrutinium"), Release(23, TIME, b"", b"", ()), 412, 1000, True, {}, ()
)
COUNCILS = KindTold(
    "municipal-council",
    1000,
    412,
    4120,
    5706,
    30,
    2,
    (
        Ahead("11", "Za kulatější rybníky", 1_234_567, 5344, 3),
        Ahead("12", "Strana " + "velmi dlouhého jména " * 4, 5, 4139, 0),
        Ahead("13", "", 3, 10, 0),
        Ahead("", "", 2, 9, 0),
    ),
)
TOLD = Told("release", "en", RESULTS, (COUNCILS,), zone="Europe/Prague", fingerprint="93d1 " * 16)
LANGUAGES: tuple[Language, ...] = ("en", "cs", "pl")
KINDS: tuple[Kind, ...] = ("begin", "release", "unchanged", "end", "test")


def told(**changed: object) -> Told:
    return msgspec.structs.replace(TOLD, **changed)


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "[REHEARSAL · MADE UP] Made-up election: release 23 · protocols in 412 of 1,000 · 21:35"),
        (
            "cs",
            "[ZKOUŠKA · VYMYŠLENO] Made-up election: vydání 23 · zpracované zápisy 412 z 1\xa0000 · 21:35",
        ),
        ("pl", "[PRÓBA · DANE ZMYŚLONE] Made-up election: wydanie 23 · protokoły 412 z 1\xa0000 · 21:35"),
    ],
)
def test_the_phase_stands_first(language: Language, line: str) -> None:
    """Whatever is not live says so before anything else, in subject and text."""
    assert subject(told(language=language)) == line
    assert body(told(language=language), []).startswith(f"*** {line[1 : line.index(']')]} ***\n")


def test_a_live_run_has_no_mark() -> None:
    """Subject and text of a live run begin with the event and why the message comes."""
    live = told(
        results=msgspec.structs.replace(
            RESULTS, run=msgspec.structs.replace(RUN, phase="live"), made_up=False
        )
    )
    assert subject(live).startswith("Made-up election: release 23")
    assert body(live, []).startswith("The feed cannot be relied on")


def test_a_phase_that_nobody_knows_is_marked() -> None:
    """What is not live is never shown as live."""
    odd = told(results=msgspec.structs.replace(RESULTS, run=msgspec.structs.replace(RUN, phase="drill")))
    assert subject(odd).startswith("[DRILL · MADE UP]")


def test_the_table_can_be_read_on_air() -> None:
    """Protocols, turnout, and those ahead with votes, share and seats stand in lines that fit a screen."""
    lines = body(TOLD, []).splitlines()
    assert "Protocols in:         412 of 1,000  (41.20 %)" in lines
    assert "Turnout:              57.06 %" in lines
    assert "Contests decided:     2 of 30" in lines
    assert "1. Za kulatější rybníky                1,234,567    53.44 %         3" in lines
    assert any(line.startswith("3. committee 13") for line in lines)
    assert any(line.startswith("4. lists of unknown committees") for line in lines)
    assert all(len(line) <= 72 for line in lines)


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "Seats are those of the contests decided so far: 2 of 30."),
        ("cs", "Mandáty jsou jen z voleb, které jsou už rozhodnuty: 2 z 30."),
        ("pl", "Mandaty pochodzą tylko z wyborów już rozstrzygniętych: 2 z 30."),
    ],
)
def test_seats_are_not_taken_for_all_of_them(language: Language, line: str) -> None:
    """While contests are open it is said that the seats are of the decided ones; when all are decided, it is not."""
    assert line in body(told(language=language), []).splitlines()
    all_of_them = msgspec.structs.replace(COUNCILS, decided=COUNCILS.contests)
    assert line[:7] not in body(told(language=language, kinds=(all_of_them,)), [])


def test_nothing_false_is_said() -> None:
    """No turnout that is not known, no seats while nothing is decided, no share of nothing."""
    early = msgspec.structs.replace(COUNCILS, reported=0, share=0, turnout=None, decided=0, ahead=())
    said = body(told(kinds=(early,)), [])
    assert "Turnout" not in said
    assert "Contests decided" not in said
    assert "No protocol is in yet." in said
    unnamed = msgspec.structs.replace(COUNCILS, ahead=(Ahead("1", "A", 1, 10000, None),))
    assert "seats" not in body(told(kinds=(unnamed,)), [])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_message_says_what_it_is(language: Language, kind: Kind) -> None:
    """Each kind has its own reason, and a message with files, parts, contacts and what was left out says all of it."""
    words = WORDINGS[language]
    full = told(
        language=language,
        kind=kind,
        corrected=True,
        contacts=("Duty officer: 0",),
        second_site="https://second.example",
        left_out=("contest/1.xml",),
    )
    said = " ".join(body(full, ["a.zip"], 2, 3).split())
    assert words.reasons[kind] in said
    for part in ("a.zip", "contest/1.xml", "Duty officer: 0", "https://second.example", words.corrected):
        assert part in said
    assert words.part.format(part=2, parts=3) in said
    assert "(2/3)" in subject(full, 2, 3)
    assert (words.every.format(minutes=10) in said) is (kind in ("begin", "release", "unchanged"))
    assert "RELEASE" not in said.upper() or language == "en"


@pytest.mark.parametrize("language", LANGUAGES)
def test_notes_are_in_the_language(language: Language) -> None:
    """READ-ME.txt names event and release, and says that a rehearsal is no result."""
    said = note(told(language=language)).data.decode()
    assert "Made-up election" in said
    assert "23" in said
    assert WORDINGS[language].no_result in said


def test_languages_have_the_same_words() -> None:
    """No language lacks a phase, a kind of contest, a state or a reason that another one has."""
    english = WORDINGS["en"]
    for words in WORDINGS.values():
        for field in english.__struct_fields__:
            value, other = getattr(english, field), getattr(words, field)
            assert other, field
            if isinstance(value, Mapping):
                assert set(other) == set(value), field


def test_times_are_those_of_the_election() -> None:
    """The zone is that of the law's country, unless another one is set."""
    assert zone_of("cz-municipal-2018") == "Europe/Prague"
    assert zone_of("pl-council-2014") == "Europe/Warsaw"
    assert zone_of("xx-anything") == "UTC"
    assert zone_of("cz-municipal-2018", "UTC") == "UTC"


def test_a_message_is_read_as_it_was_written() -> None:
    """Subject, sender, recipient, id and text come out as they went in, and no name can add a header."""
    one = Recipient("radio", "Rádio „Příklad“, s. r. o.", "desk@radio.example")
    identity = Identity("kv2030", "night", 23, 1, 4, one.mark, "organiser.example")
    line = subject(
        told(
            language="cs",
            results=msgspec.structs.replace(
                RESULTS, run=msgspec.structs.replace(RUN, name="A\r\nBcc: x@y.example " * 5)
            ),
        )
    )
    shared = content(body(TOLD, []), None)
    headers = head(
        one,
        Sender("results@organiser.example", "Český úřad"),
        identity,
        subject=line,
        kind="release",
        phase="rehearsal",
        part=(1, 1),
        now=TIME,
    )
    message = parsed(headers + shared.headers + b"\r\n\r\n" + shared.body)
    assert message["Subject"] == line
    assert message["Bcc"] is None
    assert message["To"].addresses[0].display_name == one.name
    assert message["To"].addresses[0].addr_spec == one.address
    assert message["Message-ID"] == f"<skrutinium.kv2030.night.23.1.4.{one.mark}@organiser.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert text(message) == body(TOLD, [])
