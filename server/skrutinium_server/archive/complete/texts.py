"""What the archives say of themselves: the README of each."""

from skrutinium_server.archive.complete.tables import TABLES
from skrutinium_server.release.store.model import Manifest

_STATES = {
    "interim": "INTERIM: protocols are still out",
    "complete": "COMPLETE: every protocol is in, nothing has been declared",
    "final": "FINAL: declared final by the authority",
    "certified": "CERTIFIED by the authority",
    "corrected": "CORRECTED: something was changed after it was certified; see the corrections",
}
_PHASES = {
    "test": "THIS IS A TEST. Its numbers are no results of an election.",
    "rehearsal": "THIS IS A REHEARSAL. Its numbers are no results of an election.",
}


def _head(manifest: Manifest, law: str, title: str) -> str:
    phase = _PHASES.get(manifest.phase)
    return (
        f"{title}\n\n"
        + (f"{phase}\n\n" if phase else "")
        + f"Event:    {manifest.event}\nLaw:      {law}\nRun:      {manifest.run} ({manifest.phase})\n"
        f"Release:  {manifest.number}\nTime:     {manifest.time}\n"
        f"State:    {_STATES.get(manifest.state, manifest.state)}\n"
        f"Protocols reported: {manifest.reported} of {manifest.expected}\n\n"
    )


def comment(manifest: Manifest, law: str) -> str:
    """The comment of the zip itself; ``law`` tells who checks it by which rules seats are given."""
    return (
        f"Skrutinium event={manifest.event} law={law} run={manifest.run} phase={manifest.phase} release={manifest.number} "
        f"time={manifest.time} state={manifest.state} reported={manifest.reported}/{manifest.expected}"
    )


def xml_readme(manifest: Manifest, law: str, signed: list[str]) -> str:
    """The README of the XML archive; ``signed`` names what its hashes can be checked against."""
    return _head(manifest, law, "Complete results, every document as published (XML)") + (
        "event.xml            the whole event\n"
        "area/ID.xml          every region and county\n"
        "contest/ID.xml       every contest: lists, candidates, votes, seats\n"
        "precinct/ID.xml      every precinct: the protocol that counts\n"
        "batch/N.xml          every protocol that was accepted, with the bytes taken over\n"
        "corrections/N.xml    every change, with old value, new value, reason and authority\n"
        "xsd/                 the schemas, which also tell what each element means\n"
        "keys/                the public key of the publisher; compare its fingerprint with the one on paper\n"
        "signed/              what the publisher signed: " + ", ".join(signed) + "\n"
        "SHA256SUMS           the hash of every file here\n\n"
        "To check that nothing was changed:\n\n"
        "  sha256sum --check SHA256SUMS\n\n"
        "The files in signed/ list the SHA-256 of every document; where two list the same path, the later one holds.\n"
        "A line of a .sig file is: ed25519, the key's id, the signature (Base64, RFC 8032) over the file it is named for.\n"
        "To check all of it, the tables beside it too, and to add every vote up again (Python 3.11 or newer):\n\n"
        "  pip install skrutinium\n"
        f"  skrutinium verify --fingerprint FROM-PAPER {manifest.number:09d}.zip\n\n"
        "Every release since the first one by one: the same command on the public folder or a feed.\n"
    )


def csv_readme(manifest: Manifest, law: str) -> str:
    """The README of the tables."""
    tables = "".join(f"{name}.csv\n  {', '.join(columns)}\n" for name, columns in TABLES.items())
    return _head(manifest, law, "Complete results as tables (CSV)") + (
        "UTF-8, RFC 4180: comma, double quotes, CR LF, one header line. Times are UTC. An empty cell is not told: it is not a zero.\n"
        "A text that begins with = + - @ has an apostrophe in front, so that no spreadsheet takes it for a formula.\n"
        "Numbers are never changed. list is 0 in contests of persons. The hash of every table is in SHA256SUMS.\n\n"
        f"{tables}"
    )
