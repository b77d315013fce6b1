"""Clips of videos on YouTube, as the lists of Kinetics name them: fetched and cut by installed programs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gerund.chores.converting import RECORD
from gerund.chores.pool import each
from gerund.chores.programs import ProgramError, Programs, find_programs
from gerund.errors import GerundError, UsageError, VideoError, reason_of
from gerund.record import SCHEMA, Record, settings_id
from gerund.video.reader import VIDEO_SUFFIXES
from gerund.video.workers import Workers

SOURCES = ".sources"
"""Where videos lie in a data set's folder until their clips are cut."""

_NAME = re.compile(r"([A-Za-z0-9_-]{11})(?:_(\d{6})_(\d{6}))?")
_LONGEST_LABEL = 200
_FETCH_S, _CUT_S = 3600.0, 1800.0
_MOST_SOURCE = "4G"
_MOST_IN_A_ROW = 10
"""Failures one after the other, of videos that are not said to be gone, after which a command gives up."""

_GONE = (
    "video unavailable", "private video", "has been removed", "been terminated", "no longer available",
    "not available in your country", "not made this video available", "copyright", "does not exist",
)  # fmt: skip
_REFUSED = ("not a bot", "too many requests", "error 429", "rate-limited", "rate limited")
"""What yt-dlp says, in lower case, when a video cannot be had any more; and when the site wants no more questions."""


class GoneError(GerundError):
    """A video that is not offered any more."""


class RefusedError(GerundError):
    """The site wants no more questions for now; asking on would only make that worse."""


@dataclass(frozen=True)
class Clip:
    """A part of a video.

    Attributes:
        name: ``<youtube id>_<start>_<end>`` with six digits each, or where the list gives no times the id alone.
        label: its class, the name of its folder.
    """

    name: str
    label: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"{self.name!r} is no YouTube id of 11 letters with the start and end of a clip")
        if (times_s := self.times_s) and times_s[0] >= times_s[1]:
            raise UsageError(f"the clip {self.name} ends before it begins")
        label = self.label
        wrong = not label or label.startswith((".", "-")) or label != label.strip() or len(label) > _LONGEST_LABEL
        if wrong or set(label) & set('/\\:*?"<>|') or any(ord(mark) < ord(" ") for mark in label):
            raise UsageError(f"the label {label!r} of {self.name} cannot be the name of a folder")

    @property
    def youtube_id(self) -> str:
        """The video's."""
        return self.name[:11]

    @property
    def times_s(self) -> tuple[int, int] | None:
        """Start and end in seconds; None where the list gives none."""
        found = _NAME.fullmatch(self.name)
        return (int(found[2]), int(found[3])) if found and found[2] else None

    def find(self, out: Path) -> Path | None:
        """Its file in a data set's folder, whatever its ending."""
        places = (out / self.label / f"{self.name}{ending}" for ending in (".mp4", *sorted(VIDEO_SUFFIXES)))
        return next((place for place in places if place.is_file()), None)


def where(clips: Iterable[Clip]) -> Mapping[str, Clip]:
    """Clips by what archives call their files: the name, and the YouTube id where only one clip has it."""
    by_name = {clip.name: clip for clip in clips}
    alone: dict[str, Clip | None] = {}
    for clip in by_name.values():
        alone[clip.youtube_id] = None if clip.youtube_id in alone else clip
    return {name: clip for name, clip in alone.items() if clip} | by_name


def place_of(path: PurePosixPath, clips: Mapping[str, Clip]) -> Path | None:
    """Where a file of an archive goes: into the folder of its clip's class; None for other files."""
    clip = clips.get(path.stem)
    if clip is None or path.suffix.lower() not in VIDEO_SUFFIXES:
        return None
    return Path(clip.label, clip.name + path.suffix.lower())


@dataclass(frozen=True)
class Wishes:
    """How videos are fetched.

    Attributes:
        tallest_px: no higher picture is fetched, where there is a lower one.
        pause_s: before each video.
        cookies: a file of cookies for yt-dlp, for a site that asks who is there.
    """

    tallest_px: int = 480
    pause_s: float = 1.0
    cookies: Path | None = None


