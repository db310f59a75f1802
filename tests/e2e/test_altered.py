"""A night that the real processes published is altered by one thing at a time; ``skrutinium verify DIR`` names it."""

import gzip
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.at_work import command, served, skrutinium_command
from tests.e2e.forging import Forger
from tests.e2e.made_up import PROTOCOLS, made_up_site, protocols_folder

FIRST, ALTERED = PROTOCOLS[:40], PROTOCOLS[40:80]
"""Protocols of the first and the second cut that is asked for; the rest comes with the third. The site cuts by itself too."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose night was published in some releases, with cuts after a third, two thirds and all of it."""
    folder = tmp_path_factory.mktemp("night")
    site = made_up_site(folder)
    with served(site):
        command("run", "open", site, "night", "--phase", "rehearsal")
        for name, protocols in (("a", FIRST), ("b", ALTERED), ("c", PROTOCOLS[80:])):
            source = protocols_folder(folder / name, protocols)
            command("protocols", "import", site, "night", "--format", "csv", source)
            command("release", "cut", site, "night")
    return site


@pytest.fixture
def forger(site: Path, tmp_path: Path) -> Forger:
    """A copy of the site's store, and the site's key to sign with."""
    shutil.copytree(site / "store", tmp_path / "store")
    return Forger(tmp_path / "store", site / "keys")


@pytest.fixture
def volby(forger: Forger, site: Path) -> Forger:
    """The same copy, to forge its series ``volby``."""
    return Forger(forger.store, site / "keys", "volby")


def found(forger: Forger, code: int = 1) -> list[str]:
    """The differences that ``verify`` tells, without what it compares by the way."""
    said = skrutinium_command("verify", forger.store, code=code)
    assert ("AGREEMENT" in said) == (code == 0)
    return [line.strip() for line in said.splitlines() if line.endswith("]")]


def release_with(forger: Forger, protocol_place: int) -> int:
    """The release that holds a protocol."""
    protocol = PROTOCOLS[protocol_place]
    held = f'precinct="{protocol.precinct}" contest="{protocol.contest}"'
    for number in range(2, forger.newest + 1):
        path = f"batch/{number}.xml"
        if path in forger.rows(number) and held in forger.document(number, path).decode():
            return number
    raise AssertionError(f"no release holds {held}")


def add_one(text: str, found: re.Match[str]) -> tuple[bytes, int]:
    """The text with one more vote where the pattern's first group is; and the number that was there."""
    votes = int(found[1])
    return f"{text[: found.start(1)]}{votes + 1}{text[found.end(1) :]}".encode(), votes


def test_forging_alone_changes_nothing(forger: Forger) -> None:
    """The night agrees as it is, and after everything was packed, hashed and signed anew without an alteration."""
    assert found(forger, code=0) == []

    forger.exchange({})

    assert found(forger, code=0) == []


def test_one_vote(forger: Forger) -> None:
    """One vote more in a published total, all signed anew with the site's own key: release, document and list are named."""
    number = release_with(forger, 60)
    path = next(path for path in forger.rows(number) if path == f"contest/{PROTOCOLS[60].contest}.xml")
    text = forger.document(number, path).decode()
    place = re.search(r'<list number="1"[^>]* votes="(\d+)"', text)
    assert place
    data, votes = add_one(text, place)

    forger.exchange({(number, path): data})

    (told,) = found(forger)
    assert told.startswith(f"release {number}, {path}: ")
    assert told.endswith("[total]")
    assert "list 1" in told
    assert f"published {votes + 1}, recomputed {votes}" in told


def test_one_vote_in_the_country(forger: Forger) -> None:
    """One vote more for a committee in the whole event is named with both numbers."""
    number = release_with(forger, 60)
    text = forger.document(number, "event.xml").decode()
    place = re.search(r'<committee id="[^"]+"[^>]* votes="(\d+)"', text)
    assert place
    data, votes = add_one(text, place)

    forger.exchange({(number, "event.xml"): data})

    (told,) = found(forger)
    assert told.startswith(f"release {number}, event.xml: ")
    assert f"published {votes + 1}, recomputed {votes}" in told


