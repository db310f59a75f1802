"""Where the crisis mail of a site, or of a release store without a site, works; and what the site's event log learns of it."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

import msgspec

from skrutinium_server.authority.model import NoticeGiven
from skrutinium_server.authority.persons import Authority
from skrutinium_server.crisis.errors import CrisisError
from skrutinium_server.crisis.holding import Place
from skrutinium_server.crisis.recipients import Recipients, read_recipients
from skrutinium_server.crisis.reporting import CrisisStatus, crisis_status
from skrutinium_server.crisis.running import Record
from skrutinium_server.crisis.sending import connect
from skrutinium_server.process.errors import ProcessError, SiteError


class CrisisMailError(ProcessError):
    """The crisis mail cannot be told what it is told."""

    code = "crisis-mail"


def place_of(folder: Path, recipients: Path | None = None, own: Path | None = None) -> tuple[Path, Place]:
    """The folder that has the store, and where its crisis mail works.

    ``folder`` is a site, any folder with a release store in ``store/``, or a release store itself. The list is ``recipients.toml`` and the mail's own folder
    ``crisis/`` beside the store, unless told. Raises :class:`SiteError`.
    """
    root = folder if (folder / "store").is_dir() else folder.parent if (folder / "keys").is_dir() else None
    if root is None:
        raise SiteError(
            f"{folder} has no release store: the crisis mail needs one in store/. Name a site, a folder with a copy of its store/, or the store."
        )
    store = folder / "store" if root == folder else folder
    return root, Place(store, recipients or root / "recipients.toml", own or root / "crisis")


def is_site(root: Path) -> bool:
    """Whether people and an event log belong to it."""
    return (root / "site.toml").is_file()


def recorder(root: Path) -> Record | None:
    """What writes into the event log of a site; None where there is no site."""
    if not is_site(root):
        return None

    def record(what: str, text: str, who: str | None) -> None:
        Authority(root, who=who or "crisis").record(NoticeGiven(what, text))

    return record


def proved(root: Path, by: str, passphrase: str | None) -> str:
    """Who decides: at a site a person, who proves it; elsewhere whoever may write the folder. Raises AuthorityError, :class:`CrisisMailError`."""
    if not by.strip() or not by.isprintable() or len(by) > 64:
        raise CrisisMailError(f"{by!r} cannot name who decides: expected 1 to 64 printable characters.")
    return by if passphrase is None else Authority(root).authenticate(by, passphrase)


def checked(root: Path, patience: int) -> Iterator[tuple[Literal["go", "warn", "no-go"], str]]:
    """Before a night: is the list good, does the relay take mail, is the crisis mail armed? ``patience``: seconds for an answer.

    Raises :class:`CrisisError` for a list or relay that cannot be used.
    """
    _, place = place_of(root)
    if not place.recipients.exists():
        yield (
            "warn",
            f"there is no {place.recipients.name}: nobody gets results by e-mail when the feed fails",
        )
        return
    told = read_recipients(place.recipients)
    with ThreadPoolExecutor(1) as thread:  # whoever asks may have an event loop already
        thread.submit(asyncio.run, _tried(told, patience)).result()
    yield "go", f"{len(told.recipient)} recipients; {told.relay.host}:{told.relay.port} takes mail"
    status = crisis_status(place.folder)
    if not status.process:
        yield "warn", "no process sends crisis mail: start skrutinium-server crisis run"
    elif status.state == "disarmed":
        yield "warn", "crisis mail does not begin by itself: skrutinium-server crisis arm"


async def _tried(told: Recipients, patience: int) -> None:
    client = await connect(msgspec.structs.replace(told.relay, timeout=patience))
    client.close()


WORDS: Final = {"running": "is being sent", "ending": "is ending"}


def status_of(root: Path) -> tuple[CrisisStatus | None, list[str]]:
    """The crisis mail of a site, None where there was never one, and what its operator has to know; reads files."""
    _, place = place_of(root)
    if not (place.folder / "outbox.sqlite").exists():
        return None, []
    try:
        told = crisis_status(place.folder)
    except CrisisError as error:
        return None, [str(error)]
    alarms = []
    if told.state in WORDS:
        alarms.append(f"Crisis mail {WORDS[told.state]}: readers cannot rely on the feed.")
    if not told.process and (told.state in WORDS or told.outbox.get("waiting")):
        alarms.append("Crisis mail waits and no process sends it. Start: skrutinium-server crisis run.")
    refused = sorted({one.recipient for one in told.recipients if one.state == "failed"})
    if refused:
        alarms.append(
            f"The relay refuses crisis mail to {', '.join(refused)}. Reach them by telephone; correct the list."
        )
    return told, alarms
