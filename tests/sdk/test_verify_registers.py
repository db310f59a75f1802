"""``verify`` compares results with the registers: what was never published is named, and so is what no register knows."""

import hashlib
import re
from pathlib import Path

import pytest

from skrutinium import Report, open_source, verify
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.registers_builder import Registers, make_registers
from tests.sdk.store_builder import EVENT, Night, Written, fingerprint, make_night, sign

UNKNOWN_LAW = "seats and who is elected were not checked: the law made-up-2030 is not known"


async def checked(root: Path, place: str | None = None, pinned: str | None = None) -> Report:
    async with open_source(place or str(root)) as source:
        return await verify(source, fingerprint=pinned)


def found(report: Report) -> set[tuple[str, int | None, str]]:
    return {(one.code, one.release, one.path) for one in report.differences}


async def compared(root: Path, night: Night, registers: Registers) -> set[tuple[str, int | None, str]]:
    registers.write(night.write(root))
    return found(await checked(root))


def with_voters(night: Night, registers: Registers) -> None:
    """Give every precinct 500 voters, and publish them as still out wherever a protocol is."""
    for name in list(registers.documents):
        if name == "registers/precincts.xml":
            registers.documents[name] = re.sub(
                rb"(<poll [^>]*)/>", rb'\1 eligible="500"/>', registers.documents[name]
            )

    def told(match: re.Match[bytes]) -> bytes:
        return match[0] + b' eligible-out="%d"' % (500 * (int(match[1]) - int(match[2])))

    def out(match: re.Match[bytes]) -> bytes:
        return match[0] + b' eligible-out="%d"' % (500 * int(match[1]))

    for made in night.releases:
        for path, data in made.documents.items():
            counted = re.sub(rb'<count reporting="[a-z]+" expected="(\d+)" reported="(\d+)"', told, data)
            made.documents[path] = re.sub(rb' precincts-out="(\d+)"', out, counted)


async def test_right_registers(tmp_path: Path) -> None:
    """Results that are what the registers say agree, and the report says with how many documents they were compared."""
    night, registers = make_night(), make_registers()
    registers.write(night.write(tmp_path))

    report = await checked(tmp_path, pinned=fingerprint(night.key))

    assert report.differences == []
    assert report.registers == {1: 8}
    assert report.notes == ["there is no heartbeat", UNKNOWN_LAW]


async def test_no_registers(tmp_path: Path) -> None:
    """A store without registers is no failure: the report says what was not checked."""
    make_night().write(tmp_path)

    report = await checked(tmp_path)

    assert report.agrees
    assert any("there are no registers 1" in note for note in report.notes)


@pytest.mark.parametrize(
    ("register", "old", "new", "code", "path", "what"),
    [
        ("areas", 'name="Town"', 'name="Towne"', "names", "area/11.xml", "area 100: name"),
        ("contests", 'name="Council 100"', 'name="Council C"', "names", "contest/100.xml", "name"),
        ("contests", 'seats="5"', 'seats="7"', "names", "contest/100.xml", "seats"),
        ("districts", 'name="District"', 'name="Ward"', "names", "contest/100.xml", "district 100.1: name"),
        ("precincts", 'kind="permanent"', 'kind="special"', "names", "precinct/100-1.xml", "kind"),
        ("committees", 'name="Committee 7"', 'name="Seven"', "names", "event.xml", "municipal-council: committee 7: name"),
        ("lists", 'name="List 1"', 'name="List A"', "names", "contest/100.xml", "district 100.1: list 1: name"),
        ("candidates/11", 'family-name="Candidate"', 'family-name="Other"', "names", "contest/100.xml",
         "district 100.1: list 1: candidate 1: family-name"),
    ],
)  # fmt: skip
async def test_other_name(
    tmp_path: Path, register: str, old: str, new: str, code: str, path: str, what: str
) -> None:
    """A name or a constant that is another in the results than in its register: document and value are named."""
    make_registers().change(register, old, new).write(make_night().write(tmp_path))

    told = {(one.code, one.release, one.path, one.what) for one in (await checked(tmp_path)).differences}

    assert (code, 1, path, what) in told
    assert {one[0] for one in told} == {code}


@pytest.mark.parametrize("cut", [0, 1, 12, 200])
async def test_codebook_cut_off(tmp_path: Path, cut: int) -> None:
    """A codebook that was cut off before it was signed is named; whole, it is not."""
    root = Path(__file__).resolve().parents[2]
    sample = root / "samples/skrutinium/1.0/registers/valid/codebooks-phases.xml"
    data = sample.read_bytes().rstrip()
    registers = make_registers()
    registers.documents["codebooks/phases.xml"] = data[: len(data) - cut]

    found = await compared(tmp_path, make_night(), registers)

    assert found == ({("registers", None, "registers/1/codebooks/phases.xml")} if cut else set())


