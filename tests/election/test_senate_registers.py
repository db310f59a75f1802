"""The Senate's registers, real ones in XML and made-up ones in both flavours, joined with what batches tell."""

import datetime
from pathlib import Path

import pytest

from skrutinium_server.election.check import check
from skrutinium_server.election.errors import MergeError, SourceError
from skrutinium_server.election.formats import READERS
from skrutinium_server.election.formats.volby_batches import read_batches
from skrutinium_server.election.formats.volby_senate_registers import NAMES, read_registers
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import load_law
from skrutinium_server.election.merge import merge
from skrutinium_server.election.model import Area, Candidate, Committee, Contest, Definition
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition
from skrutinium_server.release.registers.model import Edition
from skrutinium_server.release.registers.rows import row_registers

LAW = load_law("cz-senate-2018")

SERK = """<?xml version="1.0" encoding="windows-1250"?>
<SE_REGKAND DATGENER="2030-09-06T09:41:58" xmlns="http://www.volby.cz/se/">
 <SE_REGKAND_ROW><OBVOD>4</OBVOD><CKAND>1</CKAND><VSTRANA>7</VSTRANA><JMENO>Jana</JMENO><PRIJMENI>Smyšlená</PRIJMENI>
  <TITULPRED>Ing.</TITULPRED><VEK>51</VEK><NSTRANA>7</NSTRANA><PLATNOST>0</PLATNOST><NAZEV_VS>Smyšlení</NAZEV_VS></SE_REGKAND_ROW>
 <SE_REGKAND_ROW><OBVOD>4</OBVOD><CKAND>2</CKAND><VSTRANA>80</VSTRANA><JMENO>Jan</JMENO><PRIJMENI>Vymyšlený</PRIJMENI>
  <VEK>62</VEK><NSTRANA>80</NSTRANA><PLATNOST>1</PLATNOST></SE_REGKAND_ROW>
</SE_REGKAND>
"""
SERK_CSV = (
    "OBVOD;CKAND;VSTRANA;JMENO;PRIJMENI;TITULPRED;TITULZA;VEK;NSTRANA;PLATNOST;NAZEV_VS\n"
    "4;1;7;Jana;Smyšlená;Ing.;;51;7;A;Smyšlení\n4;2;80;Jan;Vymyšlený;;;62;80;N;\n"
)
SECOBV = "OBVOD;NAZEV_OBV;OKRES;PRVNI_VO;PLATNOST\n4;Vymyšlené Město;4102;1996;0\n5;Jiné Město;4102;1998;0\n"
CNS = "NSTRANA;NAZEV_STRN;ZKRATKAN30;ZKRATKAN8\n7;Smyšlená strana;Smyšlení;SMY\n80;Nezávislý kandidát;NK;NK\n"
BATCH = """<?xml version="1.0" encoding="UTF-8"?>
<VYSLEDKY_OKRSKY xmlns="http://www.volby.cz/senat/" DATUM_CAS_GENEROVANI="2030-10-05T14:34:00">
<DAVKA DATUMVOLEB="20301004" KOLO="1" PORADI_DAVKY="1" OKRSKY_DAVKA="1" OKRSKY_CELKEM="2" OKRSKY_ZPRAC="1"/>
<OKRSEK CIS_OBEC="100003" CIS_OKRSEK="5" CIS_OBVOD="4" PORADI_ZPRAC="1">
<HLASY_OKRSEK PORADOVE_CISLO="1" HLASY="35"/><HLASY_OKRSEK PORADOVE_CISLO="2" HLASY="0"/>
</OKRSEK>
</VYSLEDKY_OKRSKY>
"""


def tables(**changed: str) -> dict[str, bytes]:
    told = {"serk.xml": SERK, "secobv.csv": SECOBV, "cns.csv": CNS} | changed
    return {name: text.encode("cp1250") for name, text in told.items()}


def read(**changed: str) -> Definition:
    return read_registers(LAW, tables(**changed))


