"""What is rewritten in place is continued only when this site signed it: nobody gets our signature under what he wrote."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from skrutinium_server.process import noticing
from skrutinium_server.process.opening import prepare_run
from skrutinium_server.process.registers import publish_registers
from skrutinium_server.process.site import Site
from skrutinium_server.process.state import write_state
from skrutinium_server.rehearsal.made_up import SMALL, made_up_definition
from skrutinium_server.release.store.errors import StoreDamaged
from skrutinium_server.release.store.signing import Signer

NOW = datetime.datetime(2030, 10, 1, 12, 0, tzinfo=datetime.UTC)
MADE_UP = made_up_definition(3, SMALL)


def open_run(site: Site) -> None:
    """Rewrite ``state.xml``."""
    write_state(site, opened="night", now=NOW)


def incident(site: Site) -> None:
    """Rewrite ``notices.xml``."""
    noticing.tell(site, noticing.plan(NOW, "An address changes."), "planned", "", "test", NOW)


def registers(site: Site) -> None:
    """Publish registers that continue those before."""
    publish_registers(site, MADE_UP, NOW)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with the record of a run."""
    made = Site.create(tmp_path / "site")
    made.define(MADE_UP)
    prepare_run(made, "night", "test")
    return made


CASES = pytest.mark.parametrize(
    ("rewrite", "name"),
    [
        (open_run, "state.xml"),
        (incident, "notices.xml"),
        (registers, f"event/{MADE_UP.event}/registers/000000001.xml"),
    ],
)


@CASES
def test_what_somebody_else_changed_is_not_signed(
    site: Site, rewrite: Callable[[Site], None], name: str
) -> None:
    """A changed file is refused by its name, and stays as it is found."""
    rewrite(site)
    path = site.store / name
    changed = path.read_bytes().replace(b'"2030-', b'"2031-', 1)
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(StoreDamaged, match=f"{path.name}.*after it was signed"):
        rewrite(site)
    assert path.read_bytes() == changed


@CASES
def test_what_another_key_signed_is_not_continued(
    site: Site, rewrite: Callable[[Site], None], name: str
) -> None:
    """A file of another site is refused; after a change of keys that the old key vouches for it is continued."""
    rewrite(site)
    before = site.signer()
    (site.root / "keys/signing.pem").unlink()
    after = Signer.generate(site.root / "keys")
    with pytest.raises(StoreDamaged, match="not trusted here"):
        rewrite(site)
    key = site.store / "keys" / f"{after.key_id}.pem"
    key.write_bytes(after.public_pem())
    key.with_name(f"{key.name}.sig").write_bytes(before.line(after.public_pem()))
    rewrite(site)
    assert (site.store / name).exists()
