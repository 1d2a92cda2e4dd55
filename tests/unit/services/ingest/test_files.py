"""Reading lines of files in any packing and any state."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

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
    with pytest.raises(FileFormatError, match="not a gz file"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"absent\.csv: No such file"):
        Lines(tmp_path / "absent.csv")


def test_a_broken_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK\x03\x04" + b"\0" * 50)
    with pytest.raises(FileFormatError, match="damaged zip"):
        read(path)
