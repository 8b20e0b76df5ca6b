"""`cloudai measure`: throughput, latency, memory and watts of one's own model here, as a record for `cloudai plan`.

Exit codes: 0 fine; 1 not stable (the record is written all the same); 2 wrong input.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.measure.record import Point, Record

UNSTABLE = 1
FORMATS = ("table", "json", "toml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.description = "What a model of your own does on this machine: the price of running it yourself."
    parser.epilog = """\
examples:
  cloudai measure models/defects --data samples.npz --output record.json
  cloudai measure models/flowers --data photos/ --threads 4

exit codes: 0 fine, 1 the rounds did not agree, 2 wrong input"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR", help="a folder with model.onnx and model.toml")
    parser.add_argument("--data", type=Path, required=True, metavar="SAMPLES",
                        help=".npz or .npy with samples in the first dimension, or a folder of pictures")  # fmt: skip
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where (default: auto)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of one run (default: the engine's choice)")
    parser.add_argument("--batch", metavar="N,N", help="batch sizes (default: 1 to 32, as far as the model goes)")
    parser.add_argument("--seconds", type=float, default=0.5, metavar="S", help="of one round (default: 0.5)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print it (default: table)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the record: .toml as TOML, else JSON")


def run(args: argparse.Namespace) -> int:
    """Measures, prints, and returns the exit code."""
    from cloudai.cli.terminal import note, show
    from cloudai.measure import measure

    if not 0.01 <= args.seconds <= 600:
        raise InvalidInput(f"--seconds {args.seconds}: from 0.01 to 600")
    if args.threads is not None and args.threads < 1:
        raise InvalidInput(f"--threads {args.threads}: a number of 1 or more")
    record = measure(
        args.folder, args.data, device=args.device, threads=args.threads, batches=_batches(args.batch),
        seconds=args.seconds, said=note,
    )  # fmt: skip
    if args.output is not None:
        text = record.to_toml() if args.output.suffix == ".toml" else record.to_json()
        args.output.write_text(text, encoding="utf-8")
        note(f"wrote {args.output}")
    if args.format == "table":
        _table(record)
    else:
        show([(record.to_json() if args.format == "json" else record.to_toml()).rstrip("\n")])
    if all(point.stable for point in record.points):
        return 0
    note("the rounds did not agree within 3%: something else runs here, or --seconds is too short")
    return UNSTABLE


def _batches(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and 1 <= int(part) <= 4096 for part in parts):
        raise InvalidInput(f"--batch {text!r}: sizes from 1 to 4096, like 1,8")
    return tuple(int(part) for part in parts)


def _table(record: Record) -> None:
    from cloudai.cli.terminal import Grid, show

    head = ("batch", "samples/s", "p50 ms", "p90 ms", "p99 ms", "watts", "runs", "stable")
    rows = tuple(_row(point) for point in record.points)
    machine = record.hardware
    memory = "unknown" if record.peak_memory_mb is None else f"{record.peak_memory_mb:,.0f} MB"
    where = f"{machine.gpu or machine.cpu}, {machine.cores} cores, {machine.device}"
    show(
        [
            f"{record.model.name}: {record.best.samples_per_second:,.5g} samples a second at batch {record.best.batch}",
            Grid(head, rows, empty="nothing was measured"),
            f"{record.covers}; {where}; most memory {memory}; watts from {record.watts_from}; {record.date}",
            f"model {record.model.sha256[:16]}, data {record.data.sha256[:16]} ({record.data.samples} samples)",
        ]
    )


def _row(point: Point) -> tuple[str, ...]:
    watts = "unknown" if point.watts is None else f"{point.watts:g}"
    times = (f"{value:g}" for value in (point.samples_per_second, point.p50_ms, point.p90_ms, point.p99_ms))
    return (str(point.batch), *times, watts, str(point.runs), "yes" if point.stable else "no")
