"""What lies at the addresses of a replay as of the moment it has reached. Reads files: it belongs into threads."""

import datetime
import gzip
import re
from pathlib import Path

from skrutinium.documents.parsing import schema_text
from skrutinium.documents.schemas import held_schemas
from skrutinium.errors import NotYet
from skrutinium.mirroring.files import StoreFiles, packed
from skrutinium.replaying.answers import Found
from skrutinium.replaying.choosing import Chosen
from skrutinium.replaying.player import Player
from skrutinium.replaying.recording import RecordedSeries

TEXT = "text/plain"
VOLBY = "volby"
TAR = "application/x-tar"
_OBJECT = re.compile(r"/object/([0-9a-f]{64})")
_KEY = re.compile(r"/keys/[0-9a-f]{16}\.pem(?:\.sig)?")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_EDITION = re.compile(r"([0-9]{9})(?:\.([1-9][0-9]{0,5}))?\.xml")
_WRITTEN = re.compile(rb'<registers [^>]*\btime="([0-9TZ:.+-]{10,40})"')
_HEAD = 4096
_BATCH = re.compile(r"okrsky/vysledky_okrsky_[0-9]{5}\.xml")
_FOLDER = re.compile(r"(kv|se)(?:([0-9]{4})|nat|media)")
_LAWS = {"kv": "cz-municipal", "se": "cz-senate"}
"""By what the folders of volby.cz begin with."""
_TERM = 4
"""Years after the regular election in which a by-election still stands under its name."""
_REGISTER = re.compile(r"(newest|[1-9][0-9]{0,8}(?:\.[1-9][0-9]{0,5})?|at/[^/]+)/(.+)")


