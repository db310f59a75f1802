"""How good bytes are made bad: a few edits drawn by hypothesis, so that a failing input shrinks to the edits that matter."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from lxml import etree

NASTY = (
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;",
    b"&#48;",
    b"&#0;",
    b"&lt;",
    b"<!-- -->",
    b"<![CDATA[0]]>",
    b"<?a b?>",
    b"<OKRSEK/>",
    b"<OKRSEK>",
    b"</OKRSEK>",
    b"<",
    b">",
    b'"',
    b"'",
    b"/>",
    b" ",
    b" " * 200,
    b"\r\n",
    b"\r",
    b"\n\n",
    b"\t",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xa0",
    b"\x85",
    b"\xc5\x99",
    b"\xd9\xa3",
    b",",
    b",,",
    b";",
    b"=",
    b"-",
    b"-1",
    b"+1",
    b"0x1",
    b"1e9",
    b"0",
    b"00",
    b"999999999",
    b"9" * 20,
    b"9" * 5000,
    b"[" * 3000,
    b"{" * 300,
    b"Infinity",
    b"NaN",
    b"null",
    b"true",
    b"../",
    b"UTF-16",
    b"UTF-7",
    b"windows-1250",
    b"ISO-8859-2",
    b' xmlns:a="b"',
    b"a:",
    b"=====",
)
"""Fragments that parsers stumble over."""

Edit = tuple[str, int, int, bytes]
EDITS: SearchStrategy[Edit] = st.tuples(
    st.sampled_from(("flip", "cut", "double", "insert", "replace", "end", "move")),
    st.integers(0, 2**24),
    st.integers(1, 40) | st.integers(1, 4000),
    st.sampled_from(NASTY) | st.binary(min_size=1, max_size=6),
)


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The bytes after the edits, each at its place modulo the length."""
    for kind, at, length, piece in edits:
        place = at % (len(data) + 1)
        before, after = data[:place], data[place:]
        match kind:
            case "flip":
                data = before + bytes(byte ^ piece[0] for byte in after[:1]) + after[1:]
            case "cut":
                data = before + after[length:]
            case "double":
                data = before + after[:length] + after
            case "insert":
                data = before + piece + after
            case "replace":
                data = before + piece + after[len(piece) :]
            case "end":
                data = before
            case _:
                data = before + after[length:] + after[:length]
    return data


def mutated(samples: Sequence[bytes], most: int = 4) -> SearchStrategy[bytes]:
    """One of the samples after up to ``most`` edits."""
    return st.builds(edited, st.sampled_from(samples), st.lists(EDITS, min_size=1, max_size=most))


VALUES = st.sampled_from(
    (
        "",
        " ",
        "0",
        "-1",
        "00",
        "+3",
        "9" * 9,
        "9" * 16,
        "9" * 5000,
        "1.5",
        "true",
        "2030-13-01",
        "2030-10-05T14:00:00",
        "../a",
        "ž",
    )
) | st.text(max_size=4).filter(lambda text: text.isprintable())


@st.composite
def mutated_trees(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """One of the XML samples with elements and attributes removed, doubled, moved or changed; always well-formed."""
    root = etree.fromstring(
        draw(st.sampled_from(samples)),
        etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False),
    )
    for _ in range(draw(st.integers(1, 3))):
        elements = list(root.iter(etree.Element))
        element = elements[draw(st.integers(0, 10_000)) % len(elements)]
        _change(draw, element, elements)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _change(draw: st.DrawFn, element: etree._Element, elements: list[etree._Element]) -> None:
    names = sorted(map(str, element.attrib))
    kind = draw(st.sampled_from(("set", "set", "set", "unset", "add", "text", "remove", "double", "rename")))
    parent = element.getparent()
    if kind in ("set", "unset") and names:
        name = draw(st.sampled_from(names))
        if kind == "unset":
            del element.attrib[name]
        else:
            element.set(name, draw(VALUES))
    elif kind == "add":
        element.set(
            draw(st.sampled_from(("votes", "number", "id", "unknown", "schema", "reporting"))), draw(VALUES)
        )
    elif kind == "text":
        element.text = draw(VALUES)
    elif kind == "rename":
        element.tag = elements[draw(st.integers(0, 10_000)) % len(elements)].tag
    elif parent is not None and kind == "remove":
        parent.remove(element)
    elif parent is not None and kind == "double":
        parent.append(etree.fromstring(etree.tostring(element)))
