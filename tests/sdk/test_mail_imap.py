"""Mails on a real IMAP server, over TLS: read once each, nothing marked, every trouble told by an error of our own."""

import asyncio
import contextlib
import dataclasses
import imaplib
import ssl
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import skrutinium
from skrutinium import AccessRefused, NetworkError, NoSuchPlace, NotYet
from skrutinium.sources.mail.access import PASSWORD_FILE
from skrutinium.sources.mail.imap import Account, _quoted
from skrutinium.sources.mail.places import account_of, box_of, guessed, shown
from skrutinium.sources.mail.source import MailSource
from skrutinium.sources.source import SeriesSource
from tests.sdk.dovecot import PASSWORD, USER, Imap, imap_server
from tests.sdk.mails import mail
from tests.sdk.several import IMPATIENT, QUICK
from tests.sdk.store_builder import fingerprint, make_night
from tests.sdk.test_mail import THE_RUN


@pytest.fixture
async def imap() -> AsyncIterator[Imap]:
    async with imap_server() as running:
        yield running


@contextlib.asynccontextmanager
async def opened(imap: Imap, place: str | None = None, **settings: object) -> AsyncIterator[MailSource]:
    """The source at that server."""
    wanted = {"password_file": imap.password_file, "authority": imap.authority} | settings
    source = skrutinium.open_mail(place or imap.place, **wanted)  # type: ignore[arg-type]
    try:
        yield source
    finally:
        await source.close()


async def looked_at_until_it_fails(series: SeriesSource) -> None:
    """Look again and again: the process that holds a connection ends a moment after its server."""
    async with asyncio.timeout(60):
        while True:
            await series.newest()


async def test_imap_is_followed_beside_others(imap: Imap, tmp_path: Path) -> None:
    """Releases in an inbox come into the loop as they arrive, also those that came while the server was down."""
    night = make_night()
    await asyncio.to_thread(night.write, tmp_path)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1, 2]))
    numbers = []
    async with opened(imap) as source, asyncio.timeout(200):
        wanted = {"timing": QUICK, "requests": IMPATIENT, "fingerprint": fingerprint(night.key)}
        async with skrutinium.connect(source, **wanted) as feed:  # type: ignore[arg-type]
            async for release in feed.releases():
                numbers.append(release.number)
                assert release.source == imap.place
                if release.number == 2:
                    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [3]))
                if release.number == 3:
                    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [4, 5]))
                if release.number == 5:
                    break
    assert numbers == [2, 3, 4, 5]


async def test_feed_goes_on_as_soon_as_the_server_tells(imap: Imap, tmp_path: Path) -> None:
    """A loop over releases does not wait for its next look, which is a day away: the server tells of each mail."""
    night = make_night()
    await asyncio.to_thread(night.write, tmp_path)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1, 2]))
    rare = dataclasses.replace(QUICK, poll=86400, others=86400)
    numbers = []
    async with opened(imap) as source, asyncio.timeout(200):
        wanted = {"timing": rare, "requests": IMPATIENT, "fingerprint": fingerprint(night.key)}
        async with skrutinium.connect(source, **wanted) as feed:  # type: ignore[arg-type]
            async for release in feed.releases():
                numbers.append(release.number)
                if release.number == 5:
                    break
                await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [release.number + 1]))
    assert numbers == [2, 3, 4, 5]


async def test_nothing_is_marked(imap: Imap, tmp_path: Path) -> None:
    """After reading, every mail is as unseen as before."""
    await asyncio.to_thread(make_night().write, tmp_path)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1, 2]))
    async with opened(imap) as source:
        assert (await source.series(THE_RUN).newest())[0] == 2

    def unseen() -> list[bytes]:
        context = ssl.create_default_context(cafile=str(imap.authority))
        with imaplib.IMAP4_SSL("localhost", imap.port, ssl_context=context) as server:
            server.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())
            server.select(readonly=True)
            found: list[bytes] = server.uid("SEARCH", "UNSEEN")[1]
            return found

    assert await asyncio.to_thread(unseen) == [b"1"]


