"""Keep secrets out of logs and messages."""

import re

_HIDDEN = "***"
_URL = re.compile(r"(?<=://)([^/@\s:\"]*):[^\s\"]*@")
_DSN = re.compile(r"(?i)\b(password|passwd|pwd)=(?:'[^']*'|[^\s\"']+)")
_FIELD = re.compile(
    r'(?i)("[\w.-]*(?:password|passwd|secret|token|api[_-]?key|authorization|private[_-]?key)[\w.-]*"\s*:\s*)'
    r'"(?:[^"\\]|\\.)*"'
)


def redact(text: str) -> str:
    """Hide passwords of URLs, of ``password=…`` settings, and JSON fields whose name says they are secret.

    Where a password holds unescaped ``/`` or ``@``, too much is hidden rather than too little.

    >>> redact("postgresql://me:hunter2@db/x")
    'postgresql://me:***@db/x'
    """
    text = _URL.sub(rf"\1:{_HIDDEN}@", text)
    text = _DSN.sub(rf"\1={_HIDDEN}", text)
    return _FIELD.sub(rf'\1"{_HIDDEN}"', text)