async def test_precinct_never_published(tmp_path: Path) -> None:
    """A precinct that the registers have, and no release: it is named, once."""
    registers = make_registers().change(
        "precincts",
        "</precincts>",
        '<precinct id="100-3" area="100" number="3" kind="permanent"><poll contest="100" district="100.1"/></precinct></precincts>',
    )

    assert await compared(tmp_path, make_night(), registers) == {("unpublished", 1, "precinct/100-3.xml")}


async def test_contest_never_published(tmp_path: Path) -> None:
    """A contest that the registers have, and no release: it is named."""
    registers = make_registers().change(
        "contests",
        "</contests>",
        '<contest id="300" kind="municipal-council" form="lists" area="100" name="Council 300" seats="5" round="1"/></contests>',
    )

    assert await compared(tmp_path, make_night(), registers) >= {("unpublished", 1, "contest/300.xml")}


async def test_candidate_and_list_never_published(tmp_path: Path) -> None:
    """A candidate, and a list, that the registers have and no document: the document where they miss is named."""
    registers = make_registers()
    registers.change("candidates/11", "</ballot>", '<candidate number="3" family-name="Left Out"/></ballot>')
    registers.change(
        "lists",
        '<list contest="200"',
        '<list contest="200" district="200.1" number="4" committee="8" name="List 4"/><list contest="200"',
    )
    registers.write(make_night().write(tmp_path))

    told = {(one.code, one.path, one.what) for one in (await checked(tmp_path)).differences}

    assert told == {
        ("unpublished", "contest/100.xml", "district 100.1: list 1: candidate 3"),
        ("unpublished", "contest/200.xml", "district 200.1: list 4"),
    }


async def test_unregistered(tmp_path: Path) -> None:
    """A precinct, a list and a candidate that no register knows are named."""
    registers = make_registers()
    registers.change("candidates/11", '<candidate number="2" family-name="Candidate"/>', "")
    data = registers.documents["registers/precincts.xml"].decode()
    registers.documents["registers/precincts.xml"] = re.sub(
        r'<precinct id="100-2".*?</precinct>', "", data
    ).encode()

    told = await compared(tmp_path, make_night(), registers)

    assert {("unregistered", 1, "precinct/100-2.xml"), ("unregistered", 1, "contest/100.xml")} <= told
    assert {code for code, _, _ in told} == {"unregistered"}


async def test_voters_still_out(tmp_path: Path) -> None:
    """Voters still out are counted again from the register, at every release and in every document that tells them."""
    night, registers = make_night(), make_registers()
    with_voters(night, registers)
    registers.write(night.write(tmp_path))

    assert (await checked(tmp_path)).differences == []


@pytest.mark.parametrize(
    ("release", "path", "old", "new"),
    [
        (
            2,
            "event.xml",
            'precincts-out="3" eligible-out="1500" state',
            'precincts-out="3" eligible-out="1499" state',
        ),
        (2, "contest/100.xml", 'eligible-out="500"', 'eligible-out="501"'),
        (3, "area/11.xml", 'precincts-out="2" eligible-out="1000"', 'precincts-out="2"'),
    ],
)
async def test_wrong_voters_still_out(tmp_path: Path, release: int, path: str, old: str, new: str) -> None:
    """One voter more or less among those still out, or none told: that document is named."""
    night, registers = make_night(), make_registers()
    with_voters(night, registers)
    documents = night.releases[release - 1].documents
    assert old.encode() in documents[path], documents[path].decode()
    documents[path] = documents[path].replace(old.encode(), new.encode(), 1)

    assert await compared(tmp_path, night, registers) == {("total", release, path)}


async def test_broken_registers(tmp_path: Path) -> None:
    """A register with another byte, an invalid one, a wrong signature: named as registers, and nothing is compared with them."""
    night = make_night()
    written = night.write(tmp_path)
    make_registers().change("areas", 'kind="country"', 'kind="planet"').write(written)
    assert found(await checked(tmp_path)) == {("registers", None, "registers/1/registers/areas.xml")}

    make_registers().write(written)
    index = tmp_path / "event" / EVENT / "registers" / "000000001.xml"
    right = index.read_bytes()
    index.write_bytes(right.replace(b'size="', b'size="1', 1))
    assert found(await checked(tmp_path)) == {("registers", None, "registers/1/registers.xml")}

    index.write_bytes(right)
    (tmp_path / "event" / EVENT / "registers" / "newest").write_text(f"1 {'0' * 64}\n")
    assert found(await checked(tmp_path)) == {("registers", None, "registers/1/newest")}


