"""``verify`` finds nothing in a right night, and names exactly what is wrong in a wrong one."""

import gzip
import hashlib
import json
from pathlib import Path

from skrutinium import Report, open_source, verify
from tests.sdk.store_builder import NIGHT, Night, Sent, fingerprint, make_night, sign


async def checked(root: Path, pinned: str | None = None) -> Report:
    return await verify(open_source(str(root)), fingerprint=pinned)


def found(report: Report) -> set[tuple[str, int | None, str]]:
    return {(one.code, one.release, one.path) for one in report.differences}


async def test_right_night(tmp_path: Path):
    """A right night agrees, with everything looked at."""
    night = make_night()
    night.write(tmp_path)

    report = await checked(tmp_path, fingerprint(night.key))

    assert report.differences == []
    assert (report.releases, report.protocols, report.counting, report.expected) == (5, 8, 6, 6)
    assert report.reread == 5
    assert report.documents == sum(len(one.documents) for one in night.releases)
    assert json.loads(json.dumps(report.as_json()))["agrees"] is True
