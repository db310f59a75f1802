"""The parts of a stage by themselves: what replaces a protocol, what is late, what was done, wrong clocks, and the relay."""

import asyncio
import datetime
import email.utils
import mailbox
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from skrutinium.testing.faults import Answer, Request, whole
from skrutinium_server.election.index import DefinitionIndex
from skrutinium_server.election.law import law_ids, load_law
from skrutinium_server.intake.door import admit
from skrutinium_server.intake.model import Origin
from skrutinium_server.intake.reading import read_protocol
from skrutinium_server.rehearsal.made_up import QUIET, made_up, taken_over
from skrutinium_server.rehearsal.made_up.settings import Settings
from skrutinium_server.rehearsal.stage import Act, StageError, acts_path, read_acts
from skrutinium_server.rehearsal.stage import relay as relays
from skrutinium_server.rehearsal.stage.acts import write_act
from skrutinium_server.rehearsal.stage.changes import lowered, renamed
from skrutinium_server.rehearsal.stage.late import Late
from skrutinium_server.rehearsal.stage.relay import Relay
from skrutinium_server.rehearsal.stage.skew import skewed
from skrutinium_server.release.store.signing import Signer, signature_holds, split_signed

NOW = datetime.datetime(2030, 4, 2, 18, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize("law", law_ids())
def test_lowered_protocol_is_right_by_the_law(law: str) -> None:
    """Half of the votes of any protocol pass the door, and no figure is higher than before."""
    definition, night = made_up(Settings(law=law, precincts=24, seed=5, rates=QUIET))
    index, rules = DefinitionIndex(definition), load_law(law)
    for due in night:
        protocol = read_protocol(due.taken_over, rules)
        less = lowered(protocol, protocol.sequence + 1)
        admission = admit(less, taken_over(less, rules), Origin("test", "correction"), index, rules)
        assert not [one for one in admission.findings if one.severity == "error"]
        assert all(less.figures[name] <= value for name, value in protocol.figures.items())
        assert less.figures["valid-votes"] <= protocol.figures["valid-votes"] // 2
        assert (less.sequence, less.repeated) == (protocol.sequence + 1, True)


def test_renamed_candidate_is_made_up_still() -> None:
    """Another version differs by one given name, each time another one; a real election is left alone."""
    definition, _ = made_up(Settings(precincts=8, seed=5, rates=QUIET))
    one, two = renamed(definition, 1), renamed(definition, 2)
    assert one.candidates[1:] == definition.candidates[1:]
    assert len({definition.candidates[0], one.candidates[0], two.candidates[0]}) == 3
    with pytest.raises(StageError, match="is not made up"):
        renamed(msgspec.structs.replace(definition, made_up=False), 1)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=12))
def test_late_protocols_are_kept_in_their_order(steps: list[tuple[int, int]]) -> None:
    """Everything that comes goes on or is held, never both, none is lost; as many are held as were asked for."""
    late: Late[int] = Late()
    went: list[int] = []
    came = wanted = held = 0
    for hold, arriving in steps:
        late.hold(hold)
        wanted += hold
        records = list(range(came, came + arriving))
        came += arriving
        went += late.through(records)
        held, wanted = held + min(wanted, arriving), max(0, wanted - arriving)
        assert len(late.held) == held
    assert sorted([*went, *late.held]) == list(range(came))
    assert late.release() == [one for one in range(came) if one not in went]
    assert late.held == []
    assert list(late.through([99])) == [99]


