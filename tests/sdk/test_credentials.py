"""User and password in an address: sent where they should be, and seen nowhere else."""

import asyncio
import base64
import datetime
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

import skrutinium
from skrutinium.errors import AccessRefused, NetworkError, NoSuchPlace, SkrutiniumError
from skrutinium.mirroring.keeping import opened
from skrutinium.mirroring.mirror import Wanted
from skrutinium.mirroring.times import NAME, Recorder, read_times
from skrutinium.sources.credentials import plain_address, split_credentials
from skrutinium.sources.opening import source_at
from skrutinium.sources.transport import Transport
from tests.sdk.feed_of_store import StoreFeed
from tests.sdk.several import IMPATIENT, QUICK, until
from tests.sdk.store_builder import make_night
from tests.sdk.test_commands import run

USER, PASSWORD = "desk", "s3cr/t@tea"
TOLD = f"{USER}:s3cr%2Ft%40tea@"
BEGAN = datetime.datetime(2026, 10, 10, 20, tzinfo=datetime.UTC)
SECRETS = (PASSWORD, "s3cr", TOLD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())


class LockedFeed(StoreFeed):
    """A feed behind a server that asks for a password."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        header = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode("ascii")
        if request.headers.get("Authorization") != header:
            return web.Response(status=401)
        return await super().answer(request)

    @property
    def told(self) -> str:
        """Its address with the password in it."""
        return self.url.replace("//", f"//{TOLD}")


@pytest.fixture
async def feed(tmp_path: Path) -> AsyncIterator[LockedFeed]:
    await asyncio.to_thread(make_night().write, tmp_path / "site")
    feed = LockedFeed(tmp_path / "site")
    await feed.start()
    yield feed
    await feed.stop()


def hidden(*texts: object) -> bool:
    """Whether no secret is in any of the texts."""
    return not any(secret in str(text) for text in texts for secret in SECRETS)


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_reader_with_a_password(
    feed: LockedFeed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has the password in the address reads everything; releases, health, errors, log and state file show the address without it."""
    caplog.set_level(logging.DEBUG)
    state = tmp_path / "state.json"
    async with (
        asyncio.timeout(60),
        skrutinium.connect(
            feed.told, others=[feed.told + "/nothing"], state=state, timing=QUICK, requests=IMPATIENT
        ) as reader,
    ):
        assert hidden(reader.health)
        async for release in reader.releases():
            assert release.source == feed.url
            assert (await release.event()).release == release.number
            await reader.done(release)
            break
        await until(lambda: reader.health.sources[1].trouble is not None)
        assert hidden(reader.health, repr(release))
        assert [one.where for one in reader.health.sources] == [feed.url, feed.url + "/nothing"]
        await feed.stop()
        with pytest.raises(SkrutiniumError) as caught:
            await reader.release(1)
    assert hidden(
        caught.value, caught.value.address, caplog.text, await asyncio.to_thread(contents, tmp_path)
    )


async def test_mirror_with_a_password(feed: LockedFeed, tmp_path: Path) -> None:
    """A mirror and the times of a recording keep the address without the password."""
    mirrored = tmp_path / "mirror"
    async with opened(feed.told, mirrored, Wanted(), IMPATIENT) as mirror:
        assert (await mirror.update()).changed
    path = next(mirrored.glob("event/*/*/mirror.json"))
    assert json.loads(await asyncio.to_thread(path.read_bytes))["place"] == feed.url
    async with Recorder(mirrored / NAME, feed.told, lambda: BEGAN):
        pass
    assert next(read_times(mirrored / NAME))["place"] == feed.url
    assert hidden(await asyncio.to_thread(contents, mirrored))


@pytest.mark.parametrize(
    ("command", "due"),
    [
        (("verify", "--json"), 0),
        (("pull", "{folder}"), 0),
        (("diff", "1", "2"), 1),
    ],
)
async def test_commands_with_a_password(
    feed: LockedFeed, tmp_path: Path, command: tuple[str, ...], due: int
) -> None:
    """No command prints a password, whether it works or is refused."""
    name, *more = (one.format(folder=tmp_path / "mirror") for one in command)
    code, out, err = await run(name, feed.told, *more)
    assert (code, hidden(out, err)) == (due, True), (out, err)
    wrong = feed.told.replace(f"{USER}:", "other:")
    code, out, err = await run(name, wrong, *more)
    assert (code, hidden(out, err)) == (AccessRefused.exit_code, True), (out, err)


