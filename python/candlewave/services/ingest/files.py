"""Read lines of text files one at a time, plain or compressed, whatever their size or state."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from candlewave.core.errors import CandlewaveError

MAX_LINE = 65_536
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError, ValueError)
MAX_RATIO = 250
"""A packed file whose content is larger than so many times itself is a bomb: prices and times pack to a tenth."""
MAX_SMALL = 2**26
"""Bytes of content that are never a bomb, however small they were packed."""
_XZ_MEMORY = 2**27
"""Bytes of memory that unpacking xz may take: twice what `xz -9` asks for. A file may ask for 4 GiB."""
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"]\x00\x00", "xz"),  # LZMA, the older container that lzma reads as well
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # without a member
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"\xff\x06\x00\x00sNaPpY", "Snappy"),
    (b"\x1f\x9d", "compress"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"%PDF", "PDF"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_BEGIN = 512
_TAR = slice(257, 262)
_UNMARKED_UTF_16 = re.compile(rb"(?:[\t\n\r -~]\x00){2}|(?:\x00[\t\n\r -~]){2}").match
_READABLE = ("plain text in UTF-8", "gzip", "bzip2", "xz", "zip")
_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "xz", ".zip": "zip"}

Select = Callable[[Sequence[str]], Sequence[str]]
"""Chooses the files to read, by name, from those of an archive that are not empty; raises to refuse all."""


class FileFormatError(CandlewaveError):
    """A file cannot be used at all; the text says which, what was found and what was expected."""


class Line(NamedTuple):
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


class Stream(NamedTuple):
    """A file without its compression.

    Attributes:
        file: its bytes; reading raises one of ``DAMAGED`` where it is damaged or cut.
        source: name of the file, or file and member of a zip.
        format: how it was compressed, ``text`` for not at all.
    """

    file: IO[bytes] | Any
    source: str
    format: str


class Lines:
    """The lines of a file, as a context manager and iterator.

    A damaged compressed file ends with a :class:`Line` that has a problem, instead of an exception: what
    came before it is good.

    Args:
        path: the file.
        select: which files to read, asked with the name of the file or of the members of a zip; all when None.

    Raises:
        FileFormatError: there is no such file, its format cannot be read, or ``select`` refuses it.
    """

    def __init__(self, path: Path, select: Select | None = None) -> None:
        self._path = path
        self._select = select
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
        for stream in self.streams():
            yield from _lines(*stream)

    def streams(self) -> Iterator[Stream]:
        """Yield the files to read, for what is not made of lines."""
        begin = self._file.read(_BEGIN)
        self._file.seek(0)
        format_ = _format_of(begin)
        expected = _SUFFIXES.get(self._path.suffix.lower())
        if expected is not None and format_ != expected:
            raise FileFormatError(f"{self._path}: not a {expected} file, it begins with {begin[:4]!r}")
        if format_ == "zip":
            yield from self._zipped()
            return
        if format_ is not None and format_ not in _OPENERS:
            raise FileFormatError(f"{self._path}: a {format_} file; what is read is {', '.join(_READABLE)}")
        if self._select is not None:
            self._select([self._path.name])
        if format_ is None:
            yield Stream(self._file, self._path.name, "text")
        else:
            _refuse_inner(lambda: _OPENERS[format_](self._file), self._path.name, format_)
            self._file.seek(0)
            with _OPENERS[format_](self._file) as stream:
                yield Stream(_Bounded(stream, self.total_bytes, self._path.name), self._path.name, format_)

    def _zipped(self) -> Iterator[Stream]:
        try:
            archive = self._stack.enter_context(zipfile.ZipFile(self._file))
            listed = archive.infolist()
        except (*DAMAGED, NotImplementedError) as error:
            raise FileFormatError(f"{self._path}: damaged zip file: {error}") from None
        members = {
            m.filename: m for m in listed if not m.is_dir() and m.file_size and not m.filename.startswith("__MACOSX/")
        }
        if not members:
            raise FileFormatError(f"{self._path}: the zip file is empty")
        for name in self._select(list(members)) if self._select is not None else members:
            source = f"{self._path.name}/{name}"
            try:
                if members[name].compress_type == zipfile.ZIP_LZMA:  # it may ask for any amount of memory
                    raise NotImplementedError
                _refuse_inner(lambda member=members[name]: archive.open(member), source, "zip")  # type: ignore[misc]
                stream = archive.open(members[name])
            except NotImplementedError:
                method = zipfile.compressor_names.get(members[name].compress_type, "an unknown method")  # type: ignore[attr-defined]
                raise FileFormatError(
                    f"{source}: a zip member compressed by {method}, which is not supported; zip it again with deflate"
                ) from None
            except RuntimeError:
                raise FileFormatError(f"{source}: a zip member that is encrypted; unzip it first") from None
            except DAMAGED as error:
                raise FileFormatError(f"{source}: damaged zip file: {error}") from None
            with stream:
                yield Stream(_Bounded(stream, members[name].compress_size, source), source, "zip")


class _Xz(io.RawIOBase):
    """The content of an xz file, as :class:`lzma.LZMAFile` gives it, within a limit of memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unpack = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            packed = b""
            if self._unpack.eof:  # another one may follow, behind zeros that pad
                packed = self._unpack.unused_data.lstrip(b"\0") or self._file.read(io.DEFAULT_BUFFER_SIZE).lstrip(b"\0")
                if not packed:
                    return 0
                self._unpack = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            elif self._unpack.needs_input:
                packed = self._file.read(io.DEFAULT_BUFFER_SIZE)
                if not packed:
                    raise EOFError("it ends before its end-of-stream marker")
            data = self._unpack.decompress(packed, len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)


