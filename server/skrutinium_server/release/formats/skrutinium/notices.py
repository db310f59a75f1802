"""``notices.xml``: what the operator tells all readers. Pure."""

import datetime

from skrutinium_server.release.formats.escaping import attribute
from skrutinium_server.release.formats.skrutinium.stamp import DECLARATION, NAMESPACE, VERSION, utc
from skrutinium_server.release.store.model import Incident, Notices


def write_notices(notices: Notices, now: datetime.datetime) -> bytes:
    """The document, without its signature."""
    second = notices.second_site
    rows = [
        *(_incident(one) for one in notices.incidents),
        *(
            f' <planned time="{utc(one.time)}" text="{attribute(one.text)}"/>\n'
            for one in sorted(notices.planned, key=lambda one: one.time)
        ),
    ]
    if second is not None:
        rows.append(
            f' <second-site address="{attribute(second.address)}" fingerprint="{attribute(second.fingerprint)}"/>\n'
        )
    return (
        f'{DECLARATION}<notices xmlns="{NAMESPACE}" schema="{VERSION}" number="{notices.number}" '
        f'time="{utc(now)}">\n{"".join(rows)}</notices>\n'
    ).encode()


def _incident(one: Incident) -> str:
    ended = "" if one.ended is None else f' ended="{utc(one.ended)}"'
    return f' <incident id="{attribute(one.id)}" begun="{utc(one.begun)}"{ended} text="{attribute(one.text)}"/>\n'
