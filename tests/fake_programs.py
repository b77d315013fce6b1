"""Programs of others, made up: small scripts that are all that a test finds on PATH."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

_UNRAR = """
archive=
folder=
for word; do
  case $word in *.rar) archive=$word ;; */) folder=$word ;; esac
done
case $1 in
  lb) {tail} -c +5 "$archive" | {tar} -P -t -f - ;;
  lt)
    {tail} -c +5 "$archive" | {tar} -P -t -v -f - | while read -r line; do
      case $line in l*) echo "  Type: Unix symbolic link" ;; *) echo "  Type: File" ;; esac
    done ;;
  x) {tail} -c +5 "$archive" | {tar} -P -x -f - -C "$folder" ;;
esac
"""

_YT_DLP = """
for word; do
  case $word in https:*) address=$word ;; esac
done
case $address in
  *gone*) echo "ERROR: [youtube] Video unavailable. This video has been removed" >&2; exit 1 ;;
  *busy*) echo "ERROR: Sign in to confirm you’re not a bot." >&2; exit 1 ;;
  *odd*) echo "ERROR: something odd" >&2; exit 1 ;;
  *none*) exit 0 ;;
esac
{cp} {clip} ./source.mp4
"""

_FFMPEG = """
for word; do last=$word; done
case $* in *"-ss 900 "*) echo "bad cut" >&2; exit 1 ;; *"-ss 800 "*) exit 0 ;; esac
{cp} {clip} "${{last#file:}}"
"""


class FakePrograms:
    """A folder of scripts that note how they were called.

    `unrar` takes files of ``Rar!`` and a tar archive behind it for rar archives; `ffmpeg` and `yt-dlp` give a clip.
    """

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.real = {name: shlex.quote(shutil.which(name)) for name in ("tar", "tail", "cp", "head", "sleep")}
        folder.mkdir()
        monkeypatch.setenv("PATH", str(folder))

    def add(self, name: str, script: str) -> None:
        """A program of that name."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >> {shlex.quote(str(self.log))}\n{script}')
        path.chmod(0o755)

    def add_unrar(self, name: str = "unrar") -> None:
        """A program that unpacks made-up rar archives, the careless way: it makes whatever the archive says."""
        self.add(name, _UNRAR.format(**self.real))

    def add_fetchers(self, clip: Path) -> None:
        """yt-dlp and ffmpeg, which give this clip, whatever is asked for, but for some telling names and times."""
        self.add("yt-dlp", _YT_DLP.format(clip=shlex.quote(str(clip)), **self.real))
        self.add("ffmpeg", _FFMPEG.format(clip=shlex.quote(str(clip)), **self.real))

    def calls(self, name: str) -> list[str]:
        """How a program was called, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.split()[0] == name]