class Finding:
    """The files of a recording by the addresses of a feed; every miss is a :class:`NotYet`."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._root = player.recording.root

    def _file(
        self, path: str, kind: str = "application/xml", *, packed: bool = False, fixed: bool = False
    ) -> Found:
        try:
            return Found((self._root / path).read_bytes(), kind, packed, fixed)
        except OSError as error:
            raise NotYet("there is no such file", address=path) from error

    def object(self, sha256: str, *, fixed: bool = False) -> Found:
        """A document by its hash."""
        return self._file(StoreFiles.object_path(sha256), packed=True, fixed=fixed)

    def at_root(self, path: str) -> Found:
        """What does not lie below an event."""
        player = self._player
        signed = {"/state.xml": player.state, "/notices.xml": player.notices, "/status.xml": player.status}
        if path in signed:
            data = signed[path]
            if data is None:
                raise NotYet("it was not recorded up to here")
            return Found(data)
        if found := _OBJECT.fullmatch(path):
            return self.object(found[1], fixed=True)
        if _KEY.fullmatch(path):
            return self._file(path[1:], TEXT)
        if path.startswith("/xsd/") and path[5:] in {one.name for one in held_schemas()}:
            return Found(schema_text(path[5:]))
        raise NotYet("there is no such address")

    # ---------------------------------------------------------------- a series
    def document(self, name: str, number: int, path: str) -> Found:
        """A document, or the manifest, as of a release."""
        series = self._series(name)
        self._check(name, number)
        if path in ("manifest.xml", "manifest.xml.sig"):
            data, line = series.files.manifest(number)
            return Found(data) if path == "manifest.xml" else Found(line, TEXT)
        row = series.row(path, number)
        if row is None:
            raise NotYet(f"release {number} has no document {path}")
        return self.object(row.sha256)

    def pack(self, name: str, number: int) -> Found:
        """A release in one file."""
        self._check(name, number)
        folder = self._series(name).files.folder.relative_to(self._root)
        return self._file(f"{folder}/pack/{number:09d}.tar.gz", TAR, packed=True)

    def checkpoint(self, name: str, path: str) -> Found:
        """``newest.xml``, ``N.xml`` and ``.sig``."""
        series = self._series(name)
        stem, _, end = path.partition(".")
        if stem == "newest":
            there = [one for one in series.checkpoints if one <= self._player.released[name]]
            stem = str(there[-1]) if there else "0"
        if not _NUMBER.fullmatch(stem) or end not in ("xml", "xml.sig"):
            raise NotYet("there is no such checkpoint")
        self._check(name, int(stem))
        folder = series.files.folder.relative_to(self._root)
        file = f"{folder}/checkpoint/{int(stem):09d}.{end}"
        return self._file(file, TEXT) if end == "xml.sig" else self._file(f"{file}.gz", packed=True)

    def changes(self, name: str, since: int, chosen: Chosen | None) -> Found:
        """All that changed after a release, in one tar."""
        series, newest = self._series(name), self._player.released[name]
        if since >= newest:
            raise NotYet(f"nothing follows release {since}")
        members: list[tuple[str, bytes]] = []
        for number in range(since + 1, newest + 1):
            data, line = series.files.manifest(number)
            members += [(f"manifest/{number:09d}.xml", data), (f"manifest/{number:09d}.xml.sig", line)]
        paths = {row.path: row for number in range(since, newest) for row in series.changed[number]}
        for path, row in paths.items():
            if chosen is None or chosen.takes(path):
                members.append((path, self._bytes(row.sha256)))
        return Found(packed(members), TAR)

    def touched(self, name: str, number: int, chosen: Chosen | None) -> bool:
        """Whether a release changed what was chosen."""
        changed = self._series(name).changed[number - 1]
        return chosen is None or any(chosen.takes(row.path) for row in changed)

    def _bytes(self, sha256: str) -> bytes:
        return gzip.decompress(self.object(sha256).data)

    def newest_batch(self) -> str:
        """The path of the newest batch of protocols of the series volby; raises :class:`NotYet`."""
        newest = self._player.released.get(VOLBY, 0)
        batches = [
            path
            for path, held in self._series(VOLBY).versions.items()
            if _BATCH.fullmatch(path) and held[0][0] <= newest
        ]
        if not batches:
            raise NotYet("there is no batch at this moment of the replay")
        return max(batches)

    def odata(self, folder: str, date: str, path: str) -> str:
        """The document of the series volby that a file of volby.cz is; raises :class:`NotYet` for another election than the recorded one."""
        run = self._player.recording.run
        day, named = run.first_date or run.date, _FOLDER.fullmatch(folder.lower())
        if named is None or not run.law.startswith(_LAWS[named[1]]) or day is None or f"{day:%Y%m%d}" != date:
            raise NotYet("another election was recorded")
        if named[2] and not 0 <= day.year - int(named[2]) <= _TERM:
            raise NotYet("another election was recorded")
        return self.newest_batch() if path == "okrsky/vysledky_okrsky.xml" else path

    def number(self, name: str, what: str, value: str) -> int:
        """The release that ``newest``, ``release`` N or ``at`` TIME means."""
        series, newest = self._series(name), self._player.released[name]
        if what == "newest":
            number = newest
        elif what == "release":
            number = int(value) if _NUMBER.fullmatch(value) else 0
        else:
            number = min(newest, series.number_at(_time(value)))
        self._check(name, number)
        return number

    def _series(self, name: str) -> RecordedSeries:
        try:
            return self._player.recording.series[name]
        except KeyError:
            raise NotYet(f"series {name} was not recorded") from None

    def _check(self, name: str, number: int) -> None:
        if not 1 <= number <= self._player.released.get(name, 0):
            raise NotYet(f"release {number} is not there at this moment of the replay")

    # ---------------------------------------------------------------- registers
    def registers(self, rest: str) -> Found:
        """``newest/PATH``, ``N/PATH``, ``N.E/PATH``, ``at/TIME/PATH``; of a replaced edition there may be the index alone."""
        found = _REGISTER.fullmatch(rest)
        if found is None:
            raise NotYet("there is no such address")
        version, path = found[1], found[2]
        folder = f"event/{self._player.recording.run.event}/registers"
        if version.startswith("at/"):
            version = self._version_at(self._root / folder, _time(version.removeprefix("at/")))
        elif version == "newest":
            version = self._file(f"{folder}/newest").data.split()[0].decode("ascii")
        index = self._index(Path(self._root / folder), version)
        if path in ("registers.xml", "registers.xml.sig"):
            return self._file(
                f"{folder}/{index}{path.removeprefix('registers.xml')}",
                TEXT if path.endswith("sig") else "application/xml",
            )
        row = re.search(
            rb'path="%s" size="[0-9]+" sha256="([0-9a-f]{64})"' % re.escape(path.encode()),
            self._file(f"{folder}/{index}").data,
        )
        if row is None:
            raise NotYet(f"the registers have no {path}")
        kind = "application/xml" if path.endswith(".xml") else "application/octet-stream"
        held = self.object(row[1].decode("ascii"))
        return Found(held.data, kind, packed=True)

    @staticmethod
    def _version_at(folder: Path, time: datetime.datetime) -> str:
        """Version and edition of the registers that were the newest at a time."""
        written: list[tuple[datetime.datetime, int, int]] = []
        for path in folder.glob("*.xml"):
            told, named = _WRITTEN.search(path.read_bytes()[:_HEAD]), _EDITION.fullmatch(path.name)
            if told is not None and named is not None:
                at = datetime.datetime.fromisoformat(told[1].decode("ascii"))
                written.append((at, int(named[1]), int(named[2] or 1)))
        there = [one for one in written if one[0] <= time]
        if not there:
            raise NotYet("there were no registers at that time")
        _, number, edition = max(there)
        return f"{number}.{edition}"

    @staticmethod
    def _index(folder: Path, version: str) -> str:
        number, _, edition = version.partition(".")
        names = [f"{int(number):09d}.xml"] if edition in ("", "1") else [f"{int(number):09d}.{edition}.xml"]
        if not edition:
            names += sorted(
                (one.name for one in folder.glob(f"{int(number):09d}.*.xml")),
                key=lambda name: int(name.split(".")[1]),
            )
        return names[-1]


def _time(text: str) -> datetime.datetime:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise NotYet(f"{text} is no time") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=datetime.UTC)
