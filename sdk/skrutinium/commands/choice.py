"""Options that commands share: which event, which run, whose key, and how much of each release."""

import argparse


def which_run(parser: argparse.ArgumentParser) -> None:
    """The options by which a run is chosen and its publisher known."""
    parser.add_argument("--event", metavar="E", help="which event, when there are several")
    parser.add_argument("--run", metavar="R", dest="run_id", help="which run; the current one unless told")
    parser.add_argument("--fingerprint", metavar="F", help="the publisher's key, as given on paper")


def what_of_it(parser: argparse.ArgumentParser) -> None:
    """The options by which part of each release is chosen."""
    where_of_it(parser)
    parser.add_argument(
        "--only", metavar="PATH[,PATH]", type=listed, help="only these documents, such as summary.xml"
    )


def where_of_it(parser: argparse.ArgumentParser) -> None:
    """The options by which areas, contests and kinds of contest are chosen."""
    for name, what in (("areas", "areas"), ("contests", "contests"), ("kinds", "kinds of contest")):
        words = f"only these {what}, separated by commas"
        parser.add_argument(f"--{name}", metavar="ID[,ID]", type=listed, help=words)


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(filter(None, text.split(",")))
