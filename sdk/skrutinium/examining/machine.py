"""Checks of the newsroom's own machine: programs, disk, state file, settings of a proxy. Files are read: it belongs into threads."""

import os
import platform
import shutil
import ssl
import urllib.request
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from skrutinium.errors import NetworkError, SkrutiniumError, StateFileError, StorageError
from skrutinium.examining.finding import Asked, Finding, Machine, of_error
from skrutinium.following.statefile import read
from skrutinium.sources.credentials import plain_address

_LITTLE = 1024**3
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def programs() -> Finding:
    """What runs here."""
    names = ", ".join(f"{name} {version(name)}" for name in ("skrutinium", "aiohttp", "lxml", "cryptography"))
    return Finding("programs", "ok", f"{names}; Python {platform.python_version()}, {ssl.OPENSSL_VERSION}")


def proxies(asked: Asked, machine: Machine) -> Finding:
    """Settings of a proxy in the environment, which this package does not follow unless told to."""
    told = {name: value for name, value in machine.environment.items() if name.lower() in _PROXIES and value}
    if not told:
        return Finding("proxy settings", "ok", "none in the environment: requests go straight to the feed")
    host = urlsplit(asked.url).hostname or ""
    if urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined]
        host, {"no": machine.environment.get("no_proxy", machine.environment.get("NO_PROXY", ""))}
    ):
        return Finding("proxy settings", "ok", f"{', '.join(sorted(told))} set, but not for {host}")
    shown = ", ".join(f"{name}={plain_address(value, host=True)}" for name, value in sorted(told.items()))
    return Finding(
        "proxy settings",
        "warn",
        shown,
        "the straight way: the feed knows you by your own address, not by that of a proxy",
        f"Add {host} to no_proxy. This package goes straight there anyway; pass a session with trust_env=True if only the proxy gets out.",
        NetworkError,
    )


def disk(asked: Asked) -> list[Finding]:
    """Room for the state file, and whether it can be read and written."""
    folder = (asked.state or Path("state")).absolute().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        words = f"{folder}: {error.strerror or error}"
        return [Finding("disk", "bad", words, "a folder", "Make the folder of the state file.", StorageError)]
    found = [_room(folder, free)]
    if asked.state is None:
        return [*found, Finding("state file", "ok", "none named; --state FILE checks the one you use")]
    if not os.access(folder, os.W_OK):
        found.append(
            Finding(
                "state file",
                "bad",
                f"{folder} cannot be written",
                "",
                "Give the program the right to write there.",
                StateFileError,
            )
        )
        return found
    try:
        seen = read(asked.state)
    except SkrutiniumError as error:
        return [*found, of_error("state file", error, "Move the file away to start afresh.")]
    told = (
        "not there yet"
        if seen is None
        else f"{seen.event}/{seen.run} ({seen.phase}), release {seen.number} done"
    )
    return [*found, Finding("state file", "ok", f"{asked.state}: {told}")]


def _room(folder: Path, free: int) -> Finding:
    shown = f"{free / 1024**3:.1f} GB free in {folder}"
    if free >= _LITTLE:
        return Finding("disk", "ok", shown)
    return Finding("disk", "warn", shown, "1 GB or more", "Make room before the night.", StorageError)
