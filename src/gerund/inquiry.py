"""One question about many videos: checked, asked where there is no answer yet, and handed to the outputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from gerund.answering import Answerer
from gerund.answers import Classification, Location
from gerund.api import Model
from gerund.batch import Batch, Outcome, closable
from gerund.errors import GerundError, OutputError, UnreadableWarning, UsageError, VideoError, reason_of
from gerund.methods import Sliding
from gerund.methods.catalog import descriptions_for, takes
from gerund.page import Embed
from gerund.record import SCHEMA, Line, Record, encode, settings_id
from gerund.sinks import CSV, PAGE, VTT, AnswerKind, Lines, Order, OutputFormat, Screen, Sink, is_answer
from gerund.sinks.formats import choose_format
from gerund.text.classes import ClassSpace
from gerund.video.identity import content_id
from gerund.wanted import NoModel, Wanted, choose_card, needs_no_model
from gerund.writing import check_outputs, is_stdout

_UNFAMILIAR_SHOWN = 5
_LONGEST_PATH = 4096


@dataclass(frozen=True)
class Outputs:
    """What a command is asked to write: names of files, or ``-`` for standard output.

    Attributes:
        json: JSON Lines; a file is a `Record`, which the same command goes on from.
        csv: a table.
        vtt: subtitles, a file or a folder.
        html: a page.
        embed: which videos the page holds.
        overwrite: begin the record anew.
        to: files in the format of their ending, or ``NAME=FILE``; see `choose_format`.
    """

    json: str | None = None
    csv: str | None = None
    vtt: str | None = None
    html: str | None = None
    embed: Embed = "auto"
    overwrite: bool = False
    to: Sequence[str] = ()

    def formats(self, kind: AnswerKind) -> list[tuple[OutputFormat, str]]:
        """Every output but the record, with its format.

        Raises:
            UsageError: one of `to` has no format, or one that cannot show such answers.
        """
        named = [(CSV, self.csv), (VTT, self.vtt), (PAGE, self.html)]
        return [(of, target) for of, target in named if target] + [choose_format(given, kind) for given in self.to]

    def check(self, kind: AnswerKind, inputs: Iterable[Path]) -> None:
        """Refuses outputs that cannot be written or would destroy something.

        Raises:
            UsageError: which one, and why.
        """
        wanted = self.formats(kind)
        if self.embed != "auto" and PAGE not in [of for of, _ in wanted]:
            raise UsageError(f"--embed {self.embed} says what a page holds; name the page too, with --html FILE")
        if self.overwrite and self.record is None:
            raise UsageError("--overwrite begins the record of answers anew; name that file too, with --json FILE")
        files = [Path(self.json)] if self.json else []
        files += [Path(target) for of, target in wanted if not of.takes_folder]
        folders = [Path(target) for of, target in wanted if of.takes_folder]
        check_outputs([*files, *folders], inputs, folders=True)
        check_outputs(files)

    @property
    def record(self) -> Path | None:
        """The file of JSON Lines, where it is one that can be gone on from."""
        if self.json is None or is_stdout(self.json):
            return None
        path = Path(self.json)
        return path if path.is_file() or not path.exists() else None

    @property
    def to_stdout(self) -> bool:
        """True when one of them is standard output, which then shows nothing else."""
        return any(map(is_stdout, (self.json, self.csv, self.vtt, self.html))) or any(
            is_stdout(given.rpartition("=")[2]) for given in self.to
        )


class Inquiry:
    """A question about the videos of a batch.

    Args:
        run: the batch.
        outputs: where its answers go.
        kind: what answers are lists of.

    Attributes:
        classes: the actions, once `load` has read them.
        model: what sees the videos, once it is loaded.
        method: what answers, once the model is loaded.
    """

    classes: ClassSpace
    model: Model
    method: Answerer

    def __init__(self, run: Batch, outputs: Outputs, kind: AnswerKind) -> None:
        self._run = run
        self._outputs = outputs
        self._kind: AnswerKind = kind
        self._record: Record | None = None
        self._sinks: list[Sink] = []
        self._settings = ""
        self._unread: list[str] = []
        self._contents: dict[Path, str | None] = {}

    def load(self, model: str, actions: str, wanted: Wanted, *, texts: str = "", **settings: Any) -> None:
        """Checks all that can be wrong with a command, cheapest first, and loads the model; nothing is written yet.

        Args:
            model: the name of a model.
            actions: as they were typed.
            wanted: the method.
            texts: what stands for each action.
            settings: of the model.

        Raises:
            UsageError: the actions, the method, an output or a setting cannot be right.
        """
        from gerund.api import DEFAULT_MODEL, load

        self.classes = ClassSpace.parse(actions)
        card = choose_card(wanted.method, wanted.trained)
        parts: dict[str, Any] = dict(wanted.tables())
        if texts and takes(card, "descriptions"):
            parts["descriptions"] = descriptions_for(card, texts)
        elif texts:
            from gerund.text.descriptions import choose_texts

            self.classes = choose_texts(self.classes, texts)
        files = (Path(spec) for spec in (actions, texts) if spec and len(spec) < _LONGEST_PATH)
        self._outputs.check(self._kind, [*self._run.videos, *wanted.files, *files])
        for of, target in self._outputs.formats(self._kind):
            if of.check:
                of.check(self._order(target, model))
        if self._outputs.record:
            self._record = Record(self._outputs.record, overwrite=self._outputs.overwrite, is_answer=is_answer)
            self._run.stack.callback(self._record.release)
        settings["progress"] = self._run.watcher.download
        if model == DEFAULT_MODEL and needs_no_model(card):
            self.model = Model(NoModel(), device=settings.get("device", "auto"))
        else:
            self.model = load(card.encoder if card.encoder and model == DEFAULT_MODEL else model, **settings)
        if wanted.text_model:
            parts["texts"] = load(wanted.text_model, **settings).encoder
        made = self.model.method(
            wanted.method,
            trained=wanted.trained,
            objects=wanted.objects,
            objects_vocabulary=wanted.vocabulary,
            **{**wanted.settings, **parts},
        )
        self.method = made.answering("recognition" if self._kind == "actions" else "localization")
        self._unread = self.model.require_readable(self.classes, method=self.method)
        warnings.simplefilter("ignore", UnreadableWarning)  # said as a note, once
        if not self._run.quiet:
            self._note_the_model()

    def answer(
        self, ask: Callable[[list[Path]], Iterator[tuple[Any, Any]]], *, top: int, approximate: bool, **settings: Any
    ) -> None:
        """Asks about the videos that have no answer yet, and hands all answers to the outputs, in order.

        Args:
            ask: from files to pairs of file and answer, or error, in their order.
            top: how many segments the terminal shows.
            approximate: whether other frames were looked at than those asked for.
            settings: what else the answers depend on, besides the model and the actions.

        Raises:
            UsageError: a setting does not fit the model; nothing was written.
            OutputError: no more can be written.
        """
        encoder = self.model.encoder
        self._settings = settings_id(
            kind=self._kind,
            model=self.model.name,
            encoder=encoder.fingerprint,
            actions=self.classes.names,
            texts=self.method.texts_of(self.classes, encoder),
            approximate=approximate,
            **self.method.identity,
            **settings,
        )
        known = {path for path in self._run.videos if self._find(path)}
        if known and not self._run.quiet:
            going_on = "nothing is left to ask" if len(known) == len(self._run.videos) else "going on"
            self._run.say(f"{len(known)} of {len(self._run.videos)} answered before; {going_on}")
        with closing(closable(ask([path for path in self._run.videos if path not in known]))) as outcomes:
            first = next(outcomes, None)
            if approximate and first and isinstance(first[1], UsageError):  # it does not fit, whatever the video
                raise first[1]
            self._open(top)
            asked = chain([first] if first else [], outcomes)

            def each(videos: list[Path]) -> Iterator[Outcome]:
                for path in videos:
                    yield path, self._find(path) if path in known else self._line(path, next(asked)[1])

            self._run.each_video(each, self._take, self._fail)

    def _find(self, path: Path) -> Line | None:
        content = self._content(path) if self._record else None
        return self._record.find(str(path), content, self._settings) if self._record and content else None

    def _content(self, path: Path) -> str | None:
        """The name of a video's content; None where it cannot be read, which the reader will say."""
        if path not in self._contents:
            try:
                self._contents[path] = content_id(path)
            except VideoError:
                self._contents[path] = None
        return self._contents[path]

    def _open(self, top: int) -> None:
        """Opens the outputs: from here on there is something to write."""
        to, sinks = self._outputs, self._sinks
        if self._record:
            self._record.begin()
        elif to.json:
            sinks.append(Lines(to.json))
        for of, target in to.formats(self._kind):
            sinks.append(of.make(self._order(target, self.method.seen_by(self.model.name))))
        if not (self._run.quiet or to.to_stdout):
            sinks.append(Screen(self._run.watcher, many=len(self._run.videos) > 1, top=top))
        self._run.at_end(self._close_record)
        for sink in sinks:
            self._run.at_end(self._closing(sink))

    def _order(self, target: str, model: str) -> Order:
        method = getattr(self, "method", None)
        name = method.name if method else ""
        return Order(target, self._kind, self._run.videos, model, name, self._note, self._outputs.embed)

    def _closing(self, sink: Sink) -> Callable[[bool], Iterable[str]]:
        return lambda stopped: sink.close(spare_earlier=stopped and self._record is None)

    def _close_record(self, stopped: bool) -> Iterable[str]:
        if self._record:
            failed = [path for path, _ in self._run.failed]
            self._record.close([*failed, *map(str, self._run.videos)])
        return ()

    def _line(self, path: Path, answer: Classification | Location | Exception) -> Line | Exception:
        """An answer as a line, or what is wrong with it."""
        if isinstance(answer, Exception):
            return answer
        try:
            line = self._head(str(path)) | answer.to_dict() | {"note": self._note_of(answer)}
            encode(line)
        except ValueError:
            return GerundError("its answer has numbers that are not finite")
        except Exception as error:
            return GerundError(f"its answer cannot be written down: {reason_of(error)}")
        return line

    def _note_of(self, answer: Classification | Location) -> str | None:
        """What to know about an answer; that the model cannot read what it names first, before all."""
        ranked = answer.actions if isinstance(answer, Classification) else answer.segments
        if not len(ranked) or (first := ranked[0].action) not in self._unread:
            return answer.note
        said = f"{self.model.name} cannot read {first!r}; that it comes first means nothing"
        return "; ".join(filter(None, [said, answer.note]))

    def _head(self, video: str) -> Line:
        content = self._content(Path(video)) if self._outputs.json else None
        return {"schema": SCHEMA, "settings": self._settings, "content": content, "video": video}

    def _fail(self, video: str, reason: str) -> None:
        who = {"model": self.method.seen_by(self.model.name), "method": self.method.name}
        empty: Line = {"duration_s": None, **who, self._kind: [], "error": reason, "note": None}
        self._take(Path(video), self._head(video) | empty)

    def _take(self, path: Path, line: Line) -> None:
        """Puts a line on record and hands it to every output, whatever the others make of it."""
        if self._record and not self._record.has(line):
            self._record.append(line)
        problems = []
        for sink in self._sinks:
            try:
                sink.take(line)
            except (OutputError, BrokenPipeError):
                raise
            except Exception as error:
                problems.append(reason_of(error))
        if problems and line["error"] is None:
            raise GerundError("; ".join(problems))

    def _note(self, video: str, reason: str) -> None:
        self._run.failed.append((video, reason))

    def _note_the_model(self) -> None:
        """Says what a person should know before reading the answers."""
        say, classes = self._run.say, self.classes
        says_shares = bool(self.method.logit_scale) or not hasattr(self.method.method, "score")
        if not says_shares or (isinstance(self.method.method, Sliding) and not self.method.logit_scale):
            say(f"note: {self.method.name} says how its scores rank and not how probable they are")
        elif len(classes) == 1:
            share = "probability" if self._kind == "actions" else "confidence"
            say(f"note: with one action its {share} is 100 % whatever is shown; name others to choose from")
        if classes.as_given:
            bare = sum(texts == (name,) for name, texts in zip(classes.names, classes.texts, strict=True))
            if 0 < bare < len(classes):
                say(f"note: {bare} of {len(classes)} actions have no text but their name")
        if self._unread:
            named = ", ".join(self._unread[:_UNFAMILIAR_SHOWN])
            say(f"note: {self.model.name} cannot read {len(self._unread)} of the names (script not known): {named}")
        strange = self.model.unfamiliar(classes, method=self.method)
        if strange:
            names = ", ".join(strange[:_UNFAMILIAR_SHOWN])
            more = f" and {len(strange) - _UNFAMILIAR_SHOWN} more" if len(strange) > _UNFAMILIAR_SHOWN else ""
            say(f"note: unlike anything {self.model.name} was trained on, so a guess at best: {names}{more}")
        for remark in self.model.remarks():
            say(f"note: {remark}")
