"""Handing messages to a real relay: TLS, passwords, refusals for now and for good, connections that break."""

import asyncio
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from skrutinium_server.crisis.errors import RelayError
from skrutinium_server.crisis.message import Identity, content, head
from skrutinium_server.crisis.outbox import Outbox
from skrutinium_server.crisis.queued import Failed, New, Sent, Waiting
from skrutinium_server.crisis.recipients import Relay, Sender
from skrutinium_server.crisis.sending import LONGEST_PAUSE, Sending, connect, pause
from tests.crisis.clock import Clock
from tests.crisis.night import NOW, chance, recipients
from tests.crisis.relay import parsed, relay, text

FROM = Sender("results@organiser.example", "Organiser")
LONG = "Žluťoučký kůň\n.\n..\n" + "x" * 2000 + "\n" * 3


def messages(number: int, text: str = LONG) -> list[New]:
    """One message each to so many recipients."""
    shared = content(text, None)
    made = []
    for one in recipients(number):
        identity = Identity("e", "r", 7, 1, 0, one.mark, "organiser.example")
        headers = head(
            one, FROM, identity, subject="Předmět", kind="release", phase="test", part=(1, 1), now=NOW
        )
        made.append(New(identity, str(identity), one.id, one.address, "release", 1, 1, headers, shared))
    return made


class Post:
    """An outbox with messages, and what sends them."""

    def __init__(self, outbox: Outbox, executor: ThreadPoolExecutor, told: Relay) -> None:
        self.outbox = outbox
        self.clock = Clock()
        self.sending = Sending(told, FROM.address, outbox, executor, self.clock, chance)

    async def put(self, made: Sequence[New]) -> None:
        await asyncio.to_thread(self.outbox.queue, made, self.clock())

    async def states(self) -> list[object]:
        return [one.state for one in await asyncio.to_thread(self.outbox.messages)]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that nobody else trusts."""
    return trustme.CA()


@pytest.fixture(scope="module")
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    """What a relay named localhost shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """The file with the authority's certificate."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A file with the password, for its owner alone."""
    path = tmp_path / "password"
    path.write_text("correct horse\nanything else\n")
    path.chmod(0o600)
    return str(path)


async def test_messages_go_over_few_connections(outbox: Outbox, executor: ThreadPoolExecutor) -> None:
    """Every message is taken once, byte for byte, over as many connections as are set, not one each."""
    async with relay() as taking:
        post = Post(outbox, executor, Relay("127.0.0.1", taking.port, "none", connections=3))
        made = messages(40)
        await post.put(made)
        assert await post.sending.round() is None
        assert taking.connections == 3
        assert sorted(taking.ids()) == sorted(one.id for one in made)
        assert all(text(message) == LONG for message in taking.messages())
        assert all(isinstance(state, Sent) for state in await post.states())
        assert (
            taking.taken[0][1].rstrip()
            == (
                await asyncio.to_thread(outbox.bytes_of, str(parsed(taking.taken[0][1])["Message-ID"]))
            ).rstrip()
        )


@pytest.mark.parametrize("implicit", [False, True])
async def test_tls_and_password(
    outbox: Outbox,
    executor: ThreadPoolExecutor,
    server_side: ssl.SSLContext,
    trusted: str,
    secret: str,
    implicit: bool,
) -> None:
    """STARTTLS and TLS from the first byte, with the certificate checked and the password told."""
    async with relay(tls=server_side, implicit=implicit, password=("results", "correct horse")) as taking:
        told = Relay(
            "localhost",
            taking.port,
            "tls" if implicit else "starttls",
            trusted,
            "results",
            secret,
            timeout=20,
        )
        post = Post(outbox, executor, told)
        await post.put(messages(2))
        assert await post.sending.round() is None
        assert len(taking.taken) == 2
        assert taking.logins == taking.connections


async def test_an_unknown_certificate_is_not_trusted(
    outbox: Outbox, executor: ThreadPoolExecutor, server_side: ssl.SSLContext
) -> None:
    """Without the authority nothing is sent, everything waits, and the trouble is told."""
    async with relay(tls=server_side) as taking:
        post = Post(outbox, executor, Relay("localhost", taking.port, timeout=20))
        await post.put(messages(2))
        rest = await post.sending.round()
        assert rest
        assert "certificate" in str(post.sending.trouble).lower()
        assert taking.taken == []
        assert await post.states() == [Waiting(), Waiting()]


async def test_no_mail_goes_out_in_the_clear(outbox: Outbox, executor: ThreadPoolExecutor) -> None:
    """A relay without STARTTLS is not used when STARTTLS is set."""
    async with relay() as taking:
        post = Post(outbox, executor, Relay("localhost", taking.port, "starttls", timeout=20))
        await post.put(messages(1))
        await post.sending.round()
        assert "STARTTLS" in str(post.sending.trouble)
        assert taking.taken == []


