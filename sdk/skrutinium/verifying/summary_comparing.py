"""Comparing ``summary.xml`` with the recount: the numbers of each kind of contest, and that its line tells them."""

from collections.abc import Iterator

from lxml import etree

from skrutinium.documents.parsing import NAMESPACE, children
from skrutinium.verifying.comparing import Finding, event_state, whole
from skrutinium.verifying.recount import EVENT, Recount, Sum


def summary(root: etree._Element, recount: Recount) -> Iterator[Finding]:
    """``summary.xml``: the numbers of each kind of contest, and that the line tells them and what phase they are of."""
    yield from event_state(root, recount)
    sums = recount.areas.get(EVENT, {})
    told = {str(element.get("id")): element for element in children(root, "kind")}
    for kind in sorted(told.keys() ^ {kind for kind, ours in sums.items() if ours.expected}):
        yield kind, kind in told, kind in sums
    for kind, element in told.items():
        ours = sums.get(kind) or Sum()
        share = _share(ours.reported, ours.expected)
        if ours.reported < ours.expected:
            share = min(share, 9999)
        for name, mine in (
            ("expected", ours.expected),
            ("reported", ours.reported),
            ("share", share),
            ("turnout", _turnout(ours)),
            ("contests", len(ours.touching)),
        ):
            if (theirs := whole(element, name)) != mine:
                yield f"{kind}: {name}", theirs, mine
        line = element.findtext(NAMESPACE + "line") or ""
        if f"{ours.reported} of {ours.expected} protocols" not in line:
            yield f"{kind}: line", line, f"{ours.reported} of {ours.expected} protocols"
        if (phase := str(root.get("phase"))) != "live" and not line.startswith(phase.upper()):
            yield f"{kind}: line", line, f"{phase.upper()} in front"
        yield from _leading(element, ours, kind)


def _leading(element: etree._Element, ours: Sum, kind: str) -> Iterator[Finding]:
    rows = list(children(element, "leading"))
    if any(row.get("candidate") for row in rows):
        return  # single persons: their votes are those of the contest's document, where they are compared
    votes = dict(sorted(ours.parts.items(), key=lambda one: -one[1]))
    every = sum(votes.values())
    if (many := len(rows)) != (due := min(5, sum(1 for value in votes.values() if value))):
        yield f"{kind}: those ahead", many, due
    for row, best in zip(rows, votes.values(), strict=False):
        committee = row.get("committee")
        mine = votes.get(committee, 0)
        if (theirs := whole(row, "votes")) != mine or mine != best:
            yield f"{kind}: votes of committee {committee or '(not known)'} ahead", theirs, best
        if (share := whole(row, "share")) != _share(mine, every):
            yield f"{kind}: share of committee {committee or '(not known)'}", share, _share(mine, every)


def _share(part: int, whole: int) -> int:
    """Hundredths of a percent, halves up."""
    return (part * 20000 + whole) // (whole * 2) if whole else 0


def _turnout(ours: Sum) -> int | None:
    if not ours.reported or any(ours.told_by.get(name) != ours.reported for name in ("issued", "eligible")):
        return None
    issued, eligible = ours.figures["issued"], ours.figures["eligible"]
    return _share(issued, eligible) if eligible and issued <= eligible else None
