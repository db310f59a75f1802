"""What goes to whom, and in which parts: laws that always hold."""

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.crisis.message import content
from skrutinium_server.crisis.model import Document, File, Release, Results
from skrutinium_server.crisis.packing import BASIC, MOST_FILES, make_zip, pack
from skrutinium_server.crisis.reading import Kept
from skrutinium_server.crisis.recipients import Recipient
from skrutinium_server.crisis.selecting import Choice, choice_of, select
from skrutinium_server.crisis.territory import Territory, read_territory
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.release.store.model import Run, SeriesKey
from tests.crisis.night import NOW
from tests.e2e.made_up import DEFINITION

RUN = Run("e", "r", "An event", "2030-10-05", "cz-municipal-2018", "test", True, True, ("skrutinium",))
COMMON = (File("state.xml", b"<feed-state/>"), File("keys/0.pem", b"a key"))
NOTE = File("READ-ME.txt", b"read me")
PATHS = ("event.xml", "summary.xml", "contest/1.xml", "contest/2.xml", "corrections/1.xml", "area/CZ.xml")
CHOICE = Choice(frozenset({"event.xml"}), patterns=("contest/*.xml", "corrections/*.xml"))


class Made:
    """Releases with documents of any size that cannot be made smaller."""

    def __init__(self, changes: list[dict[str, int]]) -> None:
        self.bytes: dict[str, bytes] = {}
        self.releases: dict[int, Release] = {}
        self.held: dict[str, Document] = {}
        self.names: dict[str, int] = {}
        for number, changed in enumerate(changes, 1):
            documents = tuple(self._document(number, path, size) for path, size in sorted(changed.items()))
            self.held |= {one.path: one for one in documents}
            manifest = b"\n".join(f"{number} {one.path} {one.sha256}".encode() for one in documents)
            self.releases[number] = Release(number, NOW, manifest or b"empty", b"a signature", documents)
        self.results = Results(
            RUN,
            SeriesKey("e", "r", "skrutinium"),
            self.releases[len(changes)],
            1,
            2,
            False,
            self.held,
            COMMON,
        )

    def _document(self, number: int, path: str, size: int) -> Document:
        data = hashlib.shake_256(f"{number} {path}".encode()).digest(size)
        digest = hashlib.sha256(data).hexdigest()
        self.bytes[digest], self.names[digest] = data, number
        return Document(path, digest, size)

    def parts(
        self, since: int, limit: int, *, newest_only: bool = False, choice: Choice = CHOICE
    ) -> tuple[list[dict[str, bytes]], list[str]]:
        """The files of each message, and what had to be left out."""
        selection = select(
            choice,
            self.results,
            since,
            self.releases.__getitem__,
            lambda one: self.names[one.sha256],
            newest_only=newest_only,
            more=20,
        )
        packages, left_out = pack(
            self.results,
            selection,
            NOTE,
            self.releases.__getitem__,
            lambda one: self.bytes[one.sha256],
            limit=limit,
            zip_above=0,
        )
        for package in packages:
            assert package.zipped is not None
            assert len(content("x" * 20_000, package).body) <= limit
            assert len(package.files) <= MOST_FILES
        return [{file.name: file.data for file in package.files} for package in packages], left_out


SIZES = st.one_of(st.integers(1, 3000), st.integers(20_000, 120_000))
CHANGES = st.lists(st.dictionaries(st.sampled_from(PATHS), SIZES, max_size=4), min_size=1, max_size=15)


@given(CHANGES, st.integers(0, 15), st.sampled_from([200_000, 1_000_000, 10_000_000]))
def test_no_release_is_lacking(changes: list[dict[str, int]], since: int, limit: int) -> None:
    """Every release that is due is there with manifest and signature and every agreed document it changed, unless it is told as left out."""
    made = Made(changes)
    parts, left_out = made.parts(since, limit)
    there = {hashlib.sha256(data).hexdigest() for part in parts for data in part.values()}
    assert left_out == []
    for number in range(min(since + 1, len(changes)), len(changes) + 1):
        release = made.releases[number]
        assert hashlib.sha256(release.manifest).hexdigest() in there
        assert all(one.sha256 in there for one in release.changed if CHOICE.holds(one.path))


@given(CHANGES, st.integers(0, 15))
def test_each_part_can_be_read_alone(changes: list[dict[str, int]], since: int) -> None:
    """Each part has the note, the state and the keys, and beside each document of a due release the manifest that names it, signed."""
    made = Made(changes)
    parts, _ = made.parts(since, 200_000)
    first_due = min(since + 1, len(changes))
    for part in parts:
        assert {"READ-ME.txt", "state.xml", "keys/0.pem"} <= set(part)
        named = {
            line.split()[2].decode()
            for name, data in part.items()
            if name.startswith("manifest/") and name.endswith(".xml") and data != b"empty"
            for line in data.splitlines()
        }
        assert all(
            f"{name}.sig" in part for name in part if name.startswith("manifest/") and name.endswith(".xml")
        )
        for name, data in part.items():
            digest = hashlib.sha256(data).hexdigest()
            if digest in made.names and made.names[digest] >= first_due:
                assert digest in named, name


