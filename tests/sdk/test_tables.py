"""Tables: documents as records, what differs between two, and the part that is wanted."""

import asyncio
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pandas
import pytest
from hypothesis import given

import skrutinium
from skrutinium import TABLES, ChoiceNeeded, Record, RecordChange, SchemaError
from skrutinium.documents import protocols_reading, reading
from skrutinium.documents.series import Document
from skrutinium.tables import bulk
from skrutinium.tables.columns import Table
from skrutinium.tables.paths import place_of, read_rows
from skrutinium.tables.records import Tabled
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.registers_builder import make_registers
from tests.sdk.sinks_at_work import expected, fresh, long_night
from tests.sdk.store_builder import EVENT, Written, make_night

SAMPLES = Path(__file__).parents[2] / "samples" / "skrutinium" / "1.0" / "valid"
READERS: dict[str, Callable[[bytes, str], Tabled]] = {
    "area": reading.read_area,
    "contest": reading.read_contest,
    "corrections": protocols_reading.read_corrections,
    "event": reading.read_event,
    "precinct": protocols_reading.read_precinct,
    "summary": reading.read_summary,
    "turnout": reading.read_turnout,
}
DOCUMENTS = [path for path in sorted(SAMPLES.glob("*.xml")) if path.stem.partition("-")[0] in READERS]
TYPES = {"text": str, "int": int, "bool": bool, "date": str, "time": str}


def sample(name: str) -> Tabled:
    """A sample of the repository."""
    path = SAMPLES / f"{name}.xml"
    return READERS[name.partition("-")[0]](path.read_bytes(), path.name)


async def store(folder: Path, releases: int | None = None) -> Written:
    return await asyncio.to_thread(make_night().write, folder / "store", releases)


# ------------------------------------------------------------------ records
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_records_are_what_their_tables_say(path: Path) -> None:
    """Each value has the type of its column, none is a float, required ones are there, and keys tell rows apart."""
    document = READERS[path.stem.partition("-")[0]](path.read_bytes(), path.name)
    tables = skrutinium.to_records(document)
    assert any(tables.values())
    for name, records in tables.items():
        table = TABLES[name]
        keys = [tuple(record[column] for column in table.key) for record in records]
        assert len(set(keys)) == len(keys)
        for record in records:
            assert tuple(record) == table.names
            for column in table.columns:
                value = record[column.name]
                assert type(value) is TYPES[column.type] or (value is None and not column.required), column


def test_all_tables_are_made_by_samples() -> None:
    """No table is always empty: the samples fill each of them."""
    filled: set[str] = set()
    for path in DOCUMENTS:
        document = READERS[path.stem.partition("-")[0]](path.read_bytes(), path.name)
        filled |= {name for name, records in skrutinium.to_records(document).items() if records}
    assert filled == set(TABLES)


def test_four_kinds_of_nothing_stay_apart() -> None:
    """Not reported: empty votes beside `none`; a sum beside `part`; a zero beside `all`; what is not told beside a count that is."""
    nothing = skrutinium.to_records(sample("contest-not-reported"))
    assert {(row["reporting"], row["votes"]) for row in nothing["lists"]} == {("none", None)}
    council = skrutinium.to_records(sample("contest-council"))
    assert {row["reporting"] for row in council["lists"]} == {"all"}
    assert all(isinstance(row["votes"], int) for row in council["lists"])
    assert council["contest_figures"][0]["value"] == council["contests"][0]["eligible"]


def test_some_tables_of_a_document() -> None:
    """Only the tables that are wanted are given."""
    assert set(skrutinium.to_records(sample("contest-council"), ["lists", "event"])) == {"lists"}


async def test_country_row_is_told_like_those_below(tmp_path: Path) -> None:
    """What is made for the country out of its kinds is what areas say of those below them by the same rule."""
    written = await store(tmp_path, 3)
    async with skrutinium.connect(written.root) as feed:
        release = await feed.release()
        rows = {row["area"]: row for row in (await skrutinium.records(release, tables=["areas"]))["areas"]}
        for id, below in (("CZ", "10"), ("10", "11")):
            for name in ("reporting", "expected", "reported", "precincts", "precincts_out"):
                assert (
                    rows[id][name] == rows[below][name]
                )  # each of them has one area below, which is all of it
        assert (rows["CZ"]["parent"], rows["CZ"]["listed_in"]) == (None, "CZ")


