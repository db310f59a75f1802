"""Logging in to a mail server: a password, or an OAuth 2 token (RFC 7628 and its forerunner XOAUTH2), which large providers demand."""

import imaplib
import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from skrutinium.errors import AccessRefused

PASSWORD = "SKRUTINIUM_MAIL_PASSWORD"  # noqa: S105 - the name of a variable
PASSWORD_FILE = "SKRUTINIUM_MAIL_PASSWORD_FILE"  # noqa: S105 - the name of a variable
TOKEN_FILE = "SKRUTINIUM_MAIL_TOKEN_FILE"  # noqa: S105 - the name of a variable
TOKEN_COMMAND = "SKRUTINIUM_MAIL_TOKEN_COMMAND"  # noqa: S105 - the name of a variable
_LONGEST = 16_384
_PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Password:
    """A password of one line."""

    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """``ask`` gives a token that is good now: it is asked before each login, since tokens end after an hour or so."""

    ask: Callable[[], str]


Secret = Password | Token


def secret_of(
    where: str,
    password_file: str | Path | None,
    token_file: str | Path | None,
    environment: Mapping[str, str] = os.environ,
) -> Secret:
    """What the arguments say, else the environment: a command that prints a token, a file with one, a file with a password, a password.

    Raises :class:`AccessRefused` when there is nothing, or the file with the password cannot be read.
    """
    command = environment.get(TOKEN_COMMAND)
    if token_file is None and password_file is None:
        if command:
            return Token(lambda: _line(where, "token of one line from its command", _printed(where, command)))
        token_file = environment.get(TOKEN_FILE)
    if token_file is not None:
        file = Path(token_file)
        return Token(lambda: _line(where, "token of one line in its file", _read(where, "token", file)))
    named = password_file or environment.get(PASSWORD_FILE)
    if named is not None:
        return Password(
            _line(where, "password of one line in its file", _read(where, "password", Path(named)))
        )
    told = f"password of one line: put it into a file that {PASSWORD_FILE} names, or into {PASSWORD}"
    return Password(_line(where, told, environment.get(PASSWORD, "")))


def _line(where: str, what: str, text: str) -> str:
    """The first line; what it holds stands in no error."""
    line = text.partition("\n")[0].rstrip("\r")
    if not line or any(ord(one) < 32 or ord(one) == 127 for one in line):
        raise AccessRefused(f"no {what}", address=where)
    return line


def _read(where: str, what: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as text:
            return text.readline(_LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        raise AccessRefused(f"the file with the {what} cannot be read: {error}", address=where) from error


def _printed(where: str, command: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise AccessRefused(f"the command for the token cannot be run: {error}", address=where) from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip()[-200:]
        raise AccessRefused(f"the command for the token ends with {done.returncode}: {told}", address=where)
    return done.stdout[:_LONGEST].decode("utf-8", "replace")


def log_in(connection: imaplib.IMAP4, user: str, secret: Secret) -> None:
    """Log in; raises ``IMAP4.error`` when the server refuses, :class:`AccessRefused` when there is no token."""
    match secret:
        case Password(text=text):
            if "AUTH=PLAIN" in connection.capabilities:  # in UTF-8; LOGIN knows ASCII only
                connection.authenticate("PLAIN", lambda _: f"\0{user}\0{text}".encode())
            else:
                connection.login(user, text)
        case Token(ask=ask):
            token = ask()
            if "AUTH=OAUTHBEARER" in connection.capabilities:
                name = user.replace("=", "=3D").replace(",", "=2C")
                given = (
                    f"n,a={name},\1host={connection.host}\1port={connection.port}\1auth=Bearer {token}\1\1"
                )
                _bear(connection, "OAUTHBEARER", given, b"\1")
            else:
                _bear(connection, "XOAUTH2", f"user={user}\1auth=Bearer {token}\1\1", b"")


def _bear(connection: imaplib.IMAP4, mechanism: str, given: str, ended: bytes) -> None:
    """Give the token once; a server that refuses it says why first, and wants that to be ``ended``."""
    answers = iter((given.encode(), ended))
    connection.authenticate(mechanism, lambda _: next(answers, None))
