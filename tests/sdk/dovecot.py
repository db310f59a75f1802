"""A real IMAP server (Dovecot) over a Maildir, with TLS of a made authority, in a folder of its own and without any privilege."""

import asyncio
import contextlib
import getpass
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.sdk.mails import Box

USER, PASSWORD = "desk", "a pässword with = signs"
PROGRAM = shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")
_TRIES = 5
_CONFIG = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{root}/certificate.pem
ssl_key = <{root}/key.pem
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
default_vsz_limit = 1G
first_valid_uid = 1
mail_location = maildir:{root}/mail
{more}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {root}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass
class Imap:
    """A server that runs; mails are delivered to ``box``."""

    root: Path
    box: Box
    port: int
    process: subprocess.Popen[bytes]

    @property
    def place(self) -> str:
        """The place of its inbox."""
        return f"imaps://{USER}@localhost:{self.port}/INBOX"

    @property
    def authority(self) -> Path:
        """The certificate that signed the server's."""
        return self.root / "authority.pem"

    @property
    def password_file(self) -> Path:
        """A file with the password."""
        return self.root / "password"

    async def stop(self) -> None:
        """End the server, and with it every connection."""
        for number in (signal.SIGTERM, signal.SIGKILL):  # what serves a connection would outlive the server
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            await asyncio.to_thread(self.process.wait, 60)


def needed() -> None:
    """Skip the test where there is no Dovecot; in CI that is a failure."""
    if PROGRAM is None:
        message = "dovecot is not installed; on Debian: apt-get install dovecot-imapd"
        if os.environ.get("CI"):
            pytest.fail(f"{message}, and in CI nothing is skipped")
        pytest.skip(message)


@contextlib.asynccontextmanager
async def imap_server(more: str = "", files: Mapping[str, str] | None = None) -> AsyncIterator[Imap]:
    """A server on a free port, until the end of the block; ``more`` is said in its configuration.

    ``files`` are written into its folder, which is called ``{root}`` in them and in the configuration.
    """
    needed()
    # Not in pytest's folder: nobody else may look into that, and the server runs as nobody when tests run as root.
    root = Path(tempfile.mkdtemp(prefix="imap-"))
    running: Imap | None = None
    try:
        for _ in range(_TRIES):  # somebody else may take the port first
            running = await asyncio.to_thread(_begun, root, more, files or {})
            if await _listens(running):
                break
        else:
            raise AssertionError((root / "log").read_text())
        yield running
    finally:
        if running is not None:
            await running.stop()
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)


def _begun(root: Path, more: str, files: Mapping[str, str]) -> Imap:
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwnam(getpass.getuser())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    box = Box(root / "mail")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(root / "authority.pem")
    certificate.private_key_pem.write_to_path(root / "key.pem")
    (root / "certificate.pem").write_bytes(b"".join(one.bytes() for one in certificate.cert_chain_pems))
    (root / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
    (root / "password").write_text(f"{PASSWORD}\n")
    told = {"root": root, "port": port, "user": user.pw_name, "uid": user.pw_uid, "gid": user.pw_gid}
    config = root / "dovecot.conf"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.replace("{root}", str(root)))
    told["more"] = more.replace("{root}", str(root))
    config.write_text(_CONFIG.format(**told, group=grp.getgrgid(user.pw_gid).gr_name))
    for folder in ("run", "state", "home"):
        (root / folder).mkdir(exist_ok=True)
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    assert PROGRAM is not None
    process = subprocess.Popen(
        [PROGRAM, "-F", "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user.pw_uid if os.geteuid() == 0 else None,
        group=user.pw_gid if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
        start_new_session=True,
    )
    return Imap(root, box, port, process)


async def _listens(running: Imap) -> bool:
    """Whether it listens, as soon as that is known."""
    async with asyncio.timeout(60):
        while running.process.poll() is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.close()
                return True
            await asyncio.sleep(0.02)
    return False
