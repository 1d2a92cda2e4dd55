"""Plain text from markup, and which language it is in."""

import re
import unicodedata
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

_SKIPPED = frozenset({"script", "style", "noscript", "template", "iframe", "svg", "head"})
_BLOCKS = frozenset({"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "td", "blockquote"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")
_SPACE = re.compile(r"\s+")
_MAX_MARKUP = 200_000

_LANGUAGES = (
    "en",
    "de",
    "fr",
    "es",
    "pt",
    "it",
    "nl",
    "tr",
    "id",
    "pl",
    "vi",
    "cs",
    "sv",
    "da",
    "fi",
    "hu",
    "ro",
    "uk",
    "ru",
    "ar",
)
_SURE = 0.8
_MIN_LETTERS = 12
"""Fewer letters are not evidence against English, the language of most configured sources."""
_DECLARED = re.compile(r"[a-z]{2,3}")
_SCRIPTS = (
    ("CYRILLIC", "ru"),
    ("HANGUL", "ko"),
    ("HIRAGANA", "ja"),
    ("KATAKANA", "ja"),
    ("CJK", "zh"),
    ("ARABIC", "ar"),
    ("HEBREW", "he"),
    ("DEVANAGARI", "hi"),
    ("THAI", "th"),
    ("GREEK", "el"),
)
_LANGUAGES_OF_SCRIPT = {
    "ru": {"ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg"},
    "zh": {"zh", "ja", "ko", "yue"},
    "ja": {"ja"},
    "ar": {"ar", "fa", "ur", "ps", "ckb"},
    "hi": {"hi", "mr", "ne", "sa"},
    "he": {"he", "yi", "iw"},
}


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 (interface)
        if tag in _SKIPPED:
            self._skipping += 1
        elif tag in _BLOCKS:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED and self._skipping:
            self._skipping -= 1
        elif tag in _BLOCKS:
            self.parts.append(" ")

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Read ``<![…]>`` as a comment, as browsers do; the base class knows a few names and fails at others."""
        return self.parse_bogus_comment(i, bool(report))

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.parts.append(data)


def strip_markup(text: str, limit: int) -> str:
    """Return the readable text of HTML, at most ``limit`` characters, without control characters and double spaces."""
    parser = _Text()
    parser.feed(text[:_MAX_MARKUP])
    parser.close()
    clean = _SPACE.sub(" ", _CONTROL.sub(" ", "".join(parser.parts))).strip()
    if len(clean) <= limit:
        return clean
    return clean[: limit - 1].rsplit(" ", 1)[0].rstrip() + "…"


def language(text: str, declared: str | None = None) -> str:
    """Return the ISO 639-1 code of a text's language, ``und`` when it does not show.

    What the source declares holds, unless the text is in a script that cannot be that language. Where nothing is
    declared, the script decides, and then a statistical model (py3langid); a headline in plain ASCII of which the model
    is not sure counts as English.
    """
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return "und"
    script = _language_of_script(letters)
    said = (declared or "").lower().replace("_", "-").split("-")[0]
    if _DECLARED.fullmatch(said) and (script is None or said in _LANGUAGES_OF_SCRIPT.get(script, {script})):
        return said
    if script is not None:
        return script
    best, probability = _identifier().classify(text)
    if probability >= _SURE and (best == "en" or len(letters) >= _MIN_LETTERS):
        return str(best)
    return "en" if text.isascii() else "und"


def _language_of_script(letters: list[str]) -> str | None:
    """Return the language that a script other than Latin stands for, None when few letters are in one."""
    scripts: dict[str, int] = {}
    for char in letters:
        if ord(char) < 0x250:
            continue
        name = unicodedata.name(char, "")
        for prefix, lang in _SCRIPTS:
            if name.startswith(prefix):
                scripts[lang] = scripts.get(lang, 0) + 1
                break
    if sum(scripts.values()) <= 0.3 * len(letters):
        return None
    return "ja" if "ja" in scripts else max(scripts, key=lambda lang: scripts[lang])


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """Load the language model (5 MB) when the first text needs it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES)
    return identifier