async def test_a_wrong_password_is_told(
    server_side: ssl.SSLContext, trusted: str, secret: str, tmp_path: Path
) -> None:
    """A password that the relay refuses, and one that others can read, are told as trouble of the relay."""
    async with relay(tls=server_side, password=("results", "another")) as taking:
        told = Relay("localhost", taking.port, "starttls", trusted, "results", secret, timeout=20)
        with pytest.raises(RelayError, match="refuses the user results: 535"):
            await connect(told)
        Path(secret).chmod(0o644)
        with pytest.raises(RelayError, match="mode 0644"):
            await connect(told)


async def test_refusals_for_now_are_tried_again(outbox: Outbox, executor: ThreadPoolExecutor) -> None:
    """What the relay does not take yet goes out after a pause; the others are not held up."""
    async with relay(at_rcpt=lambda _, attempt: "450 greylisted" if attempt == 1 else None) as taking:
        post = Post(outbox, executor, Relay("127.0.0.1", taking.port, "none"))
        await post.put(messages(3))
        rest = await post.sending.round()
        assert rest is not None
        assert taking.taken == []
        assert await post.states() == [Waiting(1, "450 greylisted")] * 3
        post.clock.on(rest - 1)
        assert await post.sending.round() is not None
        assert taking.taken == []
        post.clock.on(1)
        assert await post.sending.round() is None
        assert len(taking.taken) == 3


async def test_refusals_for_good_are_told(outbox: Outbox, executor: ThreadPoolExecutor) -> None:
    """A recipient or message that the relay refuses for good is told and not tried again; the connection goes on."""
    bad, worse, _ = recipients(3)

    def at_rcpt(address: str, _attempt: int) -> str | None:
        return "550 no such user" if address == bad.address else None

    def at_data(address: str, _attempt: int) -> str | None:
        return "554 no zips here" if address == worse.address else None

    async with relay(at_rcpt=at_rcpt, at_data=at_data) as taking:
        post = Post(outbox, executor, Relay("127.0.0.1", taking.port, "none", connections=1))
        await post.put(messages(3))
        assert await post.sending.round() is None
        assert len(taking.taken) == 1
        assert taking.connections == 1
        told = await asyncio.to_thread(outbox.untold)
        assert {one.what: one.why for one in told} == {
            f"{bad.id} ({bad.address})": "550 no such user",
            f"{worse.id} ({worse.address})": "554 no zips here",
        }
        assert [type(state) for state in await post.states()] == [Failed, Failed, Sent]


async def test_a_connection_that_breaks_costs_one_try(outbox: Outbox, executor: ThreadPoolExecutor) -> None:
    """A message whose connection broke is sent again, with the same id; the others go on over a new connection."""
    async with relay(at_data=lambda _, attempt: "close" if attempt == 1 else None) as taking:
        post = Post(outbox, executor, Relay("127.0.0.1", taking.port, "none", connections=2))
        made = messages(6)
        await post.put(made)
        rest = await post.sending.round()
        assert rest is not None
        assert taking.taken == []
        post.clock.on(rest + 60)
        assert await post.sending.round() is None
        assert sorted(taking.ids()) == sorted(one.id for one in made)


async def test_a_relay_that_is_away_is_asked_again(outbox: Outbox, executor: ThreadPoolExecutor) -> None:
    """While the relay is away everything waits, nothing is counted against a message, and all is sent when it is back."""
    async with relay() as taking:
        port = taking.port
    post = Post(outbox, executor, Relay("127.0.0.1", port, "none", timeout=20))
    await post.put(messages(3))
    assert await post.sending.round()
    assert "127.0.0.1" in str(post.sending.trouble)
    assert await post.states() == [Waiting()] * 3
    async with relay(port=port) as taking:
        assert await post.sending.round() is None
        assert str(post.sending.trouble) == "None"
        assert len(taking.taken) == 3


@pytest.mark.parametrize("turns", range(8))
async def test_it_ends_although_something_is_queued(
    turns: int, outbox: Outbox, executor: ThreadPoolExecutor
) -> None:
    """Cancelled at any turn of the loop after something was queued, it ends."""
    post = Post(outbox, executor, Relay("127.0.0.1", 1, "none"))
    await post.put(messages(1))
    running = asyncio.create_task(post.sending.run())
    async with asyncio.timeout(60):
        while not post.sending._queued._waiters:  # noqa: ASYNC110 - it rests, since there is no relay
            await asyncio.sleep(0)
        post.sending.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_and_end(attempts: int, chance: float) -> None:
    """A pause is never none and never longer than the longest, and doubles until then."""
    assert 0 < pause(attempts, chance) <= LONGEST_PAUSE
    assert pause(attempts + 1, chance) >= pause(attempts, chance)