@pytest.mark.parametrize(
    "address",
    [
        f"https://{TOLD}host.invalid:1x/feed",
        f"http://{TOLD}host.invalid",
        f"{TOLD}host.invalid",
        f"//{TOLD}host.invalid:1x",
        f"{USER}:{PASSWORD}@host.invalid",
    ],
)
async def test_doctor_hides_passwords(address: str) -> None:
    """The examination shows no password, whatever is wrong with the address."""
    code, out, err = await run("doctor", address, "--json")
    assert (code, err) == (NetworkError.exit_code, "")
    assert hidden(out)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (f"http://{TOLD}feed.example", AccessRefused),
        (f"HTTP://{TOLD}10.0.0.7:8080/x", AccessRefused),
        (f"https://{USER}:s3cr/t@feed.example", AccessRefused),
        (f"https://{USER}%3A:s3cr@feed.example", AccessRefused),
        (f"https://{USER}:s3cr%0D%0AX:1@feed.example", AccessRefused),
        (f"htps://{TOLD}feed.example", NoSuchPlace),
        (f"ftp://{TOLD}feed.example", NoSuchPlace),
        (f"imaps://{TOLD}mail.example/INBOX", NoSuchPlace),
    ],
)
async def test_refused_without_a_word_of_it(place: str, kind: type[SkrutiniumError]) -> None:
    """A password that would go in the clear, or could not be sent, is refused before anything is sent, and not repeated."""
    with pytest.raises(kind) as caught:
        await source_at(place)
    assert hidden(caught.value, caught.value.address, caught.value.message)
    with pytest.raises(kind) as caught:
        async with skrutinium.connect(place):
            pass
    assert hidden(caught.value)


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "127.8.8.8:1", "[::1]:9"])
def test_own_machine_needs_no_https(host: str) -> None:
    """To this machine itself a password may go by http."""
    plain, header = split_credentials(f"http://a:b@{host}/feed")
    assert (plain, header) == (f"http://{host}/feed", "Basic YTpi")


@given(
    st.text(st.characters(min_codepoint=32, blacklist_categories=["Cs", "Cc"], blacklist_characters=":")),
    st.text(st.characters(min_codepoint=32, blacklist_categories=["Cs", "Cc"])),
)
def test_any_user_and_password(user: str, password: str) -> None:
    """Whatever they are, percent-encoded they are sent as they are, and the address without them is the same."""
    address = f"https://{quote(user, safe='')}:{quote(password, safe='')}@feed.example:8443/a@b?c=d@e"
    plain, header = split_credentials(address)
    assert plain == "https://feed.example:8443/a@b?c=d@e"
    assert header is not None
    assert base64.b64decode(header.removeprefix("Basic ")) == f"{user}:{password}".encode()
    assert Transport(address).base == plain


@given(
    st.sampled_from(["", "http://", "HTTPS://", "socks5h://"]),
    st.text(st.characters(min_codepoint=32, blacklist_categories=["Cs", "Cc"], blacklist_characters=":/?#")),
    st.text("x:@%", max_size=8),
    st.text("y/:?#@0", max_size=8),
)
def test_password_of_any_proxy(scheme: str, user: str, start: str, end: str) -> None:
    """Of a proxy nothing of the password is shown, whatever it is and whether there is a scheme; the host is, where it can be told."""
    end = end if not scheme else ""  # behind a scheme, what is not percent-encoded could be a path
    password = f"{start}\N{SNOWMAN}{end}"
    shown = plain_address(f"{scheme}{user}:{password}@proxy.example:3128", host=True)
    assert "\N{SNOWMAN}" not in shown.removeprefix(f"{scheme}{user}@")
    assert shown.endswith("proxy.example:3128")
    assert shown.startswith(scheme)


@pytest.mark.parametrize(
    "proxy", ["proxy.example:3128", "http://proxy.example:3128", "//10.0.0.7:80", "[::1]:3128"]
)
def test_proxy_without_a_password_stays(proxy: str) -> None:
    """A proxy without a password is shown as it is set."""
    assert plain_address(proxy, host=True) == proxy


@pytest.mark.parametrize(
    "place",
    [
        "folder/with@sign",
        "C:/x@y",
        "maildir:/a@b",
        "maildir:/a:b/c",
        "eml:/a:b@c",
        "https://host/@x",
        "../a b",
    ],
)
def test_what_is_no_password_stays(place: str) -> None:
    """A folder, or an address without a password, is shown as it is."""
    assert plain_address(place) == place
