"""Prague time without a zone, as Czech feeds print it, by the rule alone: no zone database is needed.

Source: directive 2000/84/EC and the Czech government orders after it: summer time from the last Sunday of March to the
last Sunday of October, both at 01:00 UTC.
"""

import datetime

_HOUR = datetime.timedelta(hours=1)


def _last_sunday(year: int, month: int) -> datetime.datetime:
    last = datetime.datetime(year, month, 31, 1, tzinfo=datetime.UTC)
    return last - datetime.timedelta(days=(last.weekday() + 1) % 7)


def prague(moment: datetime.datetime) -> str:
    """An aware time as Prague's clocks show it, to the second, cut off: ``2018-10-06T14:03:00``."""
    utc = moment.astimezone(datetime.UTC)
    summer = _last_sunday(utc.year, 3) <= utc < _last_sunday(utc.year, 10)
    return (utc + (2 if summer else 1) * _HOUR).replace(microsecond=0, tzinfo=None).isoformat()
