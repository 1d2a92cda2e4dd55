"""Texts that attackers send, by what they attack."""

SQL = (
    "'",
    "''",
    "\\'",
    "'; DROP TABLE trades; --",
    "' OR '1'='1",
    "' UNION SELECT prefix, hash FROM api_keys --",
    "1; SELECT pg_sleep(60)",
    "'||pg_sleep(60)||'",
    "$$; DROP TABLE trades; $$",
    '"; DROP TABLE trades; --',
    "*/ DROP TABLE trades; /*",
    "-- comment",
    "E'\\047'",
    "%s",
    "%(name)s",
    "{0}",
    "{{ config }}",
    "{% include 'x' %}",
    "${kafka_properties}",
    "${topic_prefix}",
    "\u02bc OR 1=1",
    "\uff07 OR 1=1",
    "\u2019; DROP TABLE trades",
)
"""Ends of literals, comments, places to fill in, and characters that some programs turn into quotes."""

TERMINAL = (
    "\x1b[2J\x1b[1;1H",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x9b2J",
    "\r\x1b[Kerror: none",
    "\x08\x08\x08",
    "\u202egnp.exe",
    "\u2066hidden\u2069",
    "line\nWARNING forged",
    "line\u2028forged",
    "\x00",
    "\x7f",
)
"""What a terminal or a reader of lines would obey."""

PATHS = ("../../../etc/passwd", "/etc/passwd", "..\\..\\windows", "file:///etc/passwd", "a/../../b")
"""Ways out of a folder."""

HEADERS = ("x\r\nSet-Cookie: a=b", "x\nX-Forged: 1", "x\r\n\r\nHTTP/1.1 200 OK")
"""More headers than one."""

ODD = (
    "",
    " ",
    "null",
    "NaN",
    "-1",
    "1e309",
    "9" * 400,
    "a" * 5_000,
    "\ud800",
    "\ufffd",
    "[]",
    '{"a": {"b": [1]}}',
    "true",
    "2026-02-30T00:00:00Z",
    "<script>alert(1)</script>",
    "Ａ",
    "İ",
)
"""Values at the edge of what a type holds."""

EVERYTHING = (*SQL, *TERMINAL, *PATHS, *HEADERS, *ODD)
