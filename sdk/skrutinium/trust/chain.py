"""Deciding whether a manifest is the next one: signature, run and phase, number without gap, hash of the one before."""

import hashlib

from skrutinium.documents.series import Manifest, Run
from skrutinium.documents.series_reading import read_manifest
from skrutinium.errors import ChainError, MixedPhases, RollbackError
from skrutinium.trust.signing import KeyRing, check_whole


class Chain:
    """Where a reader is in a series; ``number`` 0 and no hash before the first release it takes."""

    def __init__(
        self, keys: KeyRing, run: Run, series: str, number: int = 0, sha256: str | None = None
    ) -> None:
        self._keys = keys
        self.run = run
        self._series = series
        self.number = number
        self.sha256 = sha256

    def copy(self) -> "Chain":
        """A chain that goes on from here by itself."""
        return Chain(self._keys, self.run, self._series, self.number, self.sha256)

    async def signed(self, data: bytes, line: bytes, where: str) -> Manifest:
        """A manifest of this series whose signature holds; raises SignatureError, MixedPhases, and DamagedError when it is cut off."""
        check_whole(data, where)
        await self._keys.check(data, line, where)
        manifest = read_manifest(data, where)
        self.check_run(manifest, where)
        return manifest

    def check_run(self, manifest: Manifest, where: str) -> None:
        """Raise :class:`MixedPhases` when a manifest is of another event, run, phase or series."""
        ours = (self.run.event, self.run.id, self.run.phase, self._series)
        theirs = (manifest.event, manifest.run, manifest.phase, manifest.series)
        if ours != theirs:
            raise MixedPhases(
                f"a release of {'/'.join(theirs)}, while {'/'.join(ours)} is read", address=where
            )

    async def take(self, data: bytes, line: bytes, where: str) -> Manifest:
        """Accept the next manifest; raises :class:`ChainError` or :class:`RollbackError` when it is not the next."""
        manifest = await self.signed(data, line, where)
        digest = hashlib.sha256(data).hexdigest()
        if self.sha256 is not None:
            self._check_next(manifest, digest, where)
        self.number, self.sha256 = manifest.release, digest
        return manifest

    def _check_next(self, manifest: Manifest, digest: str, where: str) -> None:
        number = manifest.release
        if number == self.number and digest != self.sha256:
            raise ChainError(f"release {number} is there with another content than was seen", address=where)
        if number <= self.number:
            raise RollbackError(
                f"release {number} is offered, but {self.number} was already seen", address=where
            )
        if number != self.number + 1:
            raise ChainError(f"release {number} follows {self.number}; none may be missing", address=where)
        if manifest.previous != self.sha256:
            raise ChainError(
                f"release {number} does not follow the release {number - 1} that was seen: it names the manifest "
                f"{manifest.previous[:16]}… before it, not {str(self.sha256)[:16]}…",
                address=where,
            )