async def test_mail_that_the_server_cannot_give_keeps_no_other_back(imap: Imap, tmp_path: Path) -> None:
    """Dovecot ends the connection over a mail that it cannot open: those after it come all the same, it is told, and comes when it can."""
    await asyncio.to_thread(make_night().write, tmp_path)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1]))
    broken = await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [2]))
    broken = await asyncio.to_thread(broken.rename, imap.box.path / "cur" / f"{broken.name}:2,")
    away = tmp_path / "away"
    await asyncio.to_thread(broken.rename, away)
    await asyncio.to_thread(broken.symlink_to, broken)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [3]))
    async with opened(imap) as source, asyncio.timeout(100):
        series = source.series(THE_RUN)
        numbers: set[int] = set()
        while 3 not in numbers:
            with contextlib.suppress(NetworkError, NotYet):
                numbers.add((await series.newest())[0])
        told: list[str] = []
        while not told:
            await source.look()
            told = await source.of_pool(lambda pool: pool.troubles())
        assert "cannot be read" in told[0]
        with pytest.raises(NotYet):
            await series.manifest(2)
        await asyncio.to_thread(broken.unlink)
        await asyncio.to_thread(away.rename, broken)
        while True:
            await source.look()
            with contextlib.suppress(NotYet):
                assert (await series.manifest(2))[0]
                break


async def test_server_that_tells_is_listened_to(imap: Imap, tmp_path: Path) -> None:
    """Nobody looks for an hour: the server tells that a mail came, and what is asked meanwhile is answered at once."""
    await asyncio.to_thread(make_night().write, tmp_path)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1]))
    async with opened(imap) as source, asyncio.timeout(100):
        series = source.series(THE_RUN)
        assert (await series.newest())[0] == 1
        assert source._box is not None
        assert source._box.tells
        waiting = asyncio.create_task(source.wait(3600))
        await asyncio.sleep(0)
        assert (await series.manifest(1))[0]
        await waiting  # what was asked has ended it
        waiting = asyncio.create_task(source.wait(3600))
        await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [2]))
        await waiting
        assert (await series.newest())[0] == 2
        waiting = asyncio.create_task(source.wait(3600))
        await asyncio.sleep(0)
        waiting.cancel()
        assert (await series.manifest(2))[0]


async def test_server_that_ends_while_it_is_listened_to(imap: Imap, tmp_path: Path) -> None:
    """When the connection ends, waiting ends after the usual pause, and looking tells what is wrong."""
    await asyncio.to_thread(make_night().write, tmp_path)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1]))
    async with opened(imap) as source, asyncio.timeout(100):
        series = source.series(THE_RUN)
        assert (await series.newest())[0] == 1
        waiting = asyncio.create_task(source.wait(0.01))
        await imap.stop()
        await waiting
        with pytest.raises(NetworkError):
            await looked_at_until_it_fails(series)


async def test_server_that_does_not_tell_is_looked_at(tmp_path: Path) -> None:
    """A server without IDLE is not waited for: the next look comes after the pause that was asked for."""
    await asyncio.to_thread(make_night().write, tmp_path)
    async with imap_server("imap_capability = IMAP4rev1 LITERAL+ AUTH=PLAIN") as imap, opened(imap) as source:
        await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1]))
        series = source.series(THE_RUN)
        assert (await series.newest())[0] == 1
        assert source._box is not None
        assert not source._box.tells
        async with asyncio.timeout(60):
            await source.wait(0.01)


async def test_connection_that_breaks_is_made_anew(imap: Imap, tmp_path: Path) -> None:
    """A broken connection is made anew at the next look, and nothing is fetched twice or missed."""
    await asyncio.to_thread(make_night().write, tmp_path)
    await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [1]))
    async with opened(imap) as source:
        series = source.series(THE_RUN)
        assert (await series.newest())[0] == 1
        assert source._box is not None
        await asyncio.to_thread(source._box.interrupt)
        await asyncio.to_thread(imap.box.deliver, mail(tmp_path, [2]))
        assert (await series.newest())[0] == 2
        await imap.stop()
        with pytest.raises(NetworkError):
            await looked_at_until_it_fails(series)
        assert (await series.manifest(2))[0]


async def test_wrong_password(imap: Imap, tmp_path: Path) -> None:
    """A refused password is an error of access with the server's words, and the password stands in none of them."""
    path = tmp_path / "password"
    path.write_text("not it\n")
    async with opened(imap, password_file=path) as source:
        with pytest.raises(AccessRefused) as wrong:
            await source.state()
    assert wrong.value.words
    assert "not it" not in str(wrong.value)


async def test_certificate_is_checked(imap: Imap) -> None:
    """A server whose certificate nobody trusted signed gets no password: that is an error of the network."""
    async with opened(imap, authority=None) as source:
        with pytest.raises(NetworkError, match="certificate"):
            await source.state()