@given(CHANGES, st.integers(0, 15))
def test_the_newest_documents_stand_at_the_top(changes: list[dict[str, int]], since: int) -> None:
    """The agreed documents as of the newest release lie under their own paths, exactly those; older ones under their release."""
    made = Made(changes)
    parts, _ = made.parts(since, 10_000_000)
    top = {name: data for part in parts for name, data in part.items() if name in PATHS}
    for path, one in made.held.items():
        if CHOICE.holds(path) and not path.startswith("corrections/"):
            assert top[path] == made.bytes[one.sha256]
    assert not {"summary.xml", "area/CZ.xml"} & set(top)


@given(CHANGES)
def test_only_the_newest_when_that_is_agreed(changes: list[dict[str, int]]) -> None:
    """Who agreed on the newest release alone gets earlier ones only as far as they fit into the small size."""
    made = Made(changes)
    parts, _ = made.parts(0, 10_000_000, newest_only=True)
    (alone, *_), _ = Made([*changes[:-1], changes[-1]]).parts(len(changes), 10_000_000)
    size = len(make_zip(File(*file) for file in parts[0].items()))
    small = len(make_zip(File(*file) for file in alone.items()))
    assert len(parts) == 1
    assert size <= max(BASIC, small)


def test_what_is_too_large_is_told() -> None:
    """A document that no message of the limit can carry is named, and everything else is there."""
    made = Made([{"event.xml": 500_000, "contest/1.xml": 10}])
    parts, left_out = made.parts(0, 200_000)
    assert left_out == ["event.xml"]
    assert "contest/1.xml" in parts[0]


def test_areas_and_contests_add_their_documents() -> None:
    """An area stands for all below it and the contests held there, a contest for its districts too; patterns do not cross folders."""
    territory = Territory(
        {"CZ": None, "6200": "CZ", "582786": "6200", "6300": "CZ"}, {"582786": "582786", "27": "6300"}
    )
    recipient = Recipient("a", "A", "a@a.example", documents=("*.xml",), areas=("6200",), contests=("7",))
    choice = choice_of(recipient, territory)
    held = [
        "event.xml",
        "area/6200.xml",
        "area/582786.xml",
        "contest/582786.xml",
        "contest/7.xml",
        "district/7.12.xml",
    ]
    assert all(choice.holds(path) for path in held)
    others = (
        "area/CZ.xml",
        "area/6300.xml",
        "contest/27.xml",
        "contest/77.xml",
        "district/77.1.xml",
        "batch/7.xml",
    )
    assert not any(choice.holds(path) for path in others)


def test_without_registers_an_area_is_its_document() -> None:
    """What lies below an area is not guessed."""
    choice = choice_of(Recipient("a", "A", "a@a.example", areas=("6200",)))
    assert choice.paths == {"event.xml", "summary.xml", "area/6200.xml"}


def test_a_zip_depends_on_its_files_alone() -> None:
    """The same files make the same bytes at any time."""
    files = [File("b.xml", b"x" * 1000), File("a.xml", b"y")]
    assert make_zip(files) == make_zip(files)


def test_a_territory_is_read_from_published_registers(tmp_path: Path) -> None:
    """What lies where comes from the registers of the event in the release store."""
    site = Site.create(tmp_path / "site")
    site.define(DEFINITION)
    publish_registers(site, DEFINITION, NOW)
    territory = read_territory(site.store, DEFINITION.event)
    areas, contests = territory.within(["CZ"])
    assert areas == {one.id for one in DEFINITION.areas}
    assert contests == {one.id for one in DEFINITION.contests}
    county = next(one.id for one in DEFINITION.areas if one.kind == "county")
    assert territory.within([county])[0] < areas


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=60))
def test_what_is_remembered_is_bounded_by_bytes(asked: list[tuple[int, int]]) -> None:
    """Whatever is put, no more bytes than the room are kept, and what is kept is what was put last under its key."""
    kept: Kept[int, bytes] = Kept(100)
    put: dict[int, bytes] = {}
    for key, size in asked:
        if kept.get(key) is None:
            put[key] = bytes(size)
            kept.put(key, put[key], size)
        held = {one: value for one in range(10) if (value := kept.get(one)) is not None}
        assert kept.size == sum(map(len, held.values())) <= 100
        assert all(put[one] is value for one, value in held.items())


def test_what_is_larger_than_the_room_is_read_again() -> None:
    """A value that alone is larger than the room is not kept, and drives nothing out."""
    kept: Kept[str, bytes] = Kept(10)
    kept.put("small", b"1234", 4)
    kept.put("large", bytes(11), 11)
    assert (kept.get("small"), kept.get("large")) == (b"1234", None)
