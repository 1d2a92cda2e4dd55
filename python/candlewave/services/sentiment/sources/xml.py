"""A small XML reader for feeds that are not trusted: no document types, no entities, bounded depth and size."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from candlewave.services.sentiment.fetch import FetchRefusedError

_MAX_DEPTH = 40
_MAX_ELEMENTS = 60_000


@dataclass(slots=True)
class Element:
    """An element: local name in lower case, attributes, and its texts and children in order."""

    name: str
    attributes: dict[str, str]
    parts: list["str | Element"] = field(default_factory=list)

    @property
    def children(self) -> list["Element"]:
        """The elements directly inside."""
        return [part for part in self.parts if isinstance(part, Element)]

    @property
    def text(self) -> str:
        """The text directly inside."""
        return "".join(part for part in self.parts if isinstance(part, str))

    def each(self, name: str) -> Iterator["Element"]:
        """Return the children of a name."""
        return (child for child in self.children if child.name == name)

    def first(self, *names: str) -> str:
        """Return the text of the first child that has one of these names and a text."""
        for name in names:
            for child in self.each(name):
                text = child.whole_text().strip()
                if text:
                    return text
        return ""

    def whole_text(self) -> str:
        """Return the text of an element and of what is inside it (Atom's xhtml content)."""
        return "".join(part if isinstance(part, str) else part.whole_text() for part in self.parts)


def parse(body: bytes) -> Element:
    """Read a document.

    Raises:
        FetchRefusedError: ``malformed``, ``doctype`` (so begin entity bombs), ``too_deep`` or ``too_many_elements``.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    root = Element("", {})
    stack = [root]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > _MAX_DEPTH:
            raise FetchRefusedError("too_deep", f"more than {_MAX_DEPTH} elements inside each other")
        if count > _MAX_ELEMENTS:
            raise FetchRefusedError("too_many_elements", f"more than {_MAX_ELEMENTS:,} elements")
        local = {key.rpartition(" ")[2].lower(): value for key, value in attributes.items()}
        element = Element(name.rpartition(" ")[2].lower(), local)
        stack[-1].parts.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].parts.append(data)

    def refuse(*_: object) -> None:
        raise FetchRefusedError("doctype", "document types and entities are not accepted")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise FetchRefusedError("malformed", f"not well-formed XML: {error}") from None
    except (ValueError, LookupError) as error:
        raise FetchRefusedError("malformed", f"not readable as XML: {error}") from None
    if not root.children:
        raise FetchRefusedError("malformed", "no element in it")
    return root.children[0]
