"""The series volby in the encoding of older days: chosen in site.toml, fixed when the run opens, told by the feed."""

import urllib.request
from pathlib import Path

import pytest

from skrutinium_server.process.errors import SiteError
from skrutinium_server.process.site import Site
from tests.e2e.at_work import command, skrutinium_command
from tests.e2e.test_second_round import FIRST, bring, fed

pytestmark = pytest.mark.timeout(900)
DECLARATION = b'<?xml version="1.0" encoding="iso-8859-2"?>\n'


def setting(site: Path, before: str, after: str) -> None:
    file = site / "site.toml"
    text = file.read_text()
    assert f'volby_encoding = "{before}"' in text
    file.write_text(text.replace(f'volby_encoding = "{before}"', f'volby_encoding = "{after}"'))


def test_encoding_is_fixed_when_the_run_opens(tmp_path: Path) -> None:
    """Bytes, declaration and media type agree; a later change of the setting changes nothing of the run; verify agrees."""
    site = tmp_path / "site"
    command("site", "create", site)
    setting(site, "utf-8", "iso-8859-2")
    bring(site, FIRST, tmp_path / "first")
    setting(site, "iso-8859-2", "utf-8")

    command("store", "check", site, "--recount")
    assert "AGREEMENT" in skrutinium_command("verify", site / "store")
    with fed(site) as address:
        for coding in ("identity", "gzip"):
            request = urllib.request.Request(
                f"{address}/pls/senat/vysledky", headers={"Accept-Encoding": coding}
            )
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert answer.headers["Content-Type"] == "application/xml; charset=iso-8859-2"
                data = answer.read()
            if coding == "identity":
                assert data.startswith(DECLARATION)
                assert FIRST.candidates[0].family_name in data.decode("iso-8859-2")
        request = urllib.request.Request(f"{address}/event/{FIRST.event}/newest/event.xml")
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"


def test_wrong_encoding_is_told(tmp_path: Path) -> None:
    """Another encoding is refused with those that there are."""
    site = tmp_path / "site"
    command("site", "create", site)
    setting(site, "utf-8", "windows-1250")
    with pytest.raises(SiteError, match="windows-1250"):
        Site(site).settings()
