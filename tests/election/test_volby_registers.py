"""Czech registers: the real ones of 2018 make the whole definition, broken ones say where."""

import csv
import datetime
import io
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from skrutinium_server.election.check import check
from skrutinium_server.election.errors import SourceError
from skrutinium_server.election.formats import READERS
from skrutinium_server.election.formats.czech_areas import counties
from skrutinium_server.election.formats.volby_registers import read_registers
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.model import Area, Committee, Definition, List, UnnumberedList

LAW = load_law("cz-municipal-2018")

RANGES = ";".join(
    f"{bound}OKRSEK{n}" if n < 10 else f"{bound}OKRSE10" for n in range(1, 11) for bound in ("MIN", "MAX")
)
COUNCILS = (
    f"KRAJ;OKRES;TYPZASTUP;KODZASTUP;NAZEVZAST;OBEC;NAZEVOBCE;OBVODY;COBVODU;MANDATY;{RANGES};STAV_OBCE"
)
LISTS = "OKRES;KODZASTUP;COBVODU;POR_STR_HL;OSTRANA;VSTRANA;NAZEVCELK;ZKRATKAO8;POCSTR_SLO;SLOZENI"
CANDIDATES = "KODZASTUP;COBVODU;OSTRANA;PORCISLO;JMENO;PRIJMENI;TITULPRED;TITULZA;VEK;PLATNOST"


def council(head: str, ranges: str, state: int = 0) -> str:
    told = ranges.split(";")
    return ";".join([head, *told, *["0"] * (20 - len(told)), str(state)])


def _lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def made_registers() -> dict[str, str]:
    """A divided town, a city with a ward that has a council and one that has none, a village without an election."""
    return {
        "kvrzcoco.csv": _lines(
            COUNCILS,
            council("6200;6201;1;100001;Horní Ves;100001;Horní Ves;1;2;9", "1;3"),
            council("6200;6201;1;100001;Horní Ves;100001;Horní Ves;2;1;5", "1;2"),
            council("6200;6201;1;100001;Horní Ves;100001;Horní Ves;2;2;4", "3;3"),
            council("6200;6202;2;100003;Město-střed;100003;Město-střed;0;1;7", "1;2;5;5"),
            council("6200;6202;1;100002;Město;100003;Město-střed;0;1;11", "1;2;5;5"),
            council("6200;6202;1;100002;Město;100004;Město (zbytek);0;1;11", "7;7"),
            council("1100;1100;1;100005;Dolní Ves;100005;Dolní Ves;0;1;5", "1;1", 1),
        ),
        "kvros.csv": _lines(
            LISTS,
            "6201;100001;1;1;901;90;Za ves;SNK;1;080",
            "6201;100001;2;0;901;90;Za ves;SNK;1;080",
            "6202;100002;1;1;7;7;Smyšlení;SMY;1;007",
            "6202;100002;1;2;470;470;Sdružení;SDR;2;007,080",
            "6202;100003;1;1;7;7;Smyšlení pro střed;SMY;1;007",
            "6202;100003;1;2;901;90;Náš střed;SNK;1;080",
            "6202;100003;1;2;902;90;Jiný střed;SNK;1;080",
            "1100;100005;1;1;7;7;Smyšlení;SMY;1;007",
        ),
        "cpp.csv": "PSTRANA;NAZEV_STRP;ZKRATKAP8\n7;Smyšlení celostátně;SMYŠL\n",
        "kvrk.csv": _lines(
            CANDIDATES,
            "100002;1;7;1;Jana;Smyšlená;Ing.;;41;A",
            "100002;1;7;2;Jan;Vymyšlený;;Ph.D.;;N",
            "100003;1;901;1;Eva;Neskutečná;;;30;A",
            "100005;1;7;1;Petr;Nevolený;;;30;A",
        ),
    }


def read(registers: dict[str, str]) -> Definition:
    return read_registers(LAW, {name: text.encode("cp1250") for name, text in registers.items()})


