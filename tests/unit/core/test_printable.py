"""What is left of foreign text moves nothing on a terminal and hides nothing."""

import sys

import pytest
from tests.worlds.attacks import EVERYTHING

from candlewave.core.printable import PrintableStream, printable


@pytest.mark.parametrize("text", EVERYTHING)
def test_what_is_left_moves_nothing_and_hides_nothing(text: str) -> None:
    shown = printable(text)
    assert all(letter.isprintable() or letter in "\n\t " or ord(letter) > 0xA0 for letter in shown)
    assert not set(shown) & {*map(chr, range(0x80, 0xA0)), "\x1b", "\r", "\u202e", "\u2028", "\ud800"}
    assert printable(shown) == shown


@pytest.mark.parametrize("text", ["BTC/USD 1.25 €", "币安人生", "naïve\ttext\n", "👩‍💻"])
def test_words_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_bytes_go_another_way() -> None:
    with pytest.raises(TypeError):
        PrintableStream(sys.__stdout__).write(b"")  # type: ignore[arg-type]  # so click knows a text stream