async def test_rows_of_another_owner_are_refused(tmp_path: Path) -> None:
    """A document that tells of something else than its path says is not taken for it."""
    written = await store(tmp_path, 1)
    async with skrutinium.connect(written.root) as feed:
        release = await feed.release()
        data = await release.document("contest/200.xml")
    place = place_of("contest/100.xml", EVENT)
    assert place is not None
    row = Document(place.path, len(data), "0" * 64, "", 1)
    with pytest.raises(SchemaError, match="something else than 100"):
        read_rows(place, data, row, release.manifest)


async def test_only_what_is_chosen(tmp_path: Path) -> None:
    """An area stands for what lies below it, a contest for itself and its precincts; tables that are not named are not there."""
    written = await store(tmp_path)
    await asyncio.to_thread(make_registers().write, written)
    everything = await fresh(written.root)
    ward = await fresh(written.root, areas=["201"])
    assert {row[0] for row in ward["precincts"]} == {"201-1"}
    assert {row[0] for row in ward["contests"]} == {"200", "201"}  # voted on there
    assert ward["event"] == everything["event"]
    assert ward["corrections"] == []
    town = await fresh(written.root, contests=["100"])
    assert {row[0] for row in town["contests"]} == {"100"}
    assert {row[0] for row in town["precincts"]} == {"100-1", "100-2"}
    assert town["corrections"] == everything["corrections"] != []
    assert town["areas"] == []
    county = await fresh(written.root, areas=["11"], tables=["contests", "area_kinds"])
    assert set(county) == {"contests", "area_kinds"}
    assert county["contests"] == everything["contests"]
    wards = await fresh(written.root, kinds=["ward-council"])
    assert {row[0] for row in wards["contests"]} == {"201", "202"}
    assert {row[0] for row in wards["precincts"]} == {"201-1", "202-1"}
    assert wards["areas"] == []
    both = await fresh(written.root, kinds=["ward-council"], contests=["100"])
    assert {row[0] for row in both["contests"]} == {"100", "201", "202"}
    with pytest.raises(
        ChoiceNeeded, match="no contest of the kind senate, but of: municipal-council, ward-council"
    ):
        await fresh(written.root, kinds=["senate"])
    with pytest.raises(ChoiceNeeded, match="no area 999"):
        await fresh(written.root, areas=["999"])
    with pytest.raises(ValueError, match="there is no table votes"):
        await fresh(written.root, tables=["votes"])