def test_made_registers() -> None:
    """Divided councils, cities with wards, councils without an election, doubtful numbers are read as they are meant."""
    definition = read(made_registers())
    check(definition)
    index = DefinitionIndex(definition)
    assert (definition.event, definition.date, definition.law) == ("kv", None, LAW.id)
    assert [(contest.id, contest.kind, contest.seats) for contest in definition.contests] == [
        ("100001", "municipal-council", 9),
        ("100002", "municipal-council", 11),
        ("100003", "ward-council", 7),
    ]
    assert [(district.id, district.seats) for district in index.districts_of_contest("100001")] == [
        ("100001.1", 5),
        ("100001.2", 4),
    ]
    assert index.areas["100004"] == Area("100004", "ward", "Město (zbytek)", "100002")
    assert index.ancestors("100003") == ("100003", "100002", "6202", "6200", "CZ")
    assert [
        (poll.precinct, poll.contest) for poll in definition.polls if poll.precinct.startswith("10000")
    ] == [
        *(("100001-1", "100001"), ("100001-2", "100001"), ("100001-3", "100001")),
        *(("100003-1", "100002"), ("100003-1", "100003"), ("100003-2", "100002"), ("100003-2", "100003")),
        *(("100003-5", "100002"), ("100003-5", "100003"), ("100004-7", "100002")),
    ]
    assert index.list_of("100002.1", 1) == List("100002", "100002.1", 1, "7", "Smyšlení", 1)
    assert definition.unnumbered_lists == (
        UnnumberedList("100001", "100001.2", "90", "Za ves"),
        UnnumberedList("100003", "100003.1", "90", "Jiný střed"),
        UnnumberedList("100003", "100003.1", "90", "Náš střed"),
    )
    assert [(row.family_name, row.age, row.active) for row in definition.candidates] == [
        ("Smyšlená", 41, True),
        ("Vymyšlený", None, False),
    ]


def test_committee_is_named_only_as_is_true() -> None:
    """A name that most lists bear, else the party's own when it stands alone, else the code that says: unknown."""
    registers = made_registers()
    named = {row.id: row for row in read(registers).committees}
    assert named["470"] == Committee("470", "Sdružení", "SDR")
    assert named["7"] == Committee("7", "Smyšlení celostátně", "SMY")
    assert named["90"] == Committee("90", "VSTRANA 90", "SNK")
    del registers["cpp.csv"]
    assert {row.id: row.name for row in read(registers).committees}["7"] == "VSTRANA 7"


FAULTS = {
    "region": (
        "kvrzcoco.csv",
        "6200;6201;1;100001",
        "9900;6201;1;100001",
        ["line 2, field KRAJ", "'9900'", "6200"],
    ),
    "county": (
        "kvrzcoco.csv",
        "6200;6201;1;100001",
        "6200;7101;1;100001",
        ["line 2, field OKRES", "'7101'", "Jihomoravský"],
    ),
    "council level": (
        "kvrzcoco.csv",
        "6200;6201;1;100001",
        "6200;6201;3;100001",
        ["line 2, field TYPZASTUP", "'3'", "1, 2"],
    ),
    "seats": ("kvrzcoco.csv", "2;1;5;1;2", "2;1;x;1;2", ["line 3, field MANDATY", "'x'", "from 1 to 999"]),
    "sum of seats": (
        "kvrzcoco.csv",
        "2;1;5;1;2",
        "2;1;6;1;2",
        ["MANDATY", "100001 has 9 seats", "10, the sum"],
    ),
    "range": ("kvrzcoco.csv", "2;1;5;1;2", "2;1;5;2;1", ["line 3, field MAXOKRSEK1", "precincts 2 to 1"]),
    "huge range": (
        "kvrzcoco.csv",
        "2;1;5;1;2",
        "2;1;5;1;99999999",
        ["line 3, field MAXOKRSEK1", "at most 2000"],
    ),
    "precinct twice": (
        "kvrzcoco.csv",
        "11;1;2;5;5",
        "11;1;2;2;5",
        ["line 6, field MINOKRSEK2", "told twice"],
    ),
    "no precinct": (
        "kvrzcoco.csv",
        "2;1;5;1;2",
        "2;1;5;0;0",
        ["line 3, field MINOKRSEK1", "at least one range"],
    ),
    "state": ("kvrzcoco.csv", ";1\n", ";7\n", ["line 8, field STAV_OBCE", "'7'", "0, 1"]),
    "missing column": ("kvrzcoco.csv", "MINOKRSE10", "MINOKRSEK10", ["line 1, field MINOKRSE10", "missing"]),
    "short row": ("kvros.csv", ";SNK;1;080", ";SNK;1", ["kvros.csv, line 2", "9 values", "10"]),
    "unknown district": (
        "kvros.csv",
        "100001;2;0",
        "100001;3;0",
        ["line 3, field COBVODU", "100001.3", "kvrzcoco"],
    ),
    "no name": ("kvros.csv", "Sdružení;", " ;", ["kvros.csv, line 5, field NAZEVCELK", "a text"]),
    "negative": ("kvros.csv", "100001;1;1;", "100001;1;-1;", ["line 2, field POR_STR_HL", "'-1'"]),
    "candidate's list": (
        "kvrk.csv",
        "100002;1;7;1",
        "100002;1;8;1",
        ["kvrk.csv, line 2, field OSTRANA", "8 is no list"],
    ),
    "validity": ("kvrk.csv", ";41;A", ";41;X", ["kvrk.csv, line 2, field PLATNOST", "'X'", "A, N"]),
    "party": ("cpp.csv", "7;Smyšlení", "x;Smyšlení", ["cpp.csv, line 2, field PSTRANA", "'x'"]),
}


