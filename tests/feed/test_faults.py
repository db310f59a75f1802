"""Faults of our own: whoever asked learns an id, the log everything else, and the connection goes on being served."""

import pytest

from tests.feed.made import EVENT, Fed
from tests.feed.test_serving import code

DOCUMENT = f"/event/{EVENT}/newest/event.xml"


async def test_fault_tells_an_id_and_nothing_of_the_inside(
    fed: Fed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault is 500 with a small document and an id; reason and place are in the log under that id alone, and others are served."""
    handling = fed.running._handling

    async def broken(*_: object) -> None:
        raise RuntimeError("the inside of /srv/elections")

    with monkeypatch.context() as patched:
        patched.setattr(type(handling), "_answer", broken)
        status, body, headers = await fed.get("/status")
    assert (status, code(body)) == (500, "unexpected")
    for inside in (b"inside", b"/srv", b"Traceback", b"RuntimeError", b".py"):
        assert inside not in body
        assert inside.decode() not in str(headers)
    (record,) = [one for one in caplog.records if one.exc_info]
    assert headers["X-Request-Id"] in record.getMessage()
    assert "the inside of /srv/elections" in caplog.text
    assert (await fed.get(DOCUMENT))[0] == 200
