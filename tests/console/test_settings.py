"""Where the console may listen."""

from pathlib import Path

import pytest

from skrutinium_server.commands.serve import serve
from skrutinium_server.console.errors import ConsoleSettingsError
from skrutinium_server.console.settings import FEED_PORT, ConsoleSettings

CERTIFICATE, KEY = Path("chain.pem"), Path("key.pem")


def test_port_of_the_feed_is_refused() -> None:
    """The console is never started at the port that the feed has unless told."""
    assert next(one for one in serve.params if one.name == "port").default == FEED_PORT
    with pytest.raises(ConsoleSettingsError, match="port of the feed"):
        ConsoleSettings(port=FEED_PORT)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_needs_no_tls(host: str) -> None:
    """Browsers of this machine reach it without TLS."""
    assert not ConsoleSettings(host).secure


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "console.example"])
def test_other_machines_need_tls_or_a_proxy(host: str) -> None:
    """Passphrases never go over a line in the clear: without certificate or proxy the console stays on this machine."""
    with pytest.raises(ConsoleSettingsError, match="TLS"):
        ConsoleSettings(host)
    assert ConsoleSettings(host, certificate=CERTIFICATE, key=KEY).secure
    assert ConsoleSettings(host, proxies=("10.0.0.1",)).secure


def test_half_a_certificate_and_a_wrong_proxy_are_refused() -> None:
    """Certificate and key belong together, and a proxy is a network."""
    for told in ({"certificate": CERTIFICATE}, {"key": KEY}, {"proxies": ("no network",)}):
        with pytest.raises(ConsoleSettingsError):
            ConsoleSettings(**told)
