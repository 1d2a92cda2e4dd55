"""``candlewave export``: rows of a table or view into a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candlewave.cli.common import fail, load_settings

if TYPE_CHECKING:
    import pyarrow as pa

_FORMATS = (".parquet", ".arrow", ".csv")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    relation: Annotated[str, typer.Argument(help="Table or view, such as features or candles, or one of your own.")],
    to: Annotated[
        Path, typer.Option(help="File to write; .parquet, .arrow or .csv. An earlier one is replaced at the end.")
    ],
    exchange: Annotated[str | None, typer.Option(help="Only this exchange.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol, such as BTC-USD.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Only this timeframe.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only rows of this time (UTC) or later.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only rows before this time (UTC).")] = None,
    columns: Annotated[str | None, typer.Option(help="Only these columns, comma-separated.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="To features: what came after so many minutes, such as 5,60, as label_5.")
    ] = None,
) -> None:
    """Write rows of a table or view into a Parquet, Arrow or CSV file, as of one moment, in the order of their keys.

    They are streamed: the file may be larger than the memory. `candlewave.dataset` reads the same from Python.
    """
    if to.suffix not in _FORMATS:
        fail(f"{to}: the name must end with {', '.join(_FORMATS)}")
    if labels is not None and not all(part.strip().isdigit() for part in labels.split(",")):
        fail(f"--labels {labels}: not minutes separated by commas, such as 5,60")
    from candlewave.client.dataset import selection_of
    from candlewave.engine.connect import connect
    from candlewave.engine.extract import Rows
    from candlewave.telemetry.progress import progress

    settings = load_settings()
    wanted = selection_of(
        relation,
        exchange=exchange,
        symbol=symbol,
        timeframe=timeframe,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
        columns=[column.strip() for column in columns.split(",")] if columns else (),
        labels=[int(part) for part in labels.split(",")] if labels else (),
    )
    with connect(settings) as conn:
        rows = Rows(conn, wanted)
        with progress(f"Exporting {relation}", rows.count) as bar, _writer(to, rows.schema) as write:
            for batch in rows.batches():
                write.write_batch(batch)
                bar.advance(batch.num_rows)
    typer.echo(f"Wrote {to}: {rows.count:,} rows, {len(rows.schema)} columns, {to.stat().st_size / 1e6:,.1f} MB.")


@contextmanager
def _writer(to: Path, schema: "pa.Schema") -> "Iterator[pa.ipc.RecordBatchWriter]":
    """Yield what writes batches; the file has its name when all is written."""
    part = to.with_name(f"{to.name}.part")
    try:
        with _open(part, to.suffix, schema) as write:
            yield write
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def _open(path: Path, format_: str, schema: "pa.Schema") -> "pa.ipc.RecordBatchWriter":
    if format_ == ".parquet":
        from pyarrow.parquet import ParquetWriter

        return ParquetWriter(path, schema, compression="zstd")
    if format_ == ".arrow":
        from pyarrow.ipc import new_file

        return new_file(path, schema)
    from pyarrow.csv import CSVWriter

    return CSVWriter(path, schema)
