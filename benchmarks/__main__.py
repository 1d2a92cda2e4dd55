"""Run the benchmarks and print one table: what was measured, the figure, the aim, and a ratio taken in the same run."""

import argparse
import platform
import sys
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.embedded import latency, plain_postgresql, throughput
from benchmarks.report import Row

NAMES = ("throughput", "latency", "late", "history", "prediction", "reading", "training", "skill", "api", "page")


def main() -> int:
    """Run what was asked for; exit code 1 when a result was wrong (a missed aim is shown, not failed)."""
    parser = argparse.ArgumentParser(prog="candlewave bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all if left out")
    parser.add_argument("--trades", type=int, default=1_000_000, help="trades of the throughput runs")
    parser.add_argument("--days", type=int, default=30, help="days of the latency, late, history and training runs")
    parser.add_argument("--long-days", type=int, default=365, help="days of the one market of the history run")
    parser.add_argument("--markets", type=int, default=100, help="markets of the reading run")
    parser.add_argument("--minutes", type=int, default=200, help="live minutes of the prediction run")
    parser.add_argument("--visits", type=int, default=15, help="visits of the page, with an empty and a filled cache")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of each load on the API")
    parser.add_argument("--candles", type=Path, help="folder of real candles; shared/data beside the project")
    parser.add_argument("--candidates", default="", help="of the skill run, by comma; the shipped ones if left out")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known are {', '.join(NAMES)}")
    names = options.names or NAMES
    rows: list[Row] = []
    if "throughput" in names:
        base = plain_postgresql(options.trades)
        rows += [base, *throughput(options.trades, base)]
    if "latency" in names:
        rows += latency(options.days)
    if "late" in names:
        from benchmarks.late import late

        rows += late(options.days)
    if "history" in names:
        from benchmarks.history import history

        rows += history(options.days, options.long_days)
    if "prediction" in names:
        from benchmarks.prediction import prediction

        rows += prediction(options.minutes)
    if "reading" in names:
        from benchmarks.reading import reading

        rows += reading(options.markets)
    if "training" in names:
        from benchmarks.training import training

        rows += training(options.days)
    if "skill" in names:
        from benchmarks.real_candles import default_folder
        from benchmarks.skill import skill

        rows += skill(options.candles or default_folder(), tuple(filter(None, options.candidates.split(","))))
    if "api" in names:
        from benchmarks.api import api

        rows += api(options.seconds)
    if "page" in names:
        from benchmarks.page import page

        rows += page(options.visits)
    show(rows)
    return 0 if all(row.right for row in rows) else 1


def show(rows: list[Row]) -> None:
    """Print the table with the machine and the command."""
    memory = psutil.virtual_memory().total / 2**30
    machine = (
        f"{psutil.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}"
    )
    command = "make bench" if len(sys.argv) == 1 else f"python -m benchmarks {' '.join(sys.argv[1:])}"
    table = Table(title=f"{command}\n{machine}, {_processor()}", title_justify="left")
    for heading in ("measured", "figure", "aim", "ratio in this run", "result"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.measured, row.figure, row.aim, row.ratio, "right" if row.right else "[red]WRONG[/red]")
    Console(width=160 if not sys.stdout.isatty() else None).print(table)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