def test_acts_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Each act is a line; a last line that a kill cut off is left out, another one that is none is told with its number."""
    path = acts_path(tmp_path, "night")
    assert read_acts(path) == []
    acts = [Act(NOW, "outage", {"which": "first"}), Act(NOW, "correct", {"reason": "recount"}, 7)]
    for one in acts:
        write_act(path, one)
    assert read_acts(path) == acts
    assert path.read_bytes().splitlines()[0] == (
        b'{"time":"2030-04-02T18:00:00Z","name":"outage","arguments":{"which":"first"},"release":null}'
    )
    with path.open("ab") as file:
        file.write(b'{"time":"20')
    assert read_acts(path) == acts
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(StageError, match=r"acts\.jsonl, line 3: "):
        read_acts(path)


async def answered(data: bytes, kind: str, target: str, seconds: int, signer: Signer) -> Answer:
    """What a reader gets through a clock that is wrong."""

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 11):  # pieces end anywhere
            yield data[start : start + 11]

    async def pass_on(request: Request) -> Answer:
        assert request.headers["Accept-Encoding"] == "identity"
        headers = CIMultiDict({"Date": "Tue, 02 Apr 2030 18:00:00 GMT", "Content-Type": kind})
        headers["Content-Length"] = str(len(data))
        return Answer(200, headers, body())

    return await skewed(seconds, signer)(Request("GET", target, CIMultiDict()), pass_on)


async def test_heartbeat_of_a_wrong_clock_is_rightly_signed(tmp_path: Path) -> None:
    """Date and the time of the heartbeat are shifted, and the signature holds over what comes."""
    signer = await asyncio.to_thread(Signer.generate, tmp_path / "keys")
    document = b'<?xml version="1.0"?>\n<heartbeat release="7" alive="2030-04-02T18:00:00Z"/>\n'
    answer = await answered(
        document + signer.line(document), "application/xml", "/event/e/heartbeat.xml", -600, signer
    )
    assert email.utils.parsedate_to_datetime(answer.headers["Date"]) == NOW - datetime.timedelta(minutes=10)
    data = await whole(answer.body)
    assert answer.headers["Content-Length"] == str(len(data))
    shifted, line = split_signed(data)
    assert b' release="7" alive="2030-04-02T17:50:00Z"' in shifted
    assert signature_holds(signer.public, shifted, line)


async def test_pushed_heartbeats_are_shifted_too(tmp_path: Path) -> None:
    """In a stream only the times of heartbeats change, wherever its pieces end."""
    signer = await asyncio.to_thread(Signer.generate, tmp_path / "keys")
    release = b"event: release\nid: 7\ndata: 7 " + b"a" * 64 + b"\n\n"
    stream = release + b"event: heartbeat\ndata: 7 2030-04-02T18:00:00Z\n\n: \n\n" + release
    answer = await answered(stream, "text/event-stream", "/event/e/push", 90, signer)
    assert await whole(answer.body) == stream.replace(b"18:00:00Z", b"18:01:30Z")


async def test_other_documents_are_left_alone(tmp_path: Path) -> None:
    """What is no heartbeat comes as it is, with a shifted date."""
    signer = await asyncio.to_thread(Signer.generate, tmp_path / "keys")
    answer = await answered(b"<event/>", "application/xml", "/event/e/newest/event.xml", 90, signer)
    assert answer.headers["Date"] == "Tue, 02 Apr 2030 18:01:30 GMT"
    assert await whole(answer.body) == b"<event/>"


def message(subject: str, to: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "results@organiser.example", to, subject
    made.set_content("x" * 1000)
    return made


async def test_relay_puts_mail_into_the_box_of_its_recipient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message lies in the Maildir when it is acknowledged, nobody else gets any, and the oldest of too many go."""
    monkeypatch.setattr(relays, "MOST", 3)
    relay = Relay({"desk@newsroom.example": tmp_path / "mail" / "desk"})
    await relay.start()
    try:
        async with aiosmtplib.SMTP(
            hostname=relays.HOST, port=relay.port, use_tls=False, start_tls=False
        ) as client:
            for number in range(5):
                await client.send_message(message(f"message {number}", "Desk@newsroom.example"))
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
                await client.send_message(message("for nobody", "nobody@newsroom.example"))
    finally:
        await relay.stop()
    box = mailbox.Maildir(str(tmp_path / "mail" / "desk"))
    assert sorted(str(one["Subject"]) for one in box) == ["message 2", "message 3", "message 4"]