async def test_many_documents_come_by_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that takes fewer requests, documents come by packs of releases and not one by one, and say the same."""
    monkeypatch.setattr(bulk, "_MANY", 1)
    monkeypatch.setattr(bulk, "_EACH", 1)
    written = await store(tmp_path)
    feed = await StoreFeed(written.root).start()
    try:
        async with skrutinium.connect(feed.url) as client:
            told = expected(await skrutinium.records(await client.release()))
        assert feed.asked[f"/event/{EVENT}/pack/5"] == 1
        assert feed.asked["/object"] <= 2  # what is left when a request for each is less
        monkeypatch.setattr(bulk, "_EACH", 1000)
        async with skrutinium.connect(feed.url) as client:
            assert expected(await skrutinium.records(await client.release())) == told
        assert feed.asked["/object"] > 10
    finally:
        await feed.stop()
    assert told == await fresh(written.root)


# ------------------------------------------------------------------ changes
def applied(
    old: Mapping[str, Sequence[Record]], changes: Iterable[RecordChange]
) -> dict[str, dict[tuple[Any, ...], Record]]:
    """Old records with the changes made in them, by table and key."""
    made = {
        name: {key(TABLES[name], one): copy.copy(one) for one in records} for name, records in old.items()
    }
    for change in changes:
        table = made.setdefault(change.table, {})
        if change.field is not None:
            assert table[change.key][change.field] == change.old
            table[change.key][change.field] = change.new  # type: ignore[assignment]
        elif change.old is None:
            assert change.key not in table
            table[change.key] = change.new  # type: ignore[assignment]
        else:
            assert table.pop(change.key) == change.old
    return made


def key(table: Table, record: Record) -> tuple[Any, ...]:
    return tuple(record[name] for name in table.key)


def by_key(records: Mapping[str, Sequence[Record]]) -> dict[str, dict[tuple[Any, ...], Record]]:
    return {name: {key(TABLES[name], one): one for one in rows} for name, rows in records.items()}


def filled(tables: dict[str, dict[tuple[Any, ...], Record]]) -> dict[str, dict[tuple[Any, ...], Record]]:
    return {name: rows for name, rows in tables.items() if rows}


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": st.sampled_from(["a", "b", "č"]),
    "int": st.integers(0, 3),
    "bool": st.booleans(),
    "date": st.just("2018-10-05"),
    "time": st.just("2018-10-06T15:00:00Z"),
}


def records_of(table: Table) -> st.SearchStrategy[list[Record]]:
    columns = {
        one.name: VALUES[one.type] if one.required else st.none() | VALUES[one.type] for one in table.columns
    }
    record: st.SearchStrategy[Record] = st.fixed_dictionaries(columns)
    return st.lists(record, max_size=5, unique_by=lambda one: key(table, one))


CHOSEN = ("lists", "correction_changes", "areas", "first_round_figures")
SOME = st.fixed_dictionaries({name: records_of(TABLES[name]) for name in CHOSEN})


@given(old=SOME, new=SOME)
def test_changes_lead_from_old_to_new(old: dict[str, list[Record]], new: dict[str, list[Record]]) -> None:
    """Old records with the changes made in them are the new ones, and the same records have no changes."""
    changes = tuple(skrutinium.record_changes(old, new))
    assert filled(applied(old, changes)) == filled(by_key(new))
    assert not tuple(skrutinium.record_changes(new, copy.deepcopy(new)))


async def test_changes_of_releases(tmp_path: Path) -> None:
    """From any release to a later one the changes lead, and the corrections published in between stand beside."""
    night = make_night(long_night(3, 9))
    written = await asyncio.to_thread(night.write, tmp_path / "store")
    async with skrutinium.connect(written.root) as feed:
        releases = [await feed.release(number) for number in range(1, 10)]
        told = [await skrutinium.records(one) for one in releases]
        corrected = 0
        for older, newer in ((0, 8), (0, 1), (3, 5), (4, 4), (7, 8)):
            found = await releases[newer].changes(releases[older])
            assert filled(applied(told[older], found.changes)) == filled(by_key(told[newer]))
            entries = {one["entry"] for one in told[newer]["corrections"]} - {
                one["entry"] for one in told[older]["corrections"]
            }
            assert {one.entry for one in found.corrections} == entries
            corrected += len(entries)
        assert corrected
        lists = await skrutinium.changes_between(releases[0], releases[8], tables=["lists"])
        assert {one.table for one in lists.changes} == {"lists"}
        assert str(lists.changes[0]).startswith("lists contest ")


def test_changes_of_documents() -> None:
    """Documents are compared too, those that are new or gone among them."""
    council = sample("contest-council")
    (change, *_) = skrutinium.changes([sample("contest-not-reported")], [council])
    assert change.table == "contests"
    gone = skrutinium.changes([council], [])
    assert {(one.field, one.new) for one in gone} == {(None, None)}


# ------------------------------------------------------------------ pandas
def test_pandas_keeps_nothing_apart_from_zero() -> None:
    """Numbers are nullable whole numbers: what is not told is NA and never zero; times are aware."""
    frames = skrutinium.to_pandas(sample("contest-not-reported"))
    assert frames["lists"]["votes"].dtype == "Int64"
    assert frames["lists"]["votes"].isna().all()
    assert frames["lists"]["active"].dtype == "boolean"
    precinct = skrutinium.to_pandas(sample("precinct"))
    assert str(precinct["protocols"]["accepted"].dtype) == "datetime64[s, UTC]"
    whole = skrutinium.to_pandas(sample("contest-council"))
    assert whole["lists"]["votes"].sum() == sum(
        int(str(one["votes"])) for one in skrutinium.to_records(sample("contest-council"))["lists"]
    )
    assert isinstance(whole["lists"], pandas.DataFrame)
    assert list(skrutinium.to_pandas({"lists": []})["lists"].columns) == list(TABLES["lists"].names)