async def test_newest_edition(tmp_path: Path) -> None:
    """The newest edition of a definition's registers counts."""
    night = make_night()
    written = night.write(tmp_path)
    make_registers().change("areas", 'name="Town"', 'name="Towne"').write(written)
    make_registers().write(written, edition=2)

    assert (await checked(tmp_path)).differences == []


async def test_registers_of_a_feed(tmp_path: Path) -> None:
    """A feed's registers are read by its addresses."""
    registers = make_registers().change("committees", 'name="Committee 8"', 'name="Eight"')
    registers.write(make_night().write(tmp_path))
    feed = await StoreFeed(tmp_path).start()
    try:
        report = await checked(tmp_path, feed.url)
    finally:
        await feed.stop()

    assert report.registers == {1: 8}
    assert {one.code for one in report.differences} == {"names"}


def later_edition(root: Path) -> Written:
    """A night whose registers had a calendar added: edition 2 follows edition 1."""
    written = make_night().write(root)
    make_registers().write(written)
    registers = make_registers()
    registers.documents["calendar.ics"] += b"\r\n"
    registers.write(written, edition=2)
    return written


FIRST, SECOND = "registers/1.1/registers.xml", "registers/1/registers.xml"


@pytest.mark.parametrize("asked", ["folder", "feed"])
async def test_chain_of_registers(tmp_path: Path, asked: str) -> None:
    """An earlier edition that was exchanged or taken away after others followed it is found, though its signature holds."""
    written = later_edition(tmp_path)
    feed = await StoreFeed(tmp_path).start()
    place = feed.url if asked == "feed" else str(tmp_path)
    first = tmp_path / "event" / EVENT / "registers" / "000000001.xml"
    try:
        assert (await checked(tmp_path, place)).differences == []

        forged = first.read_bytes().replace(b'made-up="true"', b'made-up="false"', 1)
        written.put(f"event/{EVENT}/registers/000000001.xml.sig", sign(written.night.key, forged))
        first.write_bytes(forged)
        told = (await checked(tmp_path, place)).differences
        assert [(one.code, one.path, one.what) for one in told] == [("registers", SECOND, "previous")]

        written.put(f"event/{EVENT}/registers/000000001.xml.sig", sign(make_night().key, forged))
        told = (await checked(tmp_path, place)).differences
        assert {(one.path, one.what) for one in told} == {(FIRST, "cannot be used"), (SECOND, "previous")}

        first.unlink()
        told = (await checked(tmp_path, place)).differences
        assert {(one.path, one.what) for one in told} == {(FIRST, "is missing"), (SECOND, "previous")}
    finally:
        await feed.stop()


async def test_two_firsts(tmp_path: Path) -> None:
    """A later edition that claims to be the first is found: two follow nothing."""
    written = later_edition(tmp_path)
    folder = tmp_path / "event" / EVENT / "registers"
    forged = re.sub(
        rb'previous="[0-9a-f]+"', b'previous="' + b"0" * 64 + b'"', (folder / "000000001.2.xml").read_bytes()
    )
    written.put(f"event/{EVENT}/registers/000000001.2.xml", forged)
    written.put(f"event/{EVENT}/registers/000000001.2.xml.sig", sign(written.night.key, forged))
    (folder / "newest").write_text(f"1 {hashlib.sha256(forged).hexdigest()}\n")

    told = (await checked(tmp_path)).differences

    assert [(one.path, one.what) for one in told] == [
        (SECOND, "previous: registers 1.1 follow the same index")
    ]


async def test_definitions_without_registers_at_a_feed(tmp_path: Path) -> None:
    """A feed that says no-registers, of all or of an earlier version of the definition, makes no difference."""
    written = make_night().write(tmp_path)
    feed = await StoreFeed(tmp_path).start()
    try:
        report = await checked(tmp_path, feed.url)
        assert report.differences == []
        assert any("there are no registers 1" in note for note in report.notes)

        make_registers().write(written)
        assert (await checked(tmp_path, feed.url)).differences == []
        folder = tmp_path / "event" / EVENT / "registers"
        second = (folder / "000000001.xml").read_bytes()
        second = re.sub(rb' definition="1" definition', rb' definition="2" definition', second, count=1)
        written.put(f"event/{EVENT}/registers/000000002.xml", second)
        written.put(f"event/{EVENT}/registers/000000002.xml.sig", sign(written.night.key, second))
        (folder / "newest").write_text(f"2 {hashlib.sha256(second).hexdigest()}\n")
        (folder / "000000001.xml").unlink()
        report = await checked(tmp_path, feed.url)
        assert report.differences == []
    finally:
        await feed.stop()
