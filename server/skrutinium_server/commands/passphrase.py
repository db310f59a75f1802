"""Asking for passphrases: at a prompt that shows nothing, or from a file for scripts."""

from pathlib import Path
from typing import Final

import click

from skrutinium_server.authority.errors import PersonError
from skrutinium_server.authority.passphrases import LONGEST

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True)
"""The type of an option that names a file with a passphrase; ``-`` is the standard input, ``/dev/fd/3`` a descriptor."""


def passphrase_of(name: str, file: Path | None, *, twice: bool = False) -> str:
    """The passphrase of a person: the first line of ``file``, or what is typed (``twice``: to be sure of it)."""
    if file is None:
        typed: str = click.prompt(
            f"Passphrase of {name}", hide_input=True, confirmation_prompt=twice, err=True, type=str
        )
        return typed
    with click.open_file(str(file), encoding="utf-8") as stream:
        try:
            # A file that is none of this kind, such as a device, is not read without end.
            text = stream.readline(4 * LONGEST)
        except UnicodeDecodeError as error:
            raise PersonError(f"{file} is not UTF-8; expected one line with the passphrase.") from error
    passphrase: str = text.rstrip("\r\n")
    return passphrase