async def test_name_in_certificate_is_checked(imap: Imap) -> None:
    """A certificate for another name does not do."""
    async with opened(imap, imap.place.replace("localhost", "127.0.0.1")) as source:
        with pytest.raises(NetworkError, match=r"certificate|127\.0\.0\.1"):
            await source.state()


async def test_folder_that_is_not_there(imap: Imap) -> None:
    """A folder that the account does not have is told as such."""
    async with opened(imap, imap.place.replace("INBOX", "Žádná & složka")) as source:
        with pytest.raises(NoSuchPlace, match="no such folder"):
            await source.state()


async def test_server_that_sends_nonsense(tmp_path: Path) -> None:
    """Whatever a server sends, it is an error of the network and never one of another library."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n" + b"\xff" * 100 + b"\r\nA0 OK {99999999999}\r\n* BYE\r\n")
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()

    import trustme

    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    (tmp_path / "password").write_text("secret")
    server = await asyncio.start_server(nonsense, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    source = skrutinium.open_mail(
        f"imaps://desk@localhost:{port}/INBOX",
        password_file=tmp_path / "password",
        authority=tmp_path / "authority.pem",
    )
    async with server:
        with pytest.raises(NetworkError, match="mail server cannot be read"):
            await source.state()
        await source.close()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("imaps://desk:secret@mail.example/INBOX", "holds no password"),
        ("imap://desk@mail.example/INBOX", "no place of mails"),
        ("imaps://mail.example/INBOX", "expected imaps://USER@HOST"),
        ("imaps://desk@mail.example:99999/INBOX", "is no address"),
        ("imaps://desk@mail.example/IN%0d%0aBOX", "control characters"),
        ("imaps://desk:secret@mail.example:99999/INBOX", "is no address"),
        ("imaps://desk:secret@mail.example:port/INBOX", "is no address"),
        ("imaps://desk@mail.example:secret/INBOX", "is no address"),
        ("imaps://desk:secret/x@mail.example/INBOX", "is no address"),
        ("imaps://desk:12/secret@mail.example/INBOX", "expected imaps://USER@HOST"),
        ("imaps://desk:secret@[mail.example/INBOX", "is no address"),
        ("imaps:desk:secret@mail.example", "expected imaps://USER@HOST"),
        ("imap://desk:secret@mail.example/INBOX", "no place of mails"),
        ("imap://desk:12#secret@mail.example/INBOX", "no place of mails"),
    ],
)
def test_addresses_that_are_refused(place: str, words: str) -> None:
    """An address that says too much or too little is refused, and the error never repeats a password."""
    with pytest.raises(NoSuchPlace, match=words) as wrong:
        account_of(place)
    assert "secret" not in "".join(traceback.format_exception(wrong.value))
    assert "secret" not in skrutinium.open_mail(place).where


def test_addresses_are_told_as_far_as_they_can_be() -> None:
    """User, host and folder stay to be seen; a path of mails is told as it is."""
    assert (
        shown("imaps://desk:secret@mail.example:993/Crisis mail")
        == "imaps://desk@mail.example:993/Crisis mail"
    )
    for place in (
        "imaps://mail.example/INBOX",
        "maildir:/home/me@desk:1/Mail",
        "mbox:a@b",
        "/home/me@desk:1",
    ):
        assert shown(place) == place
    with pytest.raises(NoSuchPlace, match="no mails there") as wrong:
        guessed("smtp://desk:secret@mail.example")
    assert "secret" not in str(wrong.value)


def test_address_of_an_account() -> None:
    """User, host, port and folder come out of an address as they are meant."""
    told = account_of("imaps://desk%40radio.example@mail.example:1993/Crisis%20mail")
    assert told == Account("desk@radio.example", "mail.example", 1993, "Crisis mail")
    assert account_of("imaps://desk@mail.example").folder == "INBOX"


def test_password_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    """Without a password nothing is asked of the server; a file named in the environment does."""
    with pytest.raises(AccessRefused, match="no password"):
        box_of("imaps://desk@mail.example", environment={})
    with pytest.raises(AccessRefused, match="cannot be read"):
        box_of("imaps://desk@mail.example", environment={PASSWORD_FILE: str(tmp_path / "none")})
    (tmp_path / "password").write_text("secret\n")
    assert box_of("imaps://desk@mail.example", environment={PASSWORD_FILE: str(tmp_path / "password")}).where


def test_names_of_folders() -> None:
    """Folders are named to the server in modified UTF-7 (the example of RFC 3501), quoted."""
    assert _quoted("~peter/mail/台北/日本語") == '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'
    assert _quoted('a & "b"') == '"a &- \\"b\\""'
