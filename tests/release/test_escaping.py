"""Text into XML: whatever is let through comes back unchanged, and what XML cannot carry is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from skrutinium_server.release.errors import ForbiddenCharacter
from skrutinium_server.release.formats.escaping import attribute, text

ALLOWED = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("<>&\"'\t\n\r")
)
FORBIDDEN = st.characters(categories=["Cc", "Cs"], exclude_characters="\t\n\r") | st.sampled_from(
    "\ufffe\uffff"
)
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)


@given(value=ALLOWED)
@example(value="&amp;<![CDATA[x]]>'\"\r\n\t<!--")
@example(value="]]>")
@example(value="žluťoučký \U0001f5f3")
def test_attribute_comes_back(value: str) -> None:
    """A parser reads the very value out of an attribute, whichever quotes stand around it."""
    for quote in "\"'":
        document = f"<a b={quote}{attribute(value)}{quote}/>".encode()

        assert etree.fromstring(document, PARSER).get("b") == value


@given(value=ALLOWED)
@example(value="]]>")
@example(value="a\r\nb\rc")
def test_text_comes_back(value: str) -> None:
    """A parser reads the very value out of an element."""
    assert (etree.fromstring(f"<a>{text(value)}</a>".encode(), PARSER).text or "") == value


@given(before=ALLOWED, character=FORBIDDEN, after=ALLOWED)
def test_forbidden_characters(before: str, character: str, after: str) -> None:
    """A character that XML cannot carry is refused with its place, in attributes and in text."""
    for escape in (attribute, text):
        with pytest.raises(ForbiddenCharacter) as caught:
            escape(before + character + after)

        assert caught.value.offset == len(before)
        assert f"U+{ord(character):04X}" in str(caught.value)
        assert caught.value.code == "forbidden-character"


def test_ordinary_text_stays() -> None:
    """Text without special characters is not touched."""
    assert attribute("Horní Vrbina 12") == "Horní Vrbina 12"
    assert attribute("<>&\"'\t\n\r") == "&lt;&gt;&amp;&quot;&apos;&#9;&#10;&#13;"
    assert text("<>&\"'\t\n\r") == "&lt;&gt;&amp;\"'\t\n&#13;"
