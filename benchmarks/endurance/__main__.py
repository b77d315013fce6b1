"""What a batch survives: damaged files between good ones, and being killed at any moment.

    python -m benchmarks.endurance mutants CLIPS... [--count 300] [--seed 0]
    python -m benchmarks.endurance kills CLIPS... [--count 30] [--seed 0]

`mutants` damages real files in ways drawn by seed, lays each batch of them between good clips, and runs ``gerund
classify`` on the folder: every file has to be answered or named with a reason, the good ones as they are answered
alone, under a bound on the memory of all processes together. `kills` stops ``classify``, ``locate``, ``extract`` and
``train`` with SIGKILL at moments drawn by seed, runs the same command again, and compares with an undisturbed run: the
same videos and answers to 1e-6, what was trained to the byte. Exit status 1 where anything differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.endurance.kills import try_kills
from benchmarks.endurance.mutants import try_mutants


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["mutants", "kills"])
    parser.add_argument("clips", nargs="+", type=Path, help="video files, or folders of them")
    parser.add_argument("--count", type=int, default=0, help="how many mutants (300), or kills of each command (30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="i3d-minilm")
    parser.add_argument("--only", default="", metavar="COMMAND", help="kills: of this command alone, such as train")
    given = parser.parse_args()
    files = sorted(
        file for path in given.clips for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()
    )
    with tempfile.TemporaryDirectory(prefix="gerund-endurance-") as scratch:
        if given.what == "mutants":
            return try_mutants(files, Path(scratch), count=given.count or 300, seed=given.seed, model=given.model)
        return try_kills(
            files, Path(scratch), count=given.count or 30, seed=given.seed, model=given.model, only=given.only
        )


if __name__ == "__main__":
    sys.exit(main())
