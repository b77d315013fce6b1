"""Found segments as one web page with players, made when the command ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from gerund.errors import OutputError
from gerund.page import Embed, Located, write_page
from gerund.sinks.base import Answer, Order, OutputFormat, Sink, segments_of
from gerund.writing import is_stdout


class Page(Sink):
    """A page of all videos.

    Args:
        target: the file; ``-`` for standard output.
        model: the model's name, as the page gives it.
        embed: which videos the page holds, and which it only links to.
        fail: told of videos whose player could not be made, with the reason.
    """

    def __init__(self, target: str, model: str, embed: Embed, fail: Callable[[str, str], None]) -> None:
        self._target = Path(target)
        self._model = model
        self._embed = embed
        self._fail = fail
        self._found: list[Located] = []

    def take(self, answer: Answer) -> None:
        """Keeps what the page will show."""
        self._found.append(
            Located(
                Path(answer["video"]),
                answer["duration_s"],
                segments_of(answer).distinct(),
                answer["error"],
                answer["note"] or "",
            )
        )

    def close(self, *, spare_earlier: bool) -> Iterable[str]:
        """Makes the players and writes the page.

        Raises:
            OutputError: it cannot be written.
        """
        if spare_earlier and not is_stdout(self._target) and self._target.exists():
            return (f"{self._target} is that of an earlier command; no page was written about what was finished now",)
        try:
            made = write_page(self._target, self._model, self._found, embed=self._embed)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(self._target, error) from error
        for video, problem in made.problems:
            self._fail(video, problem)
        where = "the page" if is_stdout(self._target) else str(self._target)
        return (f"{where}: {made.words()}",)


def _page(order: Order) -> Sink:
    return Page(order.target, order.model, order.embed, order.note)


PAGE = OutputFormat((".html", ".htm"), "one page with players and timelines", _page, kinds=("segments",))
FORMATS = (PAGE,)
