"""Write the synchronous client, python/candlewave/client/synchronous.py, from the asynchronous one."""

import re
from pathlib import Path

CLIENT = Path(__file__).parent.parent / "python" / "candlewave" / "client"
SOURCE, WRITTEN = CLIENT / "asynchronous.py", CLIENT / "synchronous.py"

_HEAD = '"""The synchronous client, written from asynchronous.py by make client."""'
_WORDS = {
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "AsyncRetrying": "Retrying",
    "AsyncBaseTransport": "BaseTransport",
    "Asynchronous": "Synchronous",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "aiter_lines": "iter_lines",
    "aread": "read",
    "asyncio": "time",
}


def synchronous(source: str) -> str:
    """Return the synchronous form of the source of an asynchronous module."""
    text = re.sub(r'^""".*?"""', _HEAD, source, count=1, flags=re.DOTALL)
    text = re.sub(r"\b(?:async|await) ", "", text)
    return re.sub(r"\b(?:" + "|".join(_WORDS) + r")\b", lambda word: _WORDS[word[0]], text)


if __name__ == "__main__":
    WRITTEN.write_text(synchronous(SOURCE.read_text(encoding="utf-8")), encoding="utf-8")