@pytest.mark.parametrize("inside", [True, False], ids=["document", "compressed"])
def test_one_byte(forger: Forger, inside: bool) -> None:
    """One byte of a stored document, in its text or in the compressed file, is named by release and path."""
    number = release_with(forger, 60)
    path = f"contest/{PROTOCOLS[60].contest}.xml"
    file = forger.object(forger.rows(number)[path])
    data = bytearray(gzip.decompress(file.read_bytes()) if inside else file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(gzip.compress(data, mtime=0) if inside else data)

    (told,) = found(forger)

    assert told.startswith(f"release {number}, {path}: ")
    assert told.endswith("[object]")


def test_one_signature(forger: Forger) -> None:
    """One character of a manifest's signature is named by its release."""
    file = forger.signature(3)
    algorithm, key, signature = file.read_text().split()
    file.write_text(f"{algorithm} {key} {'B' if signature[0] == 'A' else 'A'}{signature[1:]}\n")

    told = found(forger)

    assert any(
        one.startswith("release 3, manifest.xml.sig: ") and one.endswith("[signature]") for one in told
    )
    assert all(one.startswith("release 3, ") and one.endswith(("[signature]", "[pack]")) for one in told)


def test_one_release_number(forger: Forger) -> None:
    """A release under another number, all signed anew, is named with both numbers."""
    forger.exchange({}, renumbered={3: 4})

    told = found(forger)

    assert any(
        one.startswith("release 3, manifest.xml: ")
        and "published 4, recomputed 3" in one
        and "[number]" in one
        for one in told
    )


def test_one_protocol(forger: Forger) -> None:
    """One vote more in a published protocol, all signed anew, is named by precinct, contest and list."""
    number = release_with(forger, 60)
    path, protocol = f"batch/{number}.xml", PROTOCOLS[60]
    text = forger.document(number, path).decode()
    place = re.compile(
        rf'precinct="{protocol.precinct}" contest="{protocol.contest}"(?:(?!</protocol>).)*?<list number="1" votes="(\d+)"',
        re.DOTALL,
    ).search(text)
    assert place
    data, votes = add_one(text, place)

    forger.exchange({(number, path): data})

    told = [one for one in found(forger) if one.endswith("[protocol]")]
    assert len(told) == 1
    assert told[0].startswith(f"release {number}, {path}: ")
    assert f"precinct {protocol.precinct}, contest {protocol.contest}: votes of list 1" in told[0]
    assert f"published {votes + 1}, recomputed {votes}" in told[0]


def newest_with(forger: Forger, path: str) -> tuple[int, str]:
    """The newest release that holds a document whose path matches, and that path."""
    return next(
        (number, row)
        for number in range(forger.newest, 0, -1)
        for row in forger.rows(number)
        if re.fullmatch(path, row)
    )


@pytest.mark.parametrize(
    ("path", "mark", "what"),
    [
        (r"zastup/vysledky_obec_\d+\.xml", r'<VOLEBNI_STRANA POR[^>]* HLASY="(\d+)"', "HLASY"),
        (r"okresy/vysledky_obce_okres_\w+\.xml", r'<VOLEBNI_STRANA POR[^>]* HLASY="(\d+)"', "HLASY"),
        (r"vysledky\.xml", r'<VOLEBNI_STRANA VSTRANA[^>]* HLASY="(\d+)"', "HLASY"),
        (r"vysledky\.xml", r' ODEVZDANE_OBALKY="(\d+)"', "ODEVZDANE_OBALKY"),
    ],
    ids=["council", "county", "country", "envelopes"],
)
def test_one_number_of_volby(volby: Forger, path: str, mark: str, what: str) -> None:
    """One vote or envelope more in a document of the series volby, all signed anew, is named with both values."""
    number, row = newest_with(volby, path)
    text = volby.document(number, row).decode()
    place = re.search(mark, text)
    assert place
    data, value = add_one(text, place)

    volby.exchange({(number, row): data})

    told = found(volby)
    assert all(one.startswith(f"volby release {number}, {row}: ") for one in told)
    assert any(f"{what}: published {value + 1}, recomputed {value}" in one for one in told)


def test_one_percentage_of_volby(volby: Forger) -> None:
    """A turnout that its own figures do not give is named."""
    number, row = newest_with(volby, r"vysledky\.xml")
    text = volby.document(number, row).decode()
    place = re.search(r' UCAST_PROC="\d+\.(\d\d)"', text)
    assert place
    other = f"{(int(place[1]) + 1) % 100:02d}"
    data = text[: place.start(1)] + other + text[place.end(1) :]

    volby.exchange({(number, row): data.encode()})

    (told,) = found(volby)
    assert told.startswith(f"volby release {number}, {row}: OBEC: UCAST_PROC: published ")


def test_one_record_of_a_batch_of_volby(volby: Forger) -> None:
    """One vote more in a record of a batch, all signed anew, is named by precinct, council and list."""
    number, row = newest_with(volby, r"okrsky/vysledky_okrsky_\d+\.xml")
    text = volby.document(number, row).decode()
    place = re.search(r'<HLASY_OKRSEK POR_STR_HLAS_LIST="1" HLASY="(\d+)"', text)
    assert place
    data, votes = add_one(text, place)

    volby.exchange({(number, row): data})

    (told,) = found(volby)
    assert told.startswith(f"volby release {number}, {row}: record of precinct ")
    assert f"list 1: HLASY: published {votes + 1}, recomputed {votes}" in told
    assert told.endswith("[record]")


def test_one_record_of_volby_left_out(volby: Forger) -> None:
    """A record that is left out of its batch is named, and so is the count of records it makes wrong."""
    number, row = newest_with(volby, r"okrsky/vysledky_okrsky_\d+\.xml")
    text = volby.document(number, row).decode()
    data = re.sub(r"<OKRSEK .*?</OKRSEK>\n", "", text, count=1, flags=re.DOTALL)

    volby.exchange({(number, row): data.encode()})

    told = found(volby)
    assert any("OKRSKY_DAVKA" in one for one in told)
    assert any("record of precinct " in one and "published nothing" in one for one in told)


def test_one_signature_of_volby(volby: Forger) -> None:
    """One character of the signature of a manifest of the series volby is named by series and release."""
    file = volby.signature(2)
    algorithm, key, signature = file.read_text().split()
    file.write_text(f"{algorithm} {key} {'B' if signature[0] == 'A' else 'A'}{signature[1:]}\n")

    told = found(volby)

    assert any(one.startswith("volby release 2, manifest.xml.sig: ") for one in told)
    assert all(one.startswith("volby release 2, ") for one in told)


def test_one_byte_of_volby(volby: Forger) -> None:
    """One byte of a stored document of the series volby is named by release and path."""
    number, row = newest_with(volby, r"zastup/vysledky_obec_\d+\.xml")
    file = volby.object(volby.rows(number)[row])
    data = bytearray(gzip.decompress(file.read_bytes()))
    data[len(data) // 2] ^= 1
    file.write_bytes(gzip.compress(data, mtime=0))

    (told,) = found(volby)

    assert told.startswith(f"volby release {number}, {row}: ")
    assert told.endswith("[object]")
