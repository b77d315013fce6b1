"""One training run on disk: ``run.json``, ``log.csv``, ``checkpoint.pt`` and an ``epoch-0001.pt`` for each kept epoch.

Every file but the log appears under its name only when it is complete, so a run may be killed at any moment. The log is
cut back to the checkpoint when the run goes on.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gerund.errors import GerundError, UsageError
from gerund.writing import write_bytes

Weights = dict[str, Tensor]
"""Tensors of a network by name."""

COLUMNS = ("step", "epoch", "lr", "loss", "gradient", "validation")
"""Of the log; `gradient` is its length before clipping, and `validation` stands in the last row of an epoch."""


class RunFolder:
    """A folder that belongs to one run.

    Args:
        path: the folder; made if it is not there.
        settings: everything that decides the result, as JSON can hold it.
        resume: False throws away what an earlier run left there.

    Raises:
        UsageError: it belongs to a run with other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, object], *, resume: bool = True) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        if not resume:
            for file in [path / "run.json", path / "log.csv", path / "checkpoint.pt", *path.glob("epoch-*.pt")]:
                file.unlink(missing_ok=True)
        content = json.loads(json.dumps(settings))
        if (path / "run.json").exists():
            _require_same(path, json.loads((path / "run.json").read_text(encoding="utf-8")), content)
        else:
            write_bytes(path / "run.json", json.dumps(content, indent=1).encode())
        self._board: Any = None

    def read(self) -> dict[str, Any] | None:
        """What the last checkpoint holds, on the processor; None where there is none."""
        state = read_tensors(self.path / "checkpoint.pt") if (self.path / "checkpoint.pt").exists() else None
        self._cut_log(state["step"] if state else 0)
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        """Replaces the checkpoint."""
        write_tensors(self.path / "checkpoint.pt", state)

    def keep(self, epoch: int, weights: Weights) -> Path:
        """Keeps the weights of an epoch for later."""
        path = self.epoch_file(epoch)
        write_tensors(path, weights)
        return path

    def epoch_file(self, epoch: int) -> Path:
        """Where `keep` puts the weights of an epoch."""
        return self.path / f"epoch-{epoch:04d}.pt"

    def log(self, rows: Sequence[tuple[int, int, float, float, float, float | None]]) -> None:
        """Adds rows of `COLUMNS` to the log, and to TensorBoard's where that is installed."""
        with (self.path / "log.csv").open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        if self._board is None and find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=rows[0][0] if rows else None)
        for row in rows if self._board else ():
            for name, value in zip(COLUMNS[2:], row[2:], strict=True):
                if value is not None:
                    self._board.add_scalar(name, value, row[0])
        if self._board:
            self._board.flush()

    def _cut_log(self, step: int) -> None:
        """Drops the rows from a step on, which will come again."""
        path = self.path / "log.csv"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        rows = [row for row in csv.reader(io.StringIO(text)) if _is_before(row, step)]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows])
        write_bytes(path, out.getvalue().encode())


def write_tensors(path: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors, numbers and text, nested as they may be; the file appears when it is complete."""
    out = io.BytesIO()
    torch.save(dict(state), out)
    write_bytes(path, out.getbuffer())


def read_tensors(path: Path) -> dict[str, Any]:
    """What `write_tensors` wrote, on the processor; no code in the file is ever run.

    Raises:
        GerundError: the file is not one of those.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in as many ways as the format has parts
        raise GerundError(f"{path}: cannot be read as a checkpoint ({error}); remove it to start anew") from error
    return dict(found)


def _is_before(row: Sequence[str], step: int) -> bool:
    """False also for the heading, and for a row of which only a part was written."""
    return len(row) == len(COLUMNS) and row[0].isdigit() and int(row[0]) < step


def _require_same(path: Path, there: Mapping[str, object], given: Mapping[str, object]) -> None:
    names = [name for name in {**there, **given} if there.get(name) != given.get(name)]
    if names:
        parts = [f"{name} was {there.get(name)!r} and is now {given.get(name)!r}" for name in names]
        raise UsageError(
            f"{path} belongs to a run with other settings: {'; '.join(parts)}. "
            "Take another folder, or start this one anew"
        )
