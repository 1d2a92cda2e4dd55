"""Reading lines of files in any packing and any state."""

import bz2
import contextlib
import gzip
import io
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from candlewave.services.ingest import files
from candlewave.services.ingest.candle_files import CandleFile, CandleFormat, CandleLayout
from candlewave.services.ingest.files import MAX_LINE, FileFormatError, Line, Lines


def read(path: Path) -> list[Line]:
    with Lines(path) as lines:
        return list(lines)


@pytest.mark.parametrize("packing", ["plain", "gz", "zip"])
def test_lines_are_the_same_in_any_packing(tmp_path: Path, packing: str) -> None:
    content = b"a,b\r\n1,2\n3,4"
    path = tmp_path / f"file.{packing}"
    if packing == "gz":
        content = gzip.compress(content)
    elif packing == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.csv", content)
            archive.writestr("__MACOSX/junk", b"junk")
        content = buffer.getvalue()
    path.write_bytes(content)
    lines = read(path)
    assert [(line.number, line.text, line.problem) for line in lines] == [
        (1, "a,b", None),
        (2, "1,2", None),
        (3, "3,4", None),
    ]
    assert lines[0].source == ("file.zip/inner.csv" if packing == "zip" else path.name)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(gzip.compress(b"x\n"))
    assert [line.text for line in read(path)] == ["x"]


def test_a_byte_order_mark_is_dropped_and_bad_text_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"\xef\xbb\xbfsymbol\n\xff\xfe\n")
    first, second = read(path)
    assert first.text == "symbol"
    assert second.text is None
    assert second.raw == b"\xff\xfe"


