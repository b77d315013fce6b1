"""The rate of pictures: a folder of them does not say it, so a person does, or is told what was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gerund.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from gerund.batch import Batch
    from gerund.video.reader import Video

PicturesFps = Annotated[
    float | None,
    typer.Option(
        "--fps",
        min=1e-3,
        metavar="R",
        help="Pictures a second, of folders of numbered pictures (else that of frames.json, or 25).",
    ),
]


def at_rate(paths: list[Path], fps: float | None) -> list[Path | Video]:
    """The same, where a rate is given with folders of pictures as videos that have it."""
    from gerund.video.reader import Video

    return [Video(path, fps=fps) if fps and path.is_dir() else path for path in paths]


def rate_of_pictures(run: Batch, fps: float | None) -> float | None:
    """The rate to read the folders among the videos with; a note says when nobody gave one.

    Raises:
        UsageError: there is a rate and no folder of pictures.
    """
    from gerund.video.numbering import PICTURES_FPS, stated_rate

    folders = [path for path in run.videos if path.is_dir()]
    if not folders:
        if fps is not None:
            raise UsageError("--fps is for folders of numbered pictures; files have a rate of their own")
        return None
    silent = [path for path in folders if stated_rate(path) is None]
    if fps is None and silent and not run.quiet:
        what = "1 folder of pictures" if len(silent) == 1 else f"{len(silent)} folders of pictures"
        run.say(f"note: {what} read at {float(PICTURES_FPS):g} pictures a second, for nothing says their rate (--fps)")
    return fps
