"""Scorecards and closing report in a folder: XML, validated, and pages that need nothing else. Writes files.

::

    OUT/index.html, scorecards.xml              all subscribers, for the organiser
    OUT/cards/SUBSCRIBER.html, SUBSCRIBER.xml   one subscriber, to be handed to it
    OUT/closing-report.html, closing-report.xml
"""

import datetime
from collections.abc import Mapping
from pathlib import Path

from skrutinium_server.authority.files import make_folder, put_whole
from skrutinium_server.rehearsal.scoring.closing import ClosingReport
from skrutinium_server.rehearsal.scoring.document import SCHEMA, closing, only, scorecards
from skrutinium_server.rehearsal.scoring.pages import card_page, closing_page, index_page
from skrutinium_server.release.validate import Validator


def files_of(report: ClosingReport, made: datetime.datetime) -> dict[str, bytes]:
    """Every file by its path in the folder. Pure but for templates and schema; raises DocumentInvalid, before anything is written."""
    scores = report.scores
    found = {
        "scorecards.xml": scorecards(scores, made),
        "closing-report.xml": closing(report, made),
    }
    for card in scores.cards:
        id = card.subscriber.id
        found[f"cards/{id}.xml"] = scorecards(only(scores, [id]), made)
    validator = Validator()
    for path, data in found.items():
        validator.validate(path, data, SCHEMA)
    found["index.html"] = index_page(scores, made)
    found["closing-report.html"] = closing_page(report, made)
    for card in scores.cards:
        found[f"cards/{card.subscriber.id}.html"] = card_page(scores, card, made)
    return found


def write_scores(report: ClosingReport, folder: Path, made: datetime.datetime) -> Mapping[str, bytes]:
    """Write all of it below ``folder``, which is made where it is not there; what was written, by path. Raises OSError."""
    found = files_of(report, made)
    for path, data in sorted(found.items()):
        make_folder((folder / path).parent)
        put_whole(folder / path, data)
    return found
