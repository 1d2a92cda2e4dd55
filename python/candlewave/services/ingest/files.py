"""Read lines of plain, gzipped or zipped text files one at a time, whatever their size or state."""

import csv
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from candlewave.core.errors import CandlewaveError

MAX_LINE = 65_536
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)


class FileFormatError(CandlewaveError):
    """A file cannot be used at all; the text says which, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end.

    Attributes:
        source: name of the file, or file and member of a zip.
        number: from 1.
        raw: its bytes; cut when it is longer than ``MAX_LINE``.
        problem: why the line cannot be read; None for a good one.
    """

    source: str
    number: int
    raw: bytes
    problem: str | None = None

    @property
    def text(self) -> str | None:
        """The line as text, None when it is not UTF-8 or has a problem."""
        if self.problem:
            return None
        try:
            return self.raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError:
            return None


class Lines:
    """The lines of a file, as a context manager and iterator.

    A damaged compressed file ends with a :class:`Line` that has a problem, instead of an exception: what
    came before it is good.

    Raises:
        FileFormatError: there is no such file, or it is no gzip or zip although its name says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        try:
            self.total_bytes = path.stat().st_size
            self._file: IO[bytes] = self._stack.enter_context(path.open("rb"))
        except OSError as error:
            raise FileFormatError(f"{path}: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._stack.close()

    @property
    def bytes_read(self) -> int:
        """How far reading has come, in bytes of the file as it is on disk."""
        return self._file.tell() if not self._file.closed else self.total_bytes

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines in order."""
        magic = self._file.read(4)
        self._file.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=self._file) as stream:
                yield from _lines(stream, self._path.name)
        elif magic == b"PK\x03\x04":
            yield from self._zipped()
        elif self._path.suffix in (".gz", ".zip"):
            raise FileFormatError(f"{self._path}: not a {self._path.suffix[1:]} file, it begins with {magic!r}")
        else:
            yield from _lines(self._file, self._path.name)

    def _zipped(self) -> Iterator[Line]:
        try:
            archive = self._stack.enter_context(zipfile.ZipFile(self._file))
        except zipfile.BadZipFile as error:
            raise FileFormatError(f"{self._path}: damaged zip file: {error}") from None
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if not members:
            raise FileFormatError(f"{self._path}: the zip file is empty")
        for member in members:
            with archive.open(member) as stream:
                yield from _lines(stream, f"{self._path.name}/{member.filename}")


def _lines(stream: IO[bytes] | gzip.GzipFile, source: str) -> Iterator[Line]:
    number = 0
    while True:
        number += 1
        try:
            raw = stream.readline(MAX_LINE + 1)
            if not raw:
                return
            if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
                _skip_line(stream)
                yield Line(source, number, raw[:MAX_LINE], f"the line is longer than {MAX_LINE} bytes")
                continue
        except _DAMAGED as error:
            yield Line(source, number, b"", f"the file is damaged or cut off here: {error}")
            return
        yield Line(source, number, raw.rstrip(b"\r\n"))


def _skip_line(stream: IO[bytes] | gzip.GzipFile) -> None:
    while True:
        rest = stream.readline(MAX_LINE)
        if not rest or rest.endswith(b"\n"):
            return


def split_values(text: str) -> list[str]:
    """Split a line of CSV into its values."""
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text]), [])
    except csv.Error:
        return [text]
