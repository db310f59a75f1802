"""The command line ``skrutinium-server``: every command is a thin shell around the stages and processes.

Exit codes: 0 done, 1 refused or failed (the message says what to do), 2 the command was not understood, 130 stopped by Ctrl-C.
"""

import logging
import sys

import click

from skrutinium_server import __version__
from skrutinium_server.archive.errors import ArchiveError
from skrutinium_server.authority.errors import AuthorityError
from skrutinium_server.commands.archive import archive
from skrutinium_server.commands.definition import definition
from skrutinium_server.commands.demo import demo
from skrutinium_server.commands.event_log import event_log
from skrutinium_server.commands.notice import notice
from skrutinium_server.commands.person import person
from skrutinium_server.commands.preflight import preflight
from skrutinium_server.commands.protocols import protocols, replay
from skrutinium_server.commands.publish import publish
from skrutinium_server.commands.registers import bundle, calendar, formats, registers
from skrutinium_server.commands.release import release
from skrutinium_server.commands.run import hold, lift, run
from skrutinium_server.commands.serve import count, feed, serve
from skrutinium_server.commands.site import site
from skrutinium_server.commands.status import status
from skrutinium_server.commands.store import store
from skrutinium_server.commands.subscriber import subscriber
from skrutinium_server.commands.tally import tally
from skrutinium_server.election.errors import ElectionError
from skrutinium_server.feed.errors import FeedError
from skrutinium_server.intake.errors import IntakeError
from skrutinium_server.ledger.errors import LedgerError
from skrutinium_server.process.errors import ProcessError
from skrutinium_server.release.errors import ReleaseError
from skrutinium_server.release.store.errors import StoreError
from skrutinium_server.tally.errors import TallyError
from skrutinium_server.tally.seats.errors import SeatsError

REFUSALS = (
    ArchiveError,
    AuthorityError,
    ElectionError,
    FeedError,
    IntakeError,
    LedgerError,
    ProcessError,
    ReleaseError,
    SeatsError,
    StoreError,
    TallyError,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="skrutinium-server")
def group() -> None:
    """Count an election's precinct protocols and publish interim and final results."""


for command in (
    site,
    definition,
    run,
    hold,
    lift,
    protocols,
    replay,
    registers,
    bundle,
    calendar,
    formats,
    release,
    store,
    serve,
    count,
    feed,
    tally,
    demo,
    archive,
    publish,
    subscriber,
    person,
    event_log,
    notice,
    preflight,
    status,
):
    group.add_command(command)


def main() -> None:
    """Run one command; errors that a person can act on become one message and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        group.main(standalone_mode=False)
    except REFUSALS as error:
        click.echo(f"error [{error.code}]: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        click.echo(f"error [os]: {error}", err=True)
        sys.exit(1)