def test_made_registers() -> None:
    """Only constituencies with candidates vote; names, parties and who still stands are told, precincts are not."""
    definition = read()
    check(definition)
    assert definition.contests == (Contest("4", "senate", "persons", "CZ", "Vymyšlené Město", 1),)
    assert definition.candidates == (
        Candidate("4", "4.1", 0, 1, "Jana", "Smyšlená", "Ing.", "", 51, True, "7"),
        Candidate("4", "4.1", 0, 2, "Jan", "Vymyšlený", age=62, active=False, committee="80"),
    )
    assert definition.committees == (
        Committee("7", "Smyšlení", "SMY"),
        Committee("80", "Nezávislý kandidát", "NK"),
    )
    assert definition.precincts == ()


def test_csv_and_xml_tell_the_same() -> None:
    """Both flavours of CSV and XML give one definition."""
    one = read()
    other = tables()
    del other["serk.xml"]
    assert read_registers(LAW, {**other, "serk.csv": SERK_CSV.encode("cp1250")}) == one
    open_data = SERK_CSV.replace(";", ",").encode("utf-8-sig")
    assert read_registers(LAW, {**other, "serk.csv": open_data}) == one


def test_nothing_told_stays_unknown() -> None:
    """Without the other registers names are placeholders, which those registers fill later."""
    alone = read_registers(LAW, {"serk.xml": SERK.encode("cp1250")})
    assert alone.contests[0].name == "CIS_OBVOD 4"
    assert alone.committees == (Committee("7", "Smyšlení"), Committee("80", "VSTRANA 80"))
    assert merge(alone, read()) == merge(read(), alone) == read()


def test_batches_tell_the_precincts() -> None:
    """Registers and batches join in either order; alone, the batches give candidates by number."""
    told = read_batches(LAW, [("1.xml", BATCH.encode())])
    assert told.expected_records == 2
    check(told.definition)
    assert [row.family_name for row in told.definition.candidates] == ["PORADOVE_CISLO 1", "PORADOVE_CISLO 2"]
    registers = read_registers(LAW, tables(), event="se2030")
    joined = merge(registers, told.definition)
    check(joined)
    assert merge(told.definition, registers) == joined
    assert [row.family_name for row in joined.candidates] == ["Smyšlená", "Vymyšlený"]
    assert [(poll.precinct, poll.district) for poll in joined.polls] == [("100003-5", "4.1")]
    assert str(joined.date) == "2030-10-04"


def test_batches_of_the_second_round() -> None:
    """Their date is the first round's, so none is told; two rounds in one reading are refused."""
    second = BATCH.replace('KOLO="1"', 'KOLO="2"')
    told = read_batches(LAW, [("1.xml", second.encode())]).definition
    assert (told.date, told.contests[0].round) == (None, 2)
    with pytest.raises(SourceError, match="round 2; expected 1 as in the other batches"):
        read_batches(LAW, [("1.xml", BATCH.encode()), ("2.xml", second.encode())])


def test_councils_register_tells_the_areas() -> None:
    """A ward that a batch tells by its code alone is the ward that the register of councils tells, in its county."""
    ranges = ";".join(
        f"{bound}OKRSEK{n}" if n < 10 else f"{bound}OKRSE10" for n in range(1, 11) for bound in ("MIN", "MAX")
    )
    councils = (
        f"KRAJ;OKRES;TYPZASTUP;KODZASTUP;NAZEVZAST;OBEC;NAZEVOBCE;OBVODY;COBVODU;MANDATY;{ranges};STAV_OBCE\n"
        f"6200;6202;1;100002;Město;100003;Město-střed;0;1;11;1;7{';0' * 18};0\n"
    )
    registers = read_registers(LAW, tables(**{"kvrzcoco.csv": councils}), event="se2030")
    told = read_batches(LAW, [("1.xml", BATCH.encode())]).definition
    for joined in (merge(registers, told), merge(told, registers)):
        index = DefinitionIndex(joined)
        assert index.areas["100003"] == Area("100003", "ward", "Město-střed", "100002")
        assert index.ancestors("100003") == ("100003", "100002", "6202", "6200", "CZ")


def test_known_kinds_still_contradict() -> None:
    """Two sources that both know the kind of an area have to agree."""
    base = read()
    one = Definition(
        "se", base.name, None, LAW.id, 1, areas=(*base.areas, Area("9", "municipality", "Ves", "CZ"))
    )
    other = Definition("se", base.name, None, LAW.id, 1, areas=(*base.areas, Area("9", "ward", "Ves", "CZ")))
    with pytest.raises(MergeError, match="kind of area 9"):
        merge(one, other)


