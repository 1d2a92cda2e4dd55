"""Text of others on its way to people: what a terminal would obey instead of show is written out."""

import re
from typing import Any, TextIO

_COMMANDS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but tab and line feed; 0x80 to 0x9f begin commands as ESC does
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"  # order of writing, and what has no width
    "\u2028\u2029"  # ends of lines to some programs
    "\ud800-\udfff"  # half a pair, which UTF-8 has not
)
_UNSEEN = re.compile(f"[{_COMMANDS}]")
_UNSEEN_BUT_COLOURS = re.compile(f"(\x1b\\[[0-9;]*m)|[{_COMMANDS}]")


def printable(text: str) -> str:
    r"""Return a text in which control characters, and those that change the order of others, are escaped.

    >>> printable("BTC\x1b[2J\nETH")
    'BTC\\u001b[2J\nETH'
    """
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable_in_colours(text: str) -> str:
    """As :func:`printable`, but colours stay: they move nothing and hide nothing."""
    return _UNSEEN_BUT_COLOURS.sub(lambda found: found[1] or f"\\u{ord(found[0]):04x}", text)


class PrintableStream:
    """A text stream to a terminal that shows what it is given, whoever wrote that.

    Args:
        stream: to a terminal; what draws on it, such as a progress bar, takes it from :func:`drawable`.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text; see :func:`printable_in_colours`."""
        return self.stream.write(printable_in_colours(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def drawable(stream: TextIO) -> TextIO:
    """Return the stream that a program may draw on, which then has to write foreign text by :func:`printable`."""
    return stream.stream if isinstance(stream, PrintableStream) else stream
