"""Where the crisis mail of a site, or of a release store without a site, works; and what the site's event log learns of it."""

from pathlib import Path

from skrutinium_server.authority.model import NoticeGiven
from skrutinium_server.authority.persons import Authority
from skrutinium_server.crisis.running import Place, Record
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

    def record(what: str, text: str) -> None:
        Authority(root, who="crisis").record(NoticeGiven(what, text))

    return record


def proved(root: Path, by: str, passphrase: str | None) -> str:
    """Who decides: at a site a person, who proves it; elsewhere whoever may write the folder. Raises AuthorityError, :class:`CrisisMailError`."""
    if not by.strip() or not by.isprintable() or len(by) > 64:
        raise CrisisMailError(f"{by!r} cannot name who decides: expected 1 to 64 printable characters.")
    return by if passphrase is None else Authority(root).authenticate(by, passphrase)
