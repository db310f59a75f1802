"""``skrutinium mail``: check crisis mail and show what it holds."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from skrutinium.commands.choice import which_run
from skrutinium.commands.telling import tell, tell_first_met
from skrutinium.documents.reading import read_event
from skrutinium.documents.results import EventResults
from skrutinium.documents.series import Run
from skrutinium.errors import AccessRefused, MixedPhases, NetworkError, NotYet, SchemaError
from skrutinium.following.statefile import Seen, StateFile
from skrutinium.sources.mail.places import guessed
from skrutinium.sources.mail.releases import Delivered, MailReleases
from skrutinium.sources.mail.saving import save
from skrutinium.sources.mail.source import MailSource, open_mail
from skrutinium.trust.signing import plain_fingerprint
from skrutinium.watching.plain_values import plain_values
from skrutinium.watching.screen import one_line, safe
from skrutinium.watching.view import View

HELP = "check crisis mail and show the releases in it"
UNCHANGED = 3
_EVENT = "event.xml"
_NAMED = 4


def options(parser: argparse.ArgumentParser) -> None:
    """What can be said of it."""
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="a Maildir, an mbox, a folder of .eml files or one of them, by its path or as maildir:PATH, mbox:PATH, eml:PATH; "
        "or imaps://USER@HOST[:PORT]/FOLDER",
    )
    parser.add_argument("--follow", action="store_true", help="wait for more mails until Ctrl-C")
    parser.add_argument(
        "--every",
        metavar="S",
        type=_seconds,
        default=5.0,
        help="seconds between two looks (5); a mail server that tells of new mails (IDLE) is listened to",
    )
    parser.add_argument("--state", metavar="FILE", help="remember here what was shown, and go on from it")
    parser.add_argument("--phase", choices=("test", "rehearsal", "live"), help="refuse any other phase")
    parser.add_argument("--save", metavar="DIR", help="write the files there, for use by hand")
    parser.add_argument("--password-file", metavar="FILE", help="file with the password of the mail account")
    parser.add_argument(
        "--token-file", metavar="FILE", help="file with an OAuth 2 token for the account, read at every login"
    )
    parser.add_argument(
        "--authority", metavar="FILE", help="certificates (PEM) to trust in place of the system's"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each release")
    which_run(parser)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError("expected more than 0 and at most 3600 seconds")
    return seconds


async def run(told: argparse.Namespace) -> int:
    """Run it; the exit code."""
    if told.fingerprint:
        plain_fingerprint(told.fingerprint)
    place = await asyncio.to_thread(guessed, told.place)
    source = open_mail(
        place, password_file=told.password_file, token_file=told.token_file, authority=told.authority
    )
    try:
        return await _Showing(told, source).run()
    finally:
        await source.close()


class _Showing:
    """One passage through the mails, or many."""

    def __init__(self, told: argparse.Namespace, source: MailSource) -> None:
        self._told = told
        self._source = source
        self._file = StateFile(Path(told.state)) if told.state else None
        self._view: View | None = None
        self._saved: dict[str, int] = {}
        self._trouble = ""

    async def run(self) -> int:
        seen = await self._file.read() if self._file else None
        releases = MailReleases(self._source, self._told.fingerprint, seen.keys if seen else ())
        run = await self._opened(releases)
        if run is None:
            return UNCHANGED
        self._check(run, seen)
        if seen:
            releases.go_on(seen.number, seen.manifest)
        if releases.keys.unpinned:
            tell_first_met(releases.keys.newest)
        code = UNCHANGED
        while True:
            new: list[Delivered] = []
            try:
                new = await releases.new(run)
            except (NetworkError, AccessRefused) as error:  # a token may have ended, and is renewed by others
                if not self._told.follow:
                    raise
                self._wait_for(error)
            else:
                self._trouble = ""
                if new:
                    await self._show(releases, run, new)
                    code = 0
            await self._tell_troubles(releases)
            if not self._told.follow:
                if not new and seen is None:
                    raise NotYet(
                        f"no mail holds a release of {run.event}/{run.id}", address=self._source.where
                    )
                return code
            await self._source.wait(self._told.every)

    async def _opened(self, releases: MailReleases) -> Run | None:
        """The run that is meant; who follows waits for the first mail."""
        while True:
            try:
                return await releases.open(self._told.event, self._told.run_id)
            except (NotYet, NetworkError) as error:
                if not self._told.follow:
                    await self._tell_troubles(releases)
                    raise
                self._wait_for(error)
            await self._source.wait(self._told.every)

    def _wait_for(self, error: NotYet | NetworkError | AccessRefused) -> None:
        """Say once what is waited for."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            tell(f"skrutinium: {error}; waiting", error=True)

    def _check(self, run: Run, seen: Seen | None) -> None:
        if self._told.phase is not None and run.phase != self._told.phase:
            raise MixedPhases(
                f"run {run.id} is of phase {run.phase}; only {self._told.phase} was asked for",
                address=self._source.where,
            )
        if seen and (seen.event, seen.run, seen.phase) != (run.event, run.id, run.phase):
            raise MixedPhases(
                f"the state file belongs to {seen.event}/{seen.run} ({seen.phase}), the mails bring "
                f"{run.event}/{run.id} ({run.phase}); use another state file",
                address=self._told.state,
            )

    async def _tell_troubles(self, releases: MailReleases) -> None:
        for one in await releases.troubles():
            tell(f"skrutinium: {safe(one)}", error=True)

    # ---------------------------------------------------------------- showing
    async def _show(self, releases: MailReleases, run: Run, new: list[Delivered]) -> None:
        if self._told.save:
            await self._save(releases, new)
        for one in new:
            view = await self._viewed(releases, run, one)
            if self._told.json:
                print(json.dumps(_values(view, run, one), ensure_ascii=False), flush=True)
            else:
                tell("\n".join(_lines(view, one)))
            if not one.late:
                self._view = view
        if self._file:
            last = max(new, key=lambda one: one.manifest.release)
            if not last.late:
                told = last.manifest
                mark = (told.event, told.run, told.phase, told.series, told.release, last.sha256)
                await self._file.write(Seen(*mark, keys=releases.keys.trusted))

    async def _viewed(self, releases: MailReleases, run: Run, one: Delivered) -> View:
        told, before = one.manifest, self._view
        event: EventResults | None = None
        for row in one.documents:
            if row.path == _EVENT:
                event = await asyncio.to_thread(read_event, await releases.read(row), _EVENT)
                if (event.event, event.run, event.phase) != (told.event, told.run, told.phase):
                    raise SchemaError("is of another run than the release", address=_EVENT)
        return View(
            number=told.release,
            time=told.time,
            run=told.run,
            phase=told.phase,
            made_up=event.made_up if event else before is not None and before.made_up,
            name=event.name if event else run.name,
            state=told.state,
            expected=told.expected,
            reported=told.reported,
            kinds=event.kinds if event else (),
            arrived=0 if before is None or one.late else max(0, told.reported - before.reported),
            corrections=0,
            latest=(),
        )

    async def _save(self, releases: MailReleases, new: list[Delivered]) -> None:
        """Each release in its folder, then the newest of each document on top: a reader there never goes back."""
        folder = Path(self._told.save)
        newest: dict[str, bytes] = {}
        for one in sorted(new, key=lambda one: one.manifest.release):
            number = one.manifest.release
            files = [(row.path, await releases.read(row)) for row in one.documents]
            name = f"manifest/{number:09d}.xml"
            own = [(name, one.signed[0]), (f"{name}.sig", one.signed[1])]
            own += [(f"release/{number:09d}/{path}", data) for path, data in files]
            await asyncio.to_thread(save, folder, own)
            for path, data in files:
                if self._saved.get(path, 0) <= number:
                    self._saved[path], newest[path] = number, data
        newest["state.xml"] = await self._source.of_pool(lambda pool: pool.state())
        await asyncio.to_thread(save, folder, sorted(newest.items()))


def _lines(view: View, one: Delivered) -> list[str]:
    lines = []
    if one.gap:
        lines.append(f"  {_numbers(*one.gap)} not come: what follows cannot be linked to what came before")
    names = [row.path for row in one.documents]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    told = f"{', '.join(names[:_NAMED])}{more}" if names else "no document"
    late = "late: " if one.late else ""
    return [*lines, f"{late}{one_line(view)} · {told} of {len(names) + len(one.missing)}"]


def _numbers(first: int, last: int) -> str:
    return f"release {first} has" if first == last else f"releases {first} to {last} have"


def _values(view: View, run: Run, one: Delivered) -> dict[str, Any]:
    return {
        **plain_values(view, run.event),
        "manifest": one.sha256,
        "documents": [row.path for row in one.documents],
        "not_delivered": [row.path for row in one.missing],
        "missing_before": list(one.gap) if one.gap else None,
        "late": one.late,
        "mail": one.mail,
    }
