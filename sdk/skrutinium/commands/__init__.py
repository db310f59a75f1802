"""The command line ``skrutinium``.

Exit codes: 0 done, changed, or everything agrees; 1 differences were found; 2 the command was not understood; 3 nothing
changed; 10 network; 11 access refused; 12 not yet; 13 gone; 14 limit reached; 15 schema; 16 damaged; 17 signature; 18 chain;
19 rollback; 20 stale; 21 mixed phases; 22 state file; 23 choice needed; 24 server fault; 25 no such place;
26 not delivered; 27 sink; 28 not installed; 29 storage; 70 another error; 130 stopped by Ctrl-C.
"""

import argparse
import asyncio
import sys
from importlib.metadata import version
from types import ModuleType

from skrutinium.commands import (
    diff,
    doctor,
    export,
    mail,
    pull,
    record,
    replay,
    schema,
    verify,
    watch,
)
from skrutinium.commands.going_on import show
from skrutinium.errors import SkrutiniumError

COMMANDS: tuple[ModuleType, ...] = (
    diff,
    doctor,
    export,
    mail,
    pull,
    record,
    replay,
    schema,
    verify,
    watch,
)
"""One module a command, named as it is: ``HELP``, ``options(parser)``, and ``run(told)``, which returns the exit code."""


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    main = argparse.ArgumentParser(
        prog="skrutinium",
        description="Follow and check the results of an election night.",
        epilog=(__doc__ or "").split("\n\n", 1)[1],
    )
    main.add_argument("--version", action="version", version=f"skrutinium {version('skrutinium')}")
    commands = main.add_subparsers(dest="command", required=True)
    for module in COMMANDS:
        one = commands.add_parser(module.__name__.rpartition(".")[2], help=module.HELP)
        module.options(one)
        one.set_defaults(run=module.run)
    return main


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    told = parser().parse_args(arguments)
    try:
        code = asyncio.run(told.run(told))
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader of our pipe has enough
        sys.stderr.close()
        code = 0
    except SkrutiniumError as error:
        show(error, plain=getattr(told, "json", False))
        code = error.exit_code
    sys.exit(code)
