"""Settings of the feed: from site.toml and the command line to the process that listens."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from skrutinium_server.commands import group
from skrutinium_server.feed.settings import DEFAULTS, FeedSettings
from skrutinium_server.process.errors import SiteError
from skrutinium_server.process.site import FeedFolder, Site
from tests.feed.test_tls import Pair


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A new site."""
    return Site.create(tmp_path / "site")


def write(site: Site, section: str) -> None:
    """Replace site.toml."""
    (site.root / "site.toml").write_text(f"[feed]\n{section}\n")


def test_a_new_site_and_a_mirror_have_the_defaults(site: Site) -> None:
    """site.toml as created says what holds anyhow; a copy without it too."""
    assert site.feed_settings() == DEFAULTS
    (site.root / "site.toml").unlink()
    assert FeedFolder(site.root).feed_settings() == DEFAULTS


def test_settings_are_read_and_files_found_beside(site: Site) -> None:
    """Files of TLS are looked for in the folder of the site unless they are named in full."""
    write(site, 'proxies = ["10.0.0.1"]\ncertificate = "tls/c.pem"\nkey = "/etc/k.pem"\nburst = 7')
    found = FeedSettings(("10.0.0.1",), certificate=str(site.root / "tls/c.pem"), key="/etc/k.pem", burst=7)
    assert site.feed_settings() == FeedFolder(site.root).feed_settings() == found


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ("burst = 0", "burst"),
        ("requests_per_second = -1", "requests_per_second"),
        ("connections = 'many'", "connections"),
        ("forwarded = 'via'", "forwarded"),
        ("colour = 1", "colour"),
        ("certificate = 'c.pem'", "certificate and key"),
    ],
)
def test_wrong_settings_are_told(site: Site, section: str, named: str) -> None:
    """What is wrong in the section is named."""
    write(site, section)
    with pytest.raises(SiteError, match=named):
        site.feed_settings()


@pytest.mark.parametrize("command", ["serve", "feed"])
@pytest.mark.parametrize(
    ("options", "named"),
    [(["--proxy", "10.0.0.1/8"], "10.0.0.1/8"), (["--certificate", "c.pem"], "certificate and key")],
)
def test_wrong_options_are_told(site: Site, command: str, options: list[str], named: str) -> None:
    """A proxy that is no network, and half a pair, end the command before anything starts."""
    result = CliRunner().invoke(group, [command, str(site.root), *options])
    assert (result.exit_code, named in result.output) == (2, True)


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[str]:
    """A command that listens; the address that it tells."""
    child = subprocess.Popen(
        [sys.executable, "-m", "skrutinium_server", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        found = re.search(r"listens at (\S+)", line)
        assert found is not None, line
        yield found[1]
    finally:
        child.terminate()
        assert child.wait(20) == 0
        child.stdout.close()


def test_command_line_reaches_the_feed(site: Site, tmp_path: Path) -> None:
    """With a certificate on the command line the feed speaks TLS and says so."""
    pair = Pair(tmp_path)
    pair.write(5)
    files = ["--certificate", str(pair.certificate), "--key", str(pair.key)]
    with running("feed", str(site.root), "--port", "0", *files) as address:
        assert address.startswith("https://127.0.0.1:")
        got = subprocess.run(
            ["curl", "--silent", "--cacert", pair.certificate, address + "access"],
            capture_output=True,
            check=True,
        )
        assert b'"subscriber": "this-machine"' in got.stdout
