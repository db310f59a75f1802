"""Who gives a command: for a live run that has to be proved, in the counting process and nowhere else. Source: requirement M5."""

import asyncio

from skrutinium_server.authority.persons import Authority
from skrutinium_server.ledger.model import Phase
from skrutinium_server.process.errors import DecisionError


async def prove(authority: Authority, by: object, passphrase: object, phase: Phase) -> str:
    """The name of who asks; raises :class:`DecisionError`, and the errors of the stage ``authority``, for what is not proved."""
    if phase != "live":
        return str(by or "operator")
    if not by or not isinstance(passphrase, str):
        raise DecisionError(
            "This is a decision about a live run: say who you are with --by NAME, and prove it by your passphrase."
        )
    return await asyncio.to_thread(authority.authenticate, str(by), passphrase)