_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bzip2": bz2.BZ2File,
    "xz": lambda file: io.BufferedReader(_Xz(file)),
}


class _Bounded:
    """The content of a packed file, up to a multiple of its size.

    Args:
        file: the content.
        packed: bytes of the file.
        source: its name.
    """

    def __init__(self, file: IO[bytes] | Any, packed: int, source: str) -> None:
        self._file, self._source = file, source
        self._left = max(MAX_SMALL, MAX_RATIO * packed)

    def read(self, size: int) -> bytes:
        return self._counted(self._file.read(size))

    def readline(self, size: int) -> bytes:
        return self._counted(self._file.readline(size))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise FileFormatError(
                f"{self._source}: unpacked it is more than {MAX_RATIO} times as large, which no file of prices is;"
                " if it is one, unpack it first"
            )
        return data


def _format_of(begin: bytes) -> str | None:
    """Return the format of a file by its first bytes, None for text in UTF-8."""
    if begin[_TAR] == b"ustar":
        return "tar"
    found = next((name for magic, name in _MAGIC if begin.startswith(magic)), None)
    return "UTF-16" if found is None and _UNMARKED_UTF_16(begin) else found


def _refuse_inner(open_: Callable[[], Any], source: str, format_: str) -> None:
    """Refuse what is packed in a file and no text itself: another archive, as a rule."""
    with open_() as stream:
        try:
            inner = _format_of(stream.read(_BEGIN))
        except DAMAGED as error:
            if "emory usage limit" in str(error):
                raise FileFormatError(
                    f"{source}: unpacking it takes more than {_XZ_MEMORY >> 20} MiB of memory; pack it again with xz -9"
                ) from None
            return  # reading it says so, and where
    if inner is not None:
        raise FileFormatError(f"{source}: a {inner} file inside the {format_} file; unpack it, or save it as UTF-8")


def _lines(stream: IO[bytes] | Any, source: str, format_: str) -> Iterator[Line]:
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
        except DAMAGED as error:
            yield Line(source, number, b"", f"the {format_} file is damaged or cut off here: {error}")
            return
        yield Line(source, number, raw.rstrip(b"\r\n"))


def _skip_line(stream: IO[bytes] | Any) -> None:
    while True:
        rest = stream.readline(MAX_LINE)
        if not rest or rest.endswith(b"\n"):
            return