@pytest.mark.parametrize(("file", "old", "new", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_names_its_place(file: str, old: str, new: str, told: list[str]) -> None:
    """A broken value says file, line, column and what was expected; nothing is read."""
    registers = made_registers()
    assert old in registers[file]
    registers[file] = registers[file].replace(old, new, 1)
    with pytest.raises(SourceError) as caught:
        read(registers)
    for part in told:
        assert part in str(caught.value)


def test_wrong_files_are_told(tmp_path: Path) -> None:
    """A missing register, one given twice, an unknown one and bytes of another encoding are errors."""
    tables = {name: text.encode("cp1250") for name, text in made_registers().items()}
    with pytest.raises(SourceError, match=r"kvros\.csv: the register is missing"):
        read_registers(LAW, {"kvrzcoco.csv": tables["kvrzcoco.csv"]})
    with pytest.raises(SourceError, match=r"kvros\.csv, line 3: byte \d+ is no cp1250"):
        read_registers(LAW, {**tables, "kvros.csv": tables["kvros.csv"].replace(b"2;0;901", b"2;\x81;901")})
    for name, data in tables.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "readme.txt").write_text("not a register")
    assert READERS["volby-registers"](LAW, [tmp_path]) == read(made_registers())
    with pytest.raises(SourceError, match=r"readme\.txt: not a register"):
        READERS["volby-registers"](LAW, [tmp_path / "readme.txt"])
    with pytest.raises(SourceError, match="given twice"):
        READERS["volby-registers"](LAW, [tmp_path, tmp_path / "kvros.csv"])


ROOTS = {"kvrzcoco": "KV_RZCOCO", "kvros": "KV_ROS", "cpp": "CPP", "kvrk": "KV_REGKAND"}


def as_xml(name: str, text: str) -> bytes:
    """The same register in XML rows, empty fields left out, as the office writes it."""
    root = ROOTS[name]
    rows = "".join(
        f" <{root}_ROW>\n"
        + "".join(f"  <{field}>{escape(value)}</{field}>\n" for field, value in row.items() if value)
        + f" </{root}_ROW>\n"
        for row in csv.DictReader(io.StringIO(text), delimiter=";")
    )
    head = '<?xml version="1.0" encoding="windows-1250"?>\n'
    return f'{head}<{root} DATGENER="2030-01-01T00:00:00" xmlns="http://www.volby.cz/kv/">\n{rows}</{root}>\n'.encode(
        "cp1250"
    )


def test_registers_in_xml_tell_the_same() -> None:
    """Every register is read from XML rows as from CSV, all of them or some."""
    tables = made_registers()
    told = read(tables)
    for chosen in (set(ROOTS), {"kvros"}, {"kvrzcoco", "kvrk"}):
        mixed = {
            f"{name}.xml" if name in chosen else f"{name}.csv": as_xml(name, text)
            if name in chosen
            else text.encode("cp1250")
            for name, text in ((file.removesuffix(".csv"), text) for file, text in tables.items())
        }
        assert read_registers(LAW, mixed) == told


def test_fault_in_xml_names_its_line() -> None:
    """A broken value in XML says file, line of its row, field and what was expected."""
    tables = {
        name.replace(".csv", ".xml"): as_xml(name.removesuffix(".csv"), text)
        for name, text in made_registers().items()
    }
    tables["kvros.xml"] = tables["kvros.xml"].replace(b"<POR_STR_HL>1<", b"<POR_STR_HL>-1<", 1)
    with pytest.raises(SourceError, match=r"kvros\.xml, line 3, field POR_STR_HL: '-1'"):
        read_registers(LAW, tables)


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Definition:
    return READERS["volby-registers"](LAW, [shared_data / "volby/kv2018/registers"])


def test_real_registers(real: Definition) -> None:
    """2018: every council with an election, every precinct, exactly the 16,903 records the source expected."""
    check(real)
    assert Counter(contest.kind for contest in real.contests) == {
        "municipal-council": 6237,
        "ward-council": 140,
    }
    assert Counter(area.kind for area in real.areas) == {
        "country": 1,
        "region": 14,
        "county": 77,
        "municipality": 6237,
        "ward": 142,
    }
    assert (len(real.districts), len(real.precincts), len(real.polls)) == (6380, 14_748, 16_903)
    assert (len(real.lists), len(real.unnumbered_lists)) == (14_951, 10_356)
    # 2,603 councils had no numbers; three of them hold no election, and one more has a number twice.
    assert len({row.contest for row in real.unnumbered_lists}) == 2603 - 3 + 1


def test_real_peculiarities(real: Definition) -> None:
    """Divided councils, wards without a council, and the council with one number twice."""
    index = DefinitionIndex(real)
    divided = [id for id in index.contests if len(index.districts_of_contest(id)) > 1]
    assert divided == ["500216", "544779"]
    without_council = [
        area.id for area in real.areas if area.kind == "ward" and area.id not in index.contests
    ]
    assert without_council == ["555321", "556904"]
    assert [row.number for row in index.lists_of_district("567001.1")] == [1, 2, 4, 5, 6, 7, 9, 10]
    assert sum(row.contest == "567001" for row in real.unnumbered_lists) == 2


def test_councils_of_a_county_are_those_of_its_file(shared_data: Path) -> None:
    """County 2102 in the register of 2014 is CZ0202: the same 85 councils as in its results."""
    folder = shared_data / "volby/kv2014"
    text = (folder / "kvrzcoco.tsv.csv").read_text("utf-8")
    register = csv.DictReader(io.StringIO(text), delimiter="\t")
    told = {row["KODZASTUP"] for row in register if row["OKRES"] == "2102"}
    county = counties()["2102"]
    results = etree.parse(folder / f"{county.nuts}.xml").getroot()
    assert told == {council.get("KODZASTUP") for council in results.iterchildren("{*}OBEC")}
    assert len(told) == 85


CODEBOOKS = {
    "kvtypzas.csv": "TYPZASTUP;NAZTYPUZAS\n1;Obec\n2;Část\n",
    "kvdatumvoleb.xml": (
        '<KVDATUMVOLEB xmlns="http://www.volby.cz/kv/">'
        "<KVDATUMVOLEB_ROW><DATUMVOLEB>20301004</DATUMVOLEB></KVDATUMVOLEB_ROW>"
        "<KVDATUMVOLEB_ROW><DATUMVOLEB>20310913</DATUMVOLEB></KVDATUMVOLEB_ROW></KVDATUMVOLEB>"
    ),
}


def dated_registers() -> dict[str, str]:
    """Two elections in the same registers: the councils of 2030, and the village that votes a year later."""
    later = ("100005", "20310913")
    told: dict[str, str] = {}
    for name, text in made_registers().items():
        head, *lines = text.replace(";0;0;1\n", ";0;0;0\n").splitlines()
        days = [later[1] if later[0] in line else "20301004" for line in lines]
        told[name] = _lines(
            f"DATUMVOLEB;{head}", *(f"{day};{line}" for day, line in zip(days, lines, strict=True))
        )
    return told | {"cpp.csv": made_registers()["cpp.csv"]}


def test_by_election_is_read_by_its_own_date() -> None:
    """Of registers that hold several elections the one of the date is read; without a date it is asked for."""
    tables = {name: text.encode("cp1250") for name, text in (dated_registers() | CODEBOOKS).items()}
    regular = read_registers(LAW, tables, date=datetime.date(2030, 10, 4))
    check(regular)
    assert (regular.event, regular.date) == ("kv2030", datetime.date(2030, 10, 4))
    undated = read(made_registers())
    for table in ("contests", "districts", "polls", "committees", "lists", "unnumbered_lists", "candidates"):
        assert getattr(regular, table) == getattr(undated, table), table

    by_election = read_registers(LAW, tables, date=datetime.date(2031, 9, 13), event="by2031")
    check(by_election)
    assert [contest.id for contest in by_election.contests] == ["100005"]
    assert [one.family_name for one in by_election.candidates] == ["Nevolený"]

    with pytest.raises(SourceError, match=r"several elections: 2030-10-04, 2031-09-13.*--date"):
        read_registers(LAW, tables)
    with pytest.raises(SourceError, match="no row of the election of 2032-01-01"):
        read_registers(LAW, tables, date=datetime.date(2032, 1, 1))
    with pytest.raises(SourceError, match="'2031' is no day"):
        read_registers(LAW, {name: data.replace(b"20310913", b"2031") for name, data in tables.items()})


def test_only_election_in_the_registers_tells_its_date() -> None:
    """Registers of one election tell its date by themselves; without the column it may be told beside them."""
    one = {
        name: "".join(line for line in text.splitlines(keepends=True) if "20310913" not in line)
        for name, text in dated_registers().items()
    }
    assert read(one).date == datetime.date(2030, 10, 4)
    told = {name: text.encode("cp1250") for name, text in made_registers().items()}
    assert read_registers(LAW, told, date=datetime.date(2030, 10, 4)).event == "kv2030"


def test_councils_are_held_against_the_codebooks() -> None:
    """A code that a codebook beside the registers lacks is refused with its place; the codebooks come in CSV and in XML."""
    tables = dated_registers() | CODEBOOKS
    day = datetime.date(2030, 10, 4)
    for name, text in (
        ("kvtypzas.csv", "TYPZASTUP;NAZTYPUZAS\n1;Obec\n"),
        ("kvdatumvoleb.xml", CODEBOOKS["kvdatumvoleb.xml"].replace("20301004", "20261009")),
    ):
        broken = {file: told.encode("cp1250") for file, told in (tables | {name: text}).items()}
        with pytest.raises(SourceError, match=rf"kvrzcoco.csv, line .* is not in {name}"):
            read_registers(LAW, broken, date=day)
    truncated = {**tables, "kvdatumvoleb.xml": CODEBOOKS["kvdatumvoleb.xml"][:-10]}
    with pytest.raises(SourceError, match=r"kvdatumvoleb.xml.*not XML"):
        read_registers(LAW, {name: text.encode("cp1250") for name, text in truncated.items()}, date=day)


def test_committee_is_named_by_the_nationwide_register() -> None:
    """Where neither lists nor parties name a committee, ``cvs`` does."""
    cvs = "VSTRANA;NAZEVCELK;ZKRATKAV8\n90;Nezávislí vymyšlení;NEZ\n"
    named = {row.id: row for row in read(made_registers() | {"cvs.csv": cvs}).committees}
    assert named["90"] == Committee("90", "Nezávislí vymyšlení", "SNK")


def test_list_of_an_unknown_committee() -> None:
    """A numbered list may lack committee and name, which later sources tell; one without a number must have its name."""
    registers = made_registers()
    registers["kvros.csv"] = registers["kvros.csv"].replace(
        "100002;1;2;470;470;Sdružení;SDR", "100002;1;2;470;;;"
    )
    index = DefinitionIndex(read(registers))
    assert index.list_of("100002.1", 2) == List("100002", "100002.1", 2, None, None, 0)
    registers["kvros.csv"] = registers["kvros.csv"].replace("100002;1;2;470;;;", "100002;1;0;470;;;")
    with pytest.raises(SourceError, match="NAZEVCELK"):
        read(registers)


def test_empty_register_of_candidates_tells_nothing() -> None:
    """A register of candidates without rows, as it is published while nobody knows them, does not say that nobody stands."""
    registers = made_registers() | {"kvrk.csv": f"{CANDIDATES}\n"}
    assert {row.candidates for row in read(registers).lists} == {None}
