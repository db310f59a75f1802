"""What can go wrong with archives and the public folder."""

import datetime
from pathlib import Path


class ArchiveError(Exception):
    """Root of the errors of archive and public folder; ``code`` is for machines."""

    code = "archive"


class NothingToArchive(ArchiveError):
    """The store holds no such release."""

    code = "archive-no-release"


class NoSuchRun(ArchiveError):
    """The state file names no such run."""

    code = "no-such-run"


class UnreadableDocument(ArchiveError):
    """A published document is not what its schema says."""

    code = "archive-document"

    def __init__(self, path: str, what: str) -> None:
        super().__init__(
            f"The document {path} {what}. Check the store with: skrutinium verify, and restore it from a mirror."
        )


class PublicFolderForeign(ArchiveError):
    """The folder holds something else than the public folder of this run."""

    code = "public-folder-foreign"


class PublicFolderLocked(ArchiveError):
    """Another process keeps this public folder."""

    code = "public-folder-locked"


class PublicWriteFailed(ArchiveError):
    """The disk did not take what was to be shown."""

    code = "public-write-failed"

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"{path}: cannot be written ({cause.strerror or cause}). The folder still shows an earlier release. "
            "Free space or mend the disk; with --follow publishing goes on by itself, otherwise start it again."
        )


class NotBefore(ArchiveError):
    """Nothing of this live run may be shown yet."""

    code = "not-before"

    def __init__(self, run: str, time: datetime.datetime) -> None:
        super().__init__(
            f"Nothing of the live run {run} may be shown before {time:%Y-%m-%dT%H:%M:%SZ}. "
            "Start again after that minute, or with --follow: then it is waited for."
        )
        self.time = time
