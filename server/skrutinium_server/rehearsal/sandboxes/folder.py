"""Where the sandboxes of a site lie: ``SITE/sandboxes/``. The only module that knows the layout.

::

    sandboxes/keys/            the key with which all sandboxes of the site sign; never the site's own
    sandboxes/stage.sock       commands to the process that runs them
    sandboxes/stage.lock       held by it
    sandboxes/NAME/sandbox.toml, playing.json, night/, site/
"""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from skrutinium_server.election.model import IDENTIFIER
from skrutinium_server.process.settings import SiteSettings
from skrutinium_server.process.site import Site
from skrutinium_server.rehearsal.errors import SandboxError
from skrutinium_server.rehearsal.nights import About, Night, keep_night, kept_due
from skrutinium_server.rehearsal.replay import Due
from skrutinium_server.rehearsal.sandboxes.model import Playing, SandboxSettings, read_sandbox, write_sandbox
from skrutinium_server.release.store.signing import Signer
from skrutinium_server.release.store.writing import write_whole

RESERVED: Final = frozenset({"keys"})
_SETTINGS: Final = "sandbox.toml"
"""What makes a folder a sandbox."""
_LONGEST: Final = 40
_ACCESS: Final = Path("..", "..", "..", "access.toml")
_SITE: Final = """\
# Made for a sandbox, like the site that it belongs to.
[release]
skrutinium_seconds = {release.skrutinium_seconds}
volby_aggregate_seconds = {release.volby_aggregate_seconds}
volby_batch_seconds = {release.volby_batch_seconds}
checkpoint_seconds = {release.checkpoint_seconds}
series = {series}
volby_encoding = "{release.volby_encoding}"

[feed]
# The outlet in front tells whose request it passes on.
proxies = ["127.0.0.1"]
forwarded = "x-forwarded-for"
requests_per_second = {feed.requests_per_second}
burst = {feed.burst}
connections = {feed.connections}
longest_wait = {feed.longest_wait}
idle = {feed.idle}
"""


class SandboxFolder:
    """One sandbox; reads and writes files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name

    def settings(self) -> SandboxSettings:
        """What it plays; raises :class:`SandboxError`."""
        return read_sandbox(self.root / _SETTINGS)

    def night(self) -> tuple[About, Sequence[Due]]:
        """What it plays; raises ``NightError``."""
        return kept_due(self.root / "night")

    def site(self) -> Site:
        """The site of its own; raises ``SiteError``."""
        return Site(self.root / "site")

    def playing(self) -> Playing | None:
        """Where it was; None before its first start, or when nobody can tell."""
        with contextlib.suppress(FileNotFoundError, msgspec.MsgspecError):
            return msgspec.json.decode((self.root / "playing.json").read_bytes(), type=Playing)
        return None

    def keep_playing(self, playing: Playing) -> None:
        """Write down where it is, unless it was taken away."""
        if (self.root / _SETTINGS).is_file():
            write_whole(self.root / "playing.json", msgspec.json.encode(playing))


class Sandboxes:
    """The sandboxes of a site; reads and writes files."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.root = site.root / "sandboxes"
        self.socket = self.root / "stage.sock"
        self.lock = self.root / "stage.lock"

    def names(self) -> tuple[str, ...]:
        """Those that there are, in order."""
        found = self.root.iterdir() if self.root.is_dir() else ()
        return tuple(sorted(one.name for one in found if (one / _SETTINGS).is_file() and _fits(one.name)))

    def find(self, name: str) -> SandboxFolder:
        """One of them; raises :class:`SandboxError`."""
        if name not in self.names():
            raise SandboxError(
                f"There is no sandbox {name[:_LONGEST]!r} (known: {', '.join(self.names()) or 'none'}). "
                "Make one with: skrutinium-server sandbox add"
            )
        return SandboxFolder(self.root / name)

    def signer(self) -> Signer:
        """The key of all sandboxes, made when there is none yet."""
        keys = self.root / "keys"
        if not (keys / "signing.pem").exists():
            Signer.generate(keys)
        return Signer.load(keys)

    def add(self, name: str, settings: SandboxSettings, night: Night) -> SandboxFolder:
        """Make a sandbox; raises :class:`SandboxError` when there is one of that name or at that port. Killed in between it leaves none."""
        if not _fits(name):
            raise SandboxError(
                f"{name[:_LONGEST]!r} cannot name a sandbox: letters, digits, '.' and '-' are allowed, at most {_LONGEST}."
            )
        if name in self.names():
            raise SandboxError(f"There is a sandbox {name!r} already. Remove it first, or take another name.")
        for other in self.names():
            if settings.port and SandboxFolder(self.root / other).settings().port == settings.port:
                raise SandboxError(f"The sandbox {other!r} has the port {settings.port}. Take another one.")
        self.root.mkdir(mode=0o700, exist_ok=True)
        self.signer()
        unfinished = self.root / f".{name}.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        keep_night(night, unfinished / "night")
        self._make_site(unfinished / "site", night)
        write_whole(unfinished / _SETTINGS, write_sandbox(settings, night.source).encode())
        shutil.rmtree(self.root / name, ignore_errors=True)  # what a killed removal left
        unfinished.rename(self.root / name)
        return SandboxFolder(self.root / name)

    def _make_site(self, root: Path, night: Night) -> None:
        site = Site.create(root, self.root / "keys")
        told: SiteSettings = self.site.all_settings()
        series = msgspec.json.encode(told.release.series).decode()
        write_whole(
            root / "site.toml", _SITE.format(release=told.release, feed=told.feed, series=series).encode()
        )
        # Whoever may read the site may read its sandboxes, from the moment on at which the site says so.
        site.access.unlink()
        site.access.symlink_to(_ACCESS)
        site.define(night.definition)

    def take_away(self, name: str) -> Path:
        """Let nobody find the sandbox any more; its folder, to be removed when its processes have ended."""
        found = self.find(name).root
        (found / _SETTINGS).unlink()
        return found


def _fits(name: str) -> bool:
    return len(name) <= _LONGEST and IDENTIFIER.fullmatch(name) is not None and name not in RESERVED
