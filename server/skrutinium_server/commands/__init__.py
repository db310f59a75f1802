"""The command line ``skrutinium-server``: every command is a thin shell around the stages and processes.

Exit codes: 0 done, 1 refused or failed (the message says what to do), 2 the command was not understood, 130 stopped by Ctrl-C.
"""

import logging
import sys
from importlib import import_module

import click

from skrutinium_server import __version__
from skrutinium_server.archive.errors import ArchiveError
from skrutinium_server.authority.errors import AuthorityError
from skrutinium_server.console.errors import ConsoleError
from skrutinium_server.crisis.errors import CrisisError
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
    ConsoleError,
    CrisisError,
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


WHERE = {
    "site": "site",
    "definition": "definition",
    "run": "run",
    "hold": "run",
    "lift": "run",
    "protocols": "protocols",
    "replay": "replay",
    "sandbox": "sandbox",
    "registers": "registers",
    "bundle": "registers",
    "calendar": "registers",
    "format": "registers",
    "release": "release",
    "store": "store",
    "serve": "serve",
    "count": "serve",
    "feed": "serve",
    "tally": "tally",
    "demo": "demo",
    "made-up": "made_up",
    "archive": "archive",
    "crisis": "crisis",
    "publish": "publish",
    "subscriber": "subscriber",
    "person": "person",
    "event-log": "event_log",
    "notice": "notice",
    "preflight": "preflight",
    "score": "score",
    "scenario": "scenario",
    "rehearse": "rehearse",
    "status": "status",
    "console": "console",
}
"""Each command and the module that holds it: all of them together take a second to load, one of them a fraction."""


class Commands(click.Group):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click names it
        """Their names."""
        return sorted(WHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click names it
        """One of them, None when there is none of that name."""
        if cmd_name not in WHERE:
            return None
        found = vars(import_module(f"{__name__}.{WHERE[cmd_name]}")).values()
        return next(
            command for command in found if isinstance(command, click.Command) and command.name == cmd_name
        )


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="skrutinium-server")
def group() -> None:
    """Count an election's precinct protocols and publish interim and final results."""


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
