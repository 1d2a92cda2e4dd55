"""Plain text from markup, and which language it is in."""

import re
import unicodedata
from html.parser import HTMLParser

_SKIPPED = frozenset({"script", "style", "noscript", "template", "iframe", "svg", "head"})
_BLOCKS = frozenset({"p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "td", "blockquote"})
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")
_SPACE = re.compile(r"\s+")
_MAX_MARKUP = 200_000

_FUNCTION_WORDS = {
    "en": "the of to in and for is on with that at by from as are was its after over will has have be this new says say"
    " not how why what could may more than up out amid into about their your you can",
    "de": "der die das und ist nicht mit auf für von dem den ein eine im zu sich auch wird werden bei nach wie über",
    "fr": "le la les des du et est une un dans pour sur avec qui que au aux ne pas ce cette par plus ses",
    "es": "el la los las de del y en un una por para con que se su al es más como sobre entre tras",
    "pt": "o a os as de do da dos das e em um uma para com que não por mais no na se ao",
    "it": "il lo la gli le di del della e in un una per con che non si sono da nel alla più",
    "nl": "de het een en van in op met voor dat niet is aan te bij naar uit ook wordt door",
    "tr": "ve bir bu için ile da de olarak daha çok ne kadar gibi sonra yeni",
    "id": "yang dan di ke dari untuk dengan pada ini itu akan tidak dalam adalah",
    "pl": "i w na z do się nie jest to że od po za przez dla jak",
    "vi": "và của là trong cho với không được các những một",
}
_WORDS = {lang: frozenset(words.split()) for lang, words in _FUNCTION_WORDS.items()}
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

    By script, then by function words; what the source declares decides between those and when neither shows anything.
    """
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return "und"
    scripts: dict[str, int] = {}
    for char in letters:
        if ord(char) < 0x250:
            continue
        name = unicodedata.name(char, "")
        for prefix, lang in _SCRIPTS:
            if name.startswith(prefix):
                scripts[lang] = scripts.get(lang, 0) + 1
                break
    if scripts and sum(scripts.values()) > 0.3 * len(letters):
        return "ja" if "ja" in scripts else max(scripts, key=lambda lang: scripts[lang])
    words = [word.lower() for word in re.findall(r"[^\W\d_]+", text)]
    counts = {lang: sum(word in known for word in words) for lang, known in _WORDS.items()}
    best = max(counts, key=lambda lang: (counts[lang], lang == "en"))
    said = (declared or "").lower().replace("_", "-").split("-")[0]
    if counts[best] == 0:
        return said if re.fullmatch(r"[a-z]{2}", said) else ("en" if text.isascii() else "und")
    if said in counts and counts[said] == counts[best]:
        return said
    # One short word is shared by many languages; two and a lead are evidence against English.
    if best != "en" and (counts[best] < 2 or counts[best] <= counts["en"]) and text.isascii():
        return said if re.fullmatch(r"[a-z]{2}", said) else "en"
    return best