class Cutter:
    """Fetches videos and cuts clips out of them.

    Args:
        out: the data set's folder.
        wishes: how videos are fetched.
        programs: runs yt-dlp and ffmpeg.
        workers: look whether a clip that was cut can be read.

    Raises:
        UsageError: yt-dlp or ffmpeg is not installed.
    """

    def __init__(self, out: Path, wishes: Wishes, programs: Programs, workers: Workers) -> None:
        self._out, self._wishes, self._programs, self._workers = out, wishes, programs, workers
        purpose, install = "fetching videos", "pip install yt-dlp; apt install ffmpeg, or brew install ffmpeg"
        ((_, self._fetcher),) = find_programs(["yt-dlp"], purpose=purpose, install=install)
        ((_, self._ffmpeg),) = find_programs(["ffmpeg"], purpose="cutting clips", install=install)

    def run(self, clips: Sequence[Clip], *, at_once: int) -> Iterator[tuple[Clip, Exception | None]]:
        """Fetches clips that are not there yet, each video once.

        Yields:
            Every clip with None, or with what kept it from being had, as they are ready.

        Raises:
            RefusedError: the site wants no more questions, or too many videos failed one after the other.
        """
        by_video: dict[str, list[Clip]] = {}
        for clip in clips:
            if clip.find(self._out):
                yield clip, None
            else:
                by_video.setdefault(clip.youtube_id, []).append(clip)
        in_a_row = 0
        try:
            for wanted, done in each(by_video.values(), self._video, at_once=at_once, stop=self._programs.stop):
                outcomes = dict.fromkeys(wanted, done) if isinstance(done, Exception) else done
                yield from outcomes.items()
                if isinstance(done, RefusedError):
                    raise done
                in_a_row = in_a_row + 1 if isinstance(done, Exception) and not isinstance(done, GoneError) else 0
                if in_a_row == _MOST_IN_A_ROW:
                    raise RefusedError(f"{in_a_row} videos in a row could not be had, the last one because: {done}")
        finally:
            shutil.rmtree(self._out / SOURCES, ignore_errors=True)

    def _video(self, clips: list[Clip]) -> dict[Clip, Exception | None]:
        """Fetches one video and cuts its clips.

        Raises:
            GerundError: the video cannot be had.
        """
        folder = self._out / SOURCES / clips[0].youtube_id
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            source = self._fetch(clips[0].youtube_id, folder)
            return {clip: self._cut(clip, source, folder) for clip in clips}
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fetch(self, youtube_id: str, folder: Path) -> Path:
        self._programs.pause(self._wishes.pause_s)
        tall = f"[height<={self._wishes.tallest_px}]"
        command = [
            *(self._fetcher, "--ignore-config", "--no-playlist", "--no-progress", "--no-cache-dir", "--no-mtime"),
            *("--socket-timeout", "30", "--retries", "3", "--max-filesize", _MOST_SOURCE),
            *("--format", f"bv*{tall}+ba/b{tall}/bv*+ba/b", "--merge-output-format", "mkv"),
            *("--ffmpeg-location", self._ffmpeg, "--output", "source.%(ext)s"),
            *(("--cookies", os.path.abspath(self._wishes.cookies)) if self._wishes.cookies else ()),
            *("--", f"https://www.youtube.com/watch?v={youtube_id}"),
        ]
        ended = self._programs.run(command, folder=folder, within_s=_FETCH_S)
        said = ended.said.lower().replace("’", "'")
        found = [path for path in folder.glob("source.*") if path.suffix not in (".part", ".ytdl") and path.is_file()]
        if ended.code or len(found) != 1:
            if any(words in said for words in _REFUSED):
                raise RefusedError(f"the site wants no more questions for now ({ended.last_words}); go on later")
            if any(words in said for words in _GONE):
                raise GoneError(ended.last_words)
            raise ProgramError(f"yt-dlp ended with {ended.code} and {len(found)} files: {ended.last_words}")
        return found[0]

    def _cut(self, clip: Clip, source: Path, folder: Path) -> Exception | None:
        """Cuts a clip and puts it in its place; gives what kept it from that."""
        part = folder / "clip.mp4"
        part.unlink(missing_ok=True)
        times_s = clip.times_s
        begin = ["-ss", str(times_s[0])] if times_s else []
        length = ["-t", str(times_s[1] - times_s[0])] if times_s else []
        command = [
            *(self._ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *begin),
            *("-protocol_whitelist", "file", "-format_whitelist", "mov,mp4,matroska,webm", "-i"),
            *(f"file:{os.path.abspath(source)}", *length, "-map", "0:v:0", "-map", "0:a:0?", "-sn", "-dn"),
            *("-c:v", "libx264", "-preset", "fast", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac"),
            *("-threads", "1", "-map_metadata", "-1", "-movflags", "+faststart", f"file:{os.path.abspath(part)}"),
        ]
        try:
            ended = self._programs.run(command, folder=folder, within_s=_CUT_S)
            if ended.code:
                raise ProgramError(f"ffmpeg ended with {ended.code}: {ended.last_words}")
            self._workers.check(part, thorough=False)
            target = self._out / clip.label / f"{clip.name}.mp4"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, target)
        except VideoError as error:
            return ProgramError(f"what ffmpeg cut cannot be read ({reason_of(error)}); does the video end before?")
        except (ProgramError, OSError) as error:
            return error
        return None


def fetch(
    clips: Sequence[Clip], out: Path, cutter: Cutter, *, at_once: int, again: bool = False
) -> Iterator[tuple[Clip, Exception | None]]:
    """Fetches clips that are not there yet and were not found to be gone.

    Args:
        clips: what is wanted.
        out: the data set's folder; the record in it remembers what is gone.
        cutter: does it.
        at_once: how many videos are fetched at once.
        again: ask also for what was gone.

    Yields:
        Every clip with None, or with what kept it from being had.

    Raises:
        RefusedError: the site wants no more questions.
        UsageError: another process is at work in the folder.
    """
    settings = settings_id(kind="clips")
    record = Record(out / RECORD, is_answer=lambda line: line["error"] is None or bool(line.get("gone")))
    places = {clip: os.path.abspath(out / clip.label / f"{clip.name}.mp4") for clip in clips}
    try:
        record.begin()
        todo: list[Clip] = []
        for clip in clips:
            line = None if again or clip.find(out) else record.find(places[clip], clip.name, settings)
            if line and line["error"] is not None:
                yield clip, GoneError(line["error"])
            else:
                todo.append(clip)
        for clip, error in cutter.run(todo, at_once=at_once):
            line = {
                "schema": SCHEMA,
                "settings": settings,
                "content": clip.name,
                "video": places[clip],
                "error": None if error is None else reason_of(error),
                "gone": isinstance(error, GoneError),
            }
            if error is not None or not record.has(line):
                record.append(line)
            yield clip, error
        record.close(list(places.values()))
    finally:
        record.release()