def test_a_cut_off_gzip_gives_its_good_lines_and_then_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    packed = gzip.compress("".join(f"{i},{i * i * 7919 % 10007}\n" for i in range(20_000)).encode())
    path.write_bytes(packed[: len(packed) // 2])
    lines = read(path)
    assert len(lines) > 1_000
    assert lines[-1].problem is not None
    assert "damaged or cut off" in lines[-1].problem
    assert all(line.problem is None for line in lines[:-1])


def test_an_endless_line_costs_no_memory_and_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"a\n" + b"x" * (10 * MAX_LINE) + b"\nb\n")
    first, endless, last = read(path)
    assert endless.problem is not None
    assert len(endless.raw) == MAX_LINE
    assert (first.text, last.text, last.number) == ("a", "b", 3)


@pytest.mark.parametrize("content", [b"plain", b""])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "not.gz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="not a gzip file"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"absent\.csv: No such file"):
        Lines(tmp_path / "absent.csv")


def test_a_broken_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK\x03\x04" + b"\0" * 50)
    with pytest.raises(FileFormatError, match="damaged zip"):
        read(path)


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("named", [True, False])
def test_compressed_files_are_read_whatever_their_name(tmp_path: Path, suffix: str, named: bool) -> None:
    path = tmp_path / f"a.csv{suffix if named else ''}"
    path.write_bytes(PACKERS[suffix](b"one\ntwo\n"))
    with Lines(path) as lines:
        assert [line.text for line in lines] == ["one", "two"]


@pytest.mark.parametrize("suffix", PACKERS)
def test_what_comes_before_a_cut_is_read(tmp_path: Path, suffix: str) -> None:
    text = b"".join(b"%d\n" % i for i in range(50_000))
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(PACKERS[suffix](text)[:-100])
    with Lines(path) as lines:
        *good, last = lines
    assert last.problem is not None
    assert "damaged or cut off here" in last.problem
    assert all(line.problem is None for line in good)


def _patched(tmp_path: Path, find: bytes, offset: int, value: bytes) -> Path:
    """Return a zip file in which bytes at an offset behind a signature are other ones."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "one\n" * 1000)
    data = bytearray(path.read_bytes())
    at = data.find(find)
    data[at + offset : at + offset + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("find", "offset", "value", "words"),
    [
        (b"PK\x01\x02", 10, b"\x09\x00", "compressed by deflate64, which is not supported"),
        (b"PK\x01\x02", 10, b"\x63\x00", "which is not supported"),
        (b"PK\x01\x02", 8, b"\x01\x00", "encrypted"),
        (b"PK\x05\x06", 0, b"XXXX", "damaged zip file"),
        (b"PK\x03\x04", 26, b"\xff\xff", "damaged zip file"),
    ],
    ids=["deflate64", "unknown-method", "encrypted", "no-directory", "bad-local-header"],
)
def test_a_zip_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, find: bytes, offset: int, value: bytes, words: str
) -> None:
    with Lines(_patched(tmp_path, find, offset, value)) as lines, pytest.raises(FileFormatError, match=words) as caught:
        list(lines)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(("a.zip", str(tmp_path)))


def test_a_wrong_checksum_is_told_at_the_end(tmp_path: Path) -> None:
    with Lines(_patched(tmp_path, b"PK\x01\x02", 16, b"\x00\x00\x00\x00")) as lines:
        *_, last = lines
    assert last.problem is not None
    assert last.problem.startswith("the zip file is damaged or cut off here: Bad CRC-32")


@pytest.mark.parametrize(
    ("begin", "format_"),
    [
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"PAR1", "Parquet"),
        (b"\x04\x22\x4d\x18", "LZ4"),
        (b"XBTUSD.csv".ljust(257, b"\x00") + b"ustar", "tar"),
        ("a,b".encode("utf-16"), "UTF-16"),
        ("1,2".encode("utf-16-le"), "UTF-16"),
        ("1,2".encode("utf-16-be"), "UTF-16"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, begin: bytes, format_: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(begin + b"\x00" * 100)
    with Lines(path) as lines, pytest.raises(FileFormatError, match=f"a {format_} file; what is read is plain text"):
        list(lines)


def _packed(packing: str, inner: bytes) -> bytes:
    if packing != "zip":
        return PACKERS[packing](inner)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("XBTUSD.csv", inner)
    return packed.getvalue()


@pytest.mark.parametrize("packing", ["zip", *PACKERS])
@pytest.mark.parametrize(
    ("inner", "format_"),
    [
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(b"1,2,3\n"), "gzip"),
        (_packed("zip", b"1,2,3\n"), "zip"),
        (b"XBTUSD.csv".ljust(257, b"\x00") + b"ustar\x00" + b"1,2,3\n1,2,3\n", "tar"),
    ],
    ids=["utf-16", "gzip", "zip", "tar"],
)
def test_what_is_packed_twice_is_named(tmp_path: Path, packing: str, inner: bytes, format_: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(_packed(packing, inner))
    with Lines(path) as lines, pytest.raises(FileFormatError, match=f"a {format_} file inside the [a-z0-9]+ file"):
        list(lines)


@given(st.binary(max_size=300), st.sampled_from(["", ".gz", ".bz2", ".xz", ".zip"]))
def test_any_bytes_are_lines_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("any") / f"a.csv{suffix}"
    path.write_bytes(data)
    with Lines(path) as lines, contextlib.suppress(FileFormatError):
        list(lines)


@given(st.binary(min_size=1, max_size=8), st.integers(0, 10_000))
def test_a_damaged_zip_is_lines_or_refused(tmp_path_factory: pytest.TempPathFactory, value: bytes, place: int) -> None:
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "one\ntwo\n" * 20)
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + len(value)] = value
    path.write_bytes(data)
    with Lines(path) as lines, contextlib.suppress(FileFormatError):
        list(lines)


@pytest.mark.parametrize("suffix", [*PACKERS, ".zip"])
def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """As one line, and as many."""
    monkeypatch.setattr(files, "MAX_SMALL", 2**19)
    packer = PACKERS.get(suffix) or partial(_packed, "zip")
    for content in (bytes(2**21), b"1700000000,1,1\n" * 2**17):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(packer(content))
        with Lines(path) as lines, pytest.raises(FileFormatError, match="more than 250 times as large"):
            for _ in lines:
                pass


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(bytes(2**27), 1))
    tracemalloc.start()
    with (
        CandleFile(path, CandleLayout(CandleFormat.FREQTRADE), "kraken", "BTC/USD") as file,
        pytest.raises(FileFormatError),
    ):
        for _ in file:
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


def test_what_packs_well_is_no_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.xz"
    path.write_bytes(lzma.compress(b"1700000000,1.25,0.5\n" * 30_000))
    with Lines(path) as lines:
        assert sum(line.problem is None for line in lines) == 30_000


def _asking_for_memory() -> bytes:
    """Return an xz file whose writer wanted a window of a quarter of a gigabyte."""
    return lzma.compress(b"1,2,3\n" * 100, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**28}])


def test_a_file_that_asks_for_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.xz"
    path.write_bytes(_asking_for_memory())
    with Lines(path) as lines, pytest.raises(FileFormatError, match="takes more than 128 MiB of memory"):
        list(lines)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", "1,2,3\n")
    with Lines(path) as lines, pytest.raises(FileFormatError, match="compressed by lzma, which is not supported"):
        list(lines)


def test_xz_files_behind_each_other_are_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.xz"
    path.write_bytes(lzma.compress(b"1\n2\n") + bytes(8) + lzma.compress(b"3\n", preset=9) + bytes(4))
    with Lines(path) as lines:
        assert [line.text for line in lines] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "name", ["../../evil.csv", "/tmp/evil.csv", "C:\\evil.csv", "..\\evil.csv", "a/../../evil.csv"]
)
def test_names_in_a_zip_lead_nowhere(tmp_path: Path, name: str) -> None:
    """Members are read as streams; nothing is written by their names."""
    folder = tmp_path / "inside" / "deeper"
    folder.mkdir(parents=True)
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "1,2,3\n")
        link = zipfile.ZipInfo("link.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with Lines(path) as lines:
        assert sorted(line.text or "" for line in lines) == ["/etc/passwd", "1,2,3"]
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
