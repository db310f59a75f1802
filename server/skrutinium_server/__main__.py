"""``python -m skrutinium_server`` and ``skrutinium-server``: the command line."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is clean also while it is still being loaded."""
    try:
        from skrutinium_server.commands import main as run  # noqa: PLC0415 - loading is what may be interrupted

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
