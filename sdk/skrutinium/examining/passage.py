"""How questions and answers pass between this machine and the feed: conditions, compression, long poll, push, caches, limits."""

import asyncio

from skrutinium.errors import (
    LimitReached,
    NetworkError,
    NotYet,
    ServerFault,
    StaleError,
)
from skrutinium.examining.examination import Examination
from skrutinium.examining.finding import Finding
from skrutinium.sources.push import events

_OLD = 5
_WAIT = 2


async def conditional(at: Examination) -> list[Finding]:
    """Whether an ETag comes back with a 304."""
    path = "/state.xml" if at.manifest is None else f"{at.prefix}/newest/manifest.xml"
    seen = await at.ask(path)
    for _ in range(3):  # a release may come in between
        etag = seen.headers.get("ETag")
        if etag is None:
            advice = (
                "Something in between takes the ETag away: without it every question costs a whole document."
            )
            return [Finding("conditional requests", "bad", "no ETag", "an ETag", advice, ServerFault)]
        again = await at.ask(path, If_None_Match=etag)
        if again.status == 304:
            if etag.startswith("W/"):
                advice = "Something in between packs documents anew; let it pass the feed untouched."
                return [
                    Finding(
                        "conditional requests",
                        "warn",
                        f"a weak ETag: {etag}",
                        "a strong one",
                        advice,
                        ServerFault,
                    )
                ]
            return [Finding("conditional requests", "ok", "the ETag is kept, and answered with 304")]
        if again.headers.get("ETag") == etag:
            break
        seen = again
    advice = "Something in between answers in the feed's place: let conditional requests pass."
    return [
        Finding(
            "conditional requests",
            "bad",
            "the same ETag is answered with the whole document",
            "304",
            advice,
            ServerFault,
        )
    ]


async def compression(at: Examination) -> list[Finding]:
    """Whether documents come packed."""
    if at.manifest is None:
        return []
    seen = await at.ask(f"{at.prefix}/newest/event.xml")
    if seen.headers.get("Content-Encoding", "").lower() == "gzip":
        return [Finding("compression", "ok", f"event.xml: {seen.sent} bytes in place of {len(seen.body)}")]
    words = f"event.xml comes unpacked: {seen.sent} bytes"
    advice = "Something in between takes gzip away (Accept-Encoding): on a narrow line that is several times as slow."
    return [Finding("compression", "warn", words, "gzip", advice, ServerFault)]


async def long_poll(at: Examination) -> list[Finding]:
    """Whether the feed may hold an answer back until there is news."""
    if at.manifest is None:
        return []
    path = f"{at.prefix}/newest/manifest.xml"
    etag = (await at.ask(path)).headers.get("ETag", '"none"')
    waits = {"Prefer": f"wait={_WAIT}", "If_None_Match": etag}
    try:
        seen = await at.ask(path, silence=_WAIT + at.patience.answer, **waits)
    except NetworkError as error:
        advice = "Something in between ends requests that wait. Push may still work; else the package polls."
        return [Finding("long poll", "warn", error.message, "an answer", advice, NetworkError)]
    if "wait" in seen.headers.get("Preference-Applied", ""):
        return [Finding("long poll", "ok", f"the answer was held back for {seen.seconds:.1f} s")]
    advice = "A mirror does not wait, and some proxies take the header Prefer away: the package polls."
    return [Finding("long poll", "warn", "the feed does not wait", "Preference-Applied", advice, ServerFault)]


async def push(at: Examination) -> list[Finding]:
    """Whether what the feed pushes comes at once."""
    headers = {
        "Accept": "text/event-stream",
        "Last-Event-ID": str((at.manifest.release - 1) if at.manifest else 0),
    }
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with (
            asyncio.timeout(at.patience.push),
            at.transport.open(f"{at.prefix}/push", headers, silence=at.patience.push) as response,
        ):
            async for _ in events(response):
                return [
                    Finding("push", "ok", f"the first event came after {(loop.time() - began) * 1000:.0f} ms")
                ]
    except (TimeoutError, NetworkError):
        words = f"nothing came in {at.patience.push:.0f} s"
        advice = "Something in between gathers what is pushed (buffering): let text/event-stream pass at once. The package goes on by long poll."
        return [Finding("push", "warn", words, "an event at once", advice, NetworkError)]
    except NotYet:
        return [
            Finding("push", "warn", "there is none", "push", "A mirror has none: the package polls.", NotYet)
        ]
    return [
        Finding(
            "push",
            "warn",
            "the stream ended without an event",
            "an event",
            "Try again; then tell the publisher.",
            ServerFault,
        )
    ]


async def between(at: Examination) -> list[Finding]:
    """Signs of caches and proxies in what was answered."""
    told = {
        f"{name}: {value}"
        for seen in at.answers
        for name, value in seen.headers.items()
        if name.lower() in ("via", "x-cache", "x-forwarded-for", "proxy-connection")
    }
    oldest = max((seen.age for seen in at.answers), default=0)
    if oldest > _OLD:
        words = f"answers lay in a cache for up to {oldest} s" + (
            f" ({', '.join(sorted(told)[:4])})" if told else ""
        )
        advice = "Let the cache keep nothing of the feed but /object/ and numbered releases, or go past it."
        return [Finding("in between", "bad", words, "nothing older than 5 s", advice, StaleError)]
    if told:
        advice = "A proxy is in between; nothing is wrong with it so far. Past it, news come sooner."
        return [Finding("in between", "warn", ", ".join(sorted(told)[:4]), "nothing", advice, NetworkError)]
    return [Finding("in between", "ok", "no sign of a cache or a proxy")]


async def limits(at: Examination) -> list[Finding]:
    """How many requests are left, where the feed tells."""
    told = [seen.headers["RateLimit"] for seen in at.answers if "RateLimit" in seen.headers]
    if not told:
        return [Finding("limits", "ok", f"{len(at.answers)} requests, none was refused")]
    left = told[-1].partition(";r=")[2].partition(";")[0]
    if left == "0":
        advice = "Ask less often; all programs of your house share the limit."
        return [Finding("limits", "warn", told[-1], "some left", advice, LimitReached)]
    return [Finding("limits", "ok", told[-1])]