@pytest.mark.parametrize("end", [".csv", ".xml"])
def test_own_registers_are_read_back(end: str) -> None:
    """What the project writes in the row format for an event of the Senate tells its contests, persons and committees."""
    made = made_up_definition(2030, SMALL, LAW.id)
    edition = Edition(1, "0" * 64, datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC))
    papers = {Path(paper.path).name: paper.head(edition) + paper.body for paper in row_registers(made, {})}
    told = read_registers(
        LAW, {name: data for name, data in papers.items() if name.endswith(end) and name[:-4] in NAMES}
    )
    assert told.candidates == made.candidates
    assert told.contests == made.contests
    assert told.districts == made.districts
    assert [row.id for row in told.committees] == [row.id for row in made.committees]


FAULTS = {
    "number": ("serk.xml", "<CKAND>1<", "<CKAND>x<", "line 3, field CKAND: 'x'"),
    "validity": ("serk.xml", "<PLATNOST>0<", "<PLATNOST>7<", "field PLATNOST: '7'"),
    "no name": ("serk.xml", "<PRIJMENI>Smyšlená</PRIJMENI>", "", "field PRIJMENI: nothing is told"),
    "field twice": ("serk.xml", "<CKAND>1<", "<CKAND>1</CKAND><CKAND>2<", "CKAND: the field stands twice"),
    "nested": ("serk.xml", "<CKAND>1<", "<CKAND><B/>1<", "B: an element in a field"),
    "other row": ("serk.xml", "SE_REGKAND_ROW", "SE_ROW", "SE_ROW: the element is unknown"),
    "cut": ("serk.xml", "</SE_REGKAND>", "", "not XML"),
    "doctype": (
        "serk.xml",
        "<SE_REGKAND ",
        '<!DOCTYPE x [<!ENTITY e "">]><SE_REGKAND ',
        "XML without DOCTYPE",
    ),
    "county": ("secobv.csv", "4;Vymyšlené Město;4102", "4;Vymyšlené Město;9999", "'9999' is no county"),
    "constituency twice": ("secobv.csv", "5;Jiné", "4;Jiné", "constituency 4 stands twice"),
}


@pytest.mark.parametrize(("file", "old", "new", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_names_its_place(file: str, old: str, new: str, told: str) -> None:
    """A broken register says file, line, field and what was expected."""
    text = {"serk.xml": SERK, "secobv.csv": SECOBV}[file]
    assert old in text
    times = -1 if old == "SE_REGKAND_ROW" else 1
    with pytest.raises(SourceError) as caught:
        read(**{file: text.replace(old, new, times)})
    assert str(caught.value).startswith(file)
    assert told in str(caught.value)


def test_wrong_files_are_told(tmp_path: Path) -> None:
    """Without candidates, with one register in both forms, with a file that is none, nothing is read."""
    with pytest.raises(SourceError, match=r"serk\.csv: the register is missing"):
        read_registers(LAW, {"secobv.csv": SECOBV.encode("cp1250")})
    with pytest.raises(SourceError, match="given twice"):
        read_registers(LAW, {**tables(), "serk.csv": SERK_CSV.encode("cp1250")})
    for name, data in tables().items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "readme.txt").write_text("not a register")
    assert READERS["volby-registers"](LAW, [tmp_path]) == read()
    with pytest.raises(SourceError, match=r"readme\.txt: not a register"):
        READERS["volby-registers"](LAW, [tmp_path / "readme.txt"])


def test_real_registers(shared_data: Path) -> None:
    """2014: 27 constituencies in which 242 of 245 registered candidates stand, every one put up by a named party."""
    definition = READERS["volby-registers"](LAW, [shared_data / "volby/se2014"])
    check(definition)
    assert (len(definition.contests), len(definition.candidates)) == (27, 245)
    assert sum(row.active for row in definition.candidates) == 242
    named = {row.id: row for row in definition.committees}
    assert all(row.committee in named for row in definition.candidates)
    assert named["7"].short == "ČSSD"
