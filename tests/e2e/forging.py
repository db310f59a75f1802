"""Forging a release store as somebody could who holds the publisher's key: everything hashed, chained and signed anew."""

import gzip
import hashlib
import io
import re
import tarfile
from pathlib import Path

from skrutinium_server.release.store.signing import Signer

Documents = dict[tuple[int, str], bytes]


class Forger:
    """One series of one run in a copy of a store."""

    def __init__(self, store: Path, keys: Path, series: str = "skrutinium") -> None:
        self.store = store
        self.series = next(store.glob(f"event/*/*/{series}"))
        self.newest = int((self.series / "newest").read_text().split()[0])
        self._signer = Signer.load(keys)

    def manifest(self, number: int) -> Path:
        """The manifest of a release; its signature lies beside it."""
        return self.series / "manifest" / f"{number:09d}.xml"

    def signature(self, number: int) -> Path:
        """The signature of a manifest."""
        return self.series / "manifest" / f"{number:09d}.xml.sig"

    def rows(self, number: int) -> dict[str, str]:
        """Path and SHA-256 of every document that a release changed."""
        return dict(
            re.findall(
                r'<document path="([^"]+)"[^>]* sha256="([0-9a-f]{64})"', self.manifest(number).read_text()
            )
        )

    def object(self, sha256: str) -> Path:
        """Where a document lies."""
        return self.store / "objects" / sha256[:2] / sha256[2:4] / f"{sha256}.gz"

    def document(self, number: int, path: str) -> bytes:
        """A document that a release changed."""
        return gzip.decompress(self.object(self.rows(number)[path]).read_bytes())

    def exchange(self, documents: Documents, renumbered: dict[int, int] | None = None) -> None:
        """Publish other documents in place of those that were, or releases under other numbers, as if from the start."""
        previous = "0" * 64
        hashes: dict[str, str] = {}
        for number in range(1, self.newest + 1):
            manifest = self.manifest(number).read_text()
            manifest = re.sub(r' previous="[0-9a-f]{64}"', f' previous="{previous}"', manifest)
            for (at, path), data in documents.items():
                if at == number:
                    manifest = self._row(manifest, path, data)
            if renumbered and number in renumbered:
                manifest = manifest.replace(f' release="{number}"', f' release="{renumbered[number]}"', 1)
            self._sign(self.manifest(number), manifest.encode())
            self._pack(number)
            previous = hashes[str(number)] = hashlib.sha256(manifest.encode()).hexdigest()
            self._checkpoint(number, previous)
        (self.series / "newest").write_text(f"{self.newest} {previous}\n")
        self._heartbeat(hashes)

    def _heartbeat(self, hashes: dict[str, str]) -> None:
        path = self.series / "heartbeat.xml"
        body = path.read_text().rpartition("\ned25519 ")[0] + "\n"
        beat = re.search(r' release="(\d+)"', body)
        assert beat
        body = re.sub(r' manifest="[0-9a-f]{64}"', f' manifest="{hashes[beat[1]]}"', body)
        path.write_bytes(body.encode() + self._signer.line(body.encode()))

    def _row(self, manifest: str, path: str, data: bytes) -> str:
        """The manifest with another document under a path; the document is stored."""
        digest = hashlib.sha256(data).hexdigest()
        target = self.object(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(data, mtime=0))
        old = re.compile(rf'(<document path="{re.escape(path)}") size="\d+" sha256="[0-9a-f]{{64}}"')
        new, count = old.subn(rf'\1 size="{len(data)}" sha256="{digest}"', manifest)
        assert count == 1, path
        return new

    def _sign(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        path.with_name(path.name.removesuffix(".gz") + ".sig").write_bytes(self._signer.line(data))

    def _pack(self, number: int) -> None:
        """The pack of a release from its manifest and objects."""
        members = [("manifest.xml", self.manifest(number).read_bytes())]
        members.append(("manifest.xml.sig", self.signature(number).read_bytes()))
        members += [
            (path, gzip.decompress(self.object(digest).read_bytes()))
            for path, digest in self.rows(number).items()
        ]
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in members:
                told = tarfile.TarInfo(name)
                told.size, told.mode = len(data), 0o644
                archive.addfile(told, io.BytesIO(data))
        (self.series / "pack" / f"{number:09d}.tar.gz").write_bytes(gzip.compress(held.getvalue(), mtime=0))

    def _checkpoint(self, number: int, manifest: str) -> None:
        """The checkpoint of a release, where there is one, with the rows that the releases up to it lead to."""
        path = self.series / "checkpoint" / f"{number:09d}.xml.gz"
        if not path.exists():
            return
        rows: dict[str, str] = {}
        for release in range(1, number + 1):
            rows |= dict(
                re.findall(r'( <document path="[^"]+")([^>]*>\n)', self.manifest(release).read_text())
            )
        head, _, _ = gzip.decompress(path.read_bytes()).decode().partition(">\n <document")
        head = re.sub(r' manifest="[0-9a-f]{64}"', f' manifest="{manifest}"', head)
        body = "".join(start + rest for start, rest in sorted(rows.items()))
        data = f"{head}>\n{body}</checkpoint>\n".encode()
        path.write_bytes(gzip.compress(data, mtime=0))
        (path.parent / f"{number:09d}.xml.sig").write_bytes(self._signer.line(data))
