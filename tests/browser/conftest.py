"""Debian's Chromium for all tests that look at pages."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started by the test."""
    if not CHROMIUM.exists():
        message = f"no {CHROMIUM}: pages cannot be looked at (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(f"{message}, and in CI nothing is skipped")
        pytest.skip(message)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
