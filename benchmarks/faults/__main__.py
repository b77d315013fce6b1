"""Does the suite notice when a line is wrong?

    python -m benchmarks.faults [--count 300] [--seed 0] [--only ROOM_OR_FILE] [--jobs 1] [--resume faults.jsonl]

Plants single-line faults in a copy of the repository, one at a time, runs the tests that reach the place, and reports
what nobody noticed. Needs the dev extra. Exit status 1 under 90 %.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .drawing import draw, room_of
from .mutations import faults_of, files_of
from .reach import Reach, test_files
from .scratch import Scratch, prepare
from .summary import read_equivalent, report
from .trial import Trials, as_record

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 0.9


def settings_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", action="append", default=[], metavar="ROOM_OR_FILE", help="under src/gerund; repeatable"
    )
    parser.add_argument(
        "--id", action="append", default=[], help="this fault, drawn or not, by its short name; repeatable"
    )
    parser.add_argument(
        "--tests", action="append", default=[], metavar="WORD", help="only test files with this in their path"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--most", type=int, default=60, help="tests a fault meets at most")
    parser.add_argument("--limit", type=float, default=60, help="seconds that these take at most without the fault")
    parser.add_argument("--resume", type=Path, help="JSON lines to go on with; noticed faults are not tried again")
    parser.add_argument("--markdown", type=Path, help="where to write the report, beside printing it")
    parser.add_argument("--equivalent", type=Path, default=Path(__file__).with_name("equivalent.txt"))
    parser.add_argument(
        "--shared", type=Path, default=ROOT.parent / "shared" / "data", help="data that some tests read"
    )
    parser.add_argument("--weights", type=Path, default=_weights(), help="gerund's cache, copied for the tests")
    parser.add_argument(
        "--kept", type=Path, default=Path(tempfile.gettempdir()) / "gerund-faults", help="which test runs which line"
    )
    parser.add_argument("--list", action="store_true", help="print the faults and stop")
    return parser.parse_args(arguments)


def _weights() -> Path:
    return Path(os.environ.get("GERUND_CACHE") or Path.home() / ".cache" / "gerund")


def in_lanes(count: int, work: Callable[[int], None]) -> None:
    """Does the same in some processes and waits for all; the first that fails is an error."""
    if count == 1:
        return work(0)
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            try:
                work(number)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit("a job ended early; the same command with --resume goes on")


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """The last whole line of every fault."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        found[record["fault"]] = record
    return found


def main(arguments: Sequence[str]) -> int:
    """Draws, tries, reports."""
    settings = settings_of(arguments)
    if settings.id:
        faults = [fault for path in files_of(ROOT) for fault in faults_of(ROOT, path) if fault.id in settings.id]
    else:
        faults = draw(ROOT, settings.count, settings.seed, settings.only)
    if settings.list:
        for fault in faults:
            print(f"{fault.id} {fault.path}:{fault.line} {fault.operator}\n  - {fault.old}\n  + {fault.new}")
        return 0
    prepare()
    reach = Reach(ROOT, settings.kept, test_files(ROOT, settings.tests))
    results = settings.resume or Path(tempfile.gettempdir()) / f"gerund-faults-{time.time_ns()}.jsonl"
    print(f"{len(faults)} faults; results go to {results}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the copy is removed
    folder = Path(tempfile.mkdtemp(prefix="gerund-faults-"))
    try:
        copies = [folder / str(number) for number in range(settings.jobs)]
        scratches = [Scratch(copy, ROOT, settings.shared, settings.weights) for copy in copies]
        missing = reach.missing()

        def measure(lane: int) -> None:
            for path in missing[lane :: settings.jobs]:
                print("measured", reach.measure(path, scratches[lane]), flush=True)

        in_lanes(settings.jobs, measure)
        reach.load()
        print(f"{len(reach.seconds)} tests; left out: {', '.join(reach.left_out) or 'none'}", flush=True)
        before = read_results(results)
        waiting = [
            fault
            for fault in faults
            if (old := before.get(fault.id)) is None
            or (old["verdict"] != "noticed" and old["tests"] != reach.tests_hash)
        ]

        def try_out(lane: int) -> None:
            trials = Trials(scratches[lane], reach, most=settings.most, limit_s=settings.limit)
            with results.open("a", encoding="utf-8") as lines:
                for fault in waiting[lane :: settings.jobs]:
                    begun = time.monotonic()
                    verdict = trials.attempt(fault)
                    record = as_record(fault, verdict, room_of(fault.path), reach.tests_hash)
                    lines.write(json.dumps(record) + "\n")
                    lines.flush()
                    took = f"{time.monotonic() - begun:.1f} s"
                    print(
                        f"{verdict.verdict:11} {took:>7} {fault.path}:{fault.line} {fault.operator} {verdict.by}",
                        flush=True,
                    )

        in_lanes(settings.jobs, try_out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    after = read_results(results)
    equivalent = read_equivalent(settings.equivalent)
    text, share = report([after[fault.id] for fault in faults], equivalent)
    print("\n" + text)
    for stale in sorted(set(equivalent) - {fault.key for path in files_of(ROOT) for fault in faults_of(ROOT, path)}):
        print(f"{settings.equivalent}: no such fault any more: {': '.join(stale[:3])}: {stale[3]}")
    if settings.markdown:
        settings.markdown.write_text(text, encoding="utf-8")
    return 0 if share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
