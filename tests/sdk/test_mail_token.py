"""Logging in to a mail server with an OAuth 2 token, at a real server that checks its signature."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import skrutinium
from skrutinium import AccessRefused
from skrutinium.sources.mail.access import TOKEN_COMMAND, TOKEN_FILE, Password, Token, secret_of
from tests.sdk.dovecot import USER, Imap, imap_server
from tests.sdk.mails import mail
from tests.sdk.store_builder import make_night
from tests.sdk.test_mail import THE_RUN

KEY = b"a key that server and issuer share"
_CONFIG = """
auth_mechanisms = plain {mechanisms}
passdb {{
  driver = oauth2
  mechanisms = {mechanisms}
  args = {{root}}/oauth2.conf
}}
"""
_FILES = {
    "oauth2.conf": "introspection_mode = local\nusername_attribute = sub\n"
    "local_validation_key_dict = fs:posix:prefix={root}/keys/\n",
    "keys/default/HS256/default": base64.b64encode(KEY).decode(),
}


def token(key: bytes = KEY) -> str:
    """A token that is good for a few minutes (RFC 7519)."""
    now = int(time.time())
    told = {"sub": USER, "iat": now - 60, "exp": now + 600}
    signed = f"{_packed({'alg': 'HS256', 'typ': 'JWT'})}.{_packed(told)}"
    return f"{signed}.{_text(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def _packed(told: object) -> str:
    return _text(json.dumps(told).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextlib.asynccontextmanager
async def serving(tmp_path: Path, mechanisms: str) -> AsyncIterator[Imap]:
    """A server with a mail that brings release 1, which takes tokens by these mechanisms."""
    await asyncio.to_thread(make_night().write, tmp_path)
    async with imap_server(_CONFIG.format(mechanisms=mechanisms), _FILES) as imap:
        await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1]))
        yield imap


@pytest.mark.parametrize("mechanisms", ["oauthbearer xoauth2", "xoauth2"])
async def test_a_token_opens_the_account(tmp_path: Path, mechanisms: str) -> None:
    """By the standard or its forerunner; a token that ended is read anew from its file at the next login, and is never shown."""
    file = tmp_path / "token"
    wrong = token(b"of somebody else")
    async with serving(tmp_path, mechanisms) as imap, asyncio.timeout(200):
        await asyncio.to_thread(file.write_text, f"{wrong}\n")
        source = skrutinium.open_mail(imap.place, token_file=file, authority=imap.authority)
        try:
            series = source.series(THE_RUN)
            with pytest.raises(AccessRefused) as refused:
                await series.newest()
            assert wrong not in str(refused.value)
            await asyncio.to_thread(file.write_text, f"{token()}\n")
            assert (await series.newest())[0] == 1
        finally:
            await source.close()


async def test_a_command_prints_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of the environment is run at a login; one that fails is told with its words, and tried again."""
    file = tmp_path / "token"
    program = f"import pathlib; print(pathlib.Path({str(file)!r}).read_text())"
    monkeypatch.setenv(TOKEN_COMMAND, f'{sys.executable} -c "{program}"')
    async with serving(tmp_path, "oauthbearer xoauth2") as imap, asyncio.timeout(200):
        source = skrutinium.open_mail(imap.place, authority=imap.authority)
        try:
            series = source.series(THE_RUN)
            with pytest.raises(AccessRefused, match="FileNotFoundError"):
                await series.newest()
            await asyncio.to_thread(file.write_text, token())
            assert (await series.newest())[0] == 1
        finally:
            await source.close()


def test_which_secret_counts(tmp_path: Path) -> None:
    """What is told by argument comes before the environment, a token of it before a password; no file is no error before the login."""
    password = tmp_path / "password"
    password.write_text("secret\n")
    environment = {TOKEN_FILE: str(tmp_path / "none")}
    assert secret_of("there", password, None, environment) == Password("secret")
    found = secret_of("there", None, None, environment)
    assert isinstance(found, Token)
    with pytest.raises(AccessRefused, match="cannot be read"):
        found.ask()
    (tmp_path / "two").write_text("one\x01two\n")
    strange = secret_of("there", None, tmp_path / "two", {})
    assert isinstance(strange, Token)
    with pytest.raises(AccessRefused, match="one line") as refused:
        strange.ask()
    assert "two" not in refused.value.message
    missing = secret_of("there", None, None, {TOKEN_COMMAND: "/no/such/command"})
    assert isinstance(missing, Token)
    with pytest.raises(AccessRefused, match="cannot be run"):
        missing.ask()
