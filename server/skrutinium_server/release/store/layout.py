"""Where everything lies in a release store. Pure: names only, nothing is read or written.

The layout is public (docs/architecture.md): any static web server can serve it and anyone can mirror it.
"""

from pathlib import Path

from skrutinium_server.release.store.model import SeriesKey


class Layout:
    """The paths of the store that lies in ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state.xml"
        self.keys = root / "keys"

    def object(self, sha256: str) -> Path:
        """The gzipped document with that hash."""
        return self.root / "objects" / sha256[:2] / sha256[2:4] / f"{sha256}.gz"

    def key(self, key_id: str) -> Path:
        """The public key with that id, PEM."""
        return self.keys / f"{key_id}.pem"

    def series(self, key: SeriesKey) -> Path:
        """The folder of one series."""
        return self.root / "event" / key.event / key.run / key.series

    def newest(self, key: SeriesKey) -> Path:
        """The file that is renamed into place last in every release."""
        return self.series(key) / "newest"

    def manifest(self, key: SeriesKey, number: int) -> Path:
        """The manifest of one release; its signature has ``.sig`` appended."""
        return self.series(key) / "manifest" / f"{number:09d}.xml"

    def pack(self, key: SeriesKey, number: int) -> Path:
        """Everything of one release in one file."""
        return self.series(key) / "pack" / f"{number:09d}.tar.gz"

    def checkpoint(self, key: SeriesKey, number: int) -> Path:
        """The gzipped index of the full snapshot; the signature of its uncompressed bytes has ``.sig`` in place of ``.gz``."""
        return self.series(key) / "checkpoint" / f"{number:09d}.xml.gz"

    def heartbeat(self, key: SeriesKey) -> Path:
        """The newest heartbeat with its signature line."""
        return self.series(key) / "heartbeat.xml"

    def registers(self, event: str) -> Path:
        """The folder of the registers of one event: what there is to read before the election."""
        return self.root / "event" / event / "registers"

    def registers_newest(self, event: str) -> Path:
        """The file that is renamed into place last when registers are published."""
        return self.registers(event) / "newest"

    def registers_index(self, event: str, number: int, edition: int) -> Path:
        """The index of the registers of one version of the definition; later editions have their number in the name."""
        again = "" if edition == 1 else f".{edition}"
        return self.registers(event) / f"{number:09d}{again}.xml"


def signature_of(path: Path) -> Path:
    """Where the signature of a manifest or checkpoint lies."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return plain.with_name(plain.name + ".sig")
