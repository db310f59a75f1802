"""Options that commands share: which event, which run, and whose key."""

import argparse


def which_run(parser: argparse.ArgumentParser) -> None:
    """The options by which a run is chosen and its publisher known."""
    parser.add_argument("--event", metavar="E", help="which event, when there are several")
    parser.add_argument("--run", metavar="R", dest="run_id", help="which run; the current one unless told")
    parser.add_argument("--fingerprint", metavar="F", help="the publisher's key, as given on paper")
