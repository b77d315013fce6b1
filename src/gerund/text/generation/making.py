"""Texts about many actions from a language model: each asked on its own, checked, kept, and none lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from gerund.errors import GerundError, UsageError
from gerund.text.descriptions import Descriptions, Source, Text, built_in
from gerund.text.descriptions.lint import Finding, lint
from gerund.text.generation.client import ChatClient, Message, ModelError, StoppedError
from gerund.text.generation.parsing import ReplyError
from gerund.text.generation.recipes import Recipe
from gerund.text.generation.replies import Kept, Replies
from gerund.text.generation.stages import Question, Stage

SOURCE = "language model"
"""Name of the source of every text made here."""

_LOOK_S = 0.5


@dataclass(frozen=True)
class Failure:
    """An action without texts.

    Attributes:
        name: the action.
        reason: why.
        unusable: the model replied, but not as asked; the replies are kept, so only more `retries` ask again.
    """

    name: str
    reason: str
    unusable: bool = False


@dataclass(frozen=True)
class Made:
    """What came of a run.

    Attributes:
        descriptions: the actions that worked, in the order they were given in.
        failed: the others, in the same order; with `descriptions` they are all actions, each once.
        findings: what `lint` finds in the texts.
        asked: replies that the model gave in this run.
        kept: replies that were on disk already.
        input_tokens: of this run's replies, as far as the server counts.
        output_tokens: as well.
    """

    descriptions: Descriptions
    failed: tuple[Failure, ...]
    findings: tuple[Finding, ...]
    asked: int
    kept: int
    input_tokens: int
    output_tokens: int


@dataclass
class _Tally:
    """What one action came to; neither `texts` nor `error` is set when it was stopped before."""

    place: int
    texts: list[Text] | None = None
    error: GerundError | None = None
    asked: int = 0
    kept: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def make_descriptions(
    names: Sequence[str],
    recipe: Recipe,
    client: ChatClient,
    folder: Path,
    *,
    retries: int = 2,
    concurrency: int = 4,
    give_up_after: int = 5,
    grace_s: float = 5.0,
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Texts for each action, as a recipe asks for them.

    A reply that cannot be used is sent back with what is wrong with it. Every reply, usable or not, is kept in `folder`
    before anything else is done with it, so the same call after an interruption asks only what was not answered, and
    once everything is answered it asks nothing.

    Args:
        names: the actions.
        recipe: what is asked.
        client: the model.
        folder: for the replies; it may be shared by all models and recipes.
        retries: how often an unusable reply is sent back.
        concurrency: questions under way at once.
        give_up_after: so many actions in a row without any reply end the run; what is left counts as failed.
        grace_s: how long Ctrl-C waits for replies that are under way, so that they are kept.
        progress: called with the actions done, and all of them.

    Raises:
        UsageError: two names are one action, or a setting cannot be right.
        ModelError: there is not one text, because the server, the key or the model is not there.
    """
    if retries < 0 or concurrency < 1 or give_up_after < 1:
        raise UsageError(
            "expected retries of at least 0, and concurrency and give_up_after of at least 1, "
            f"got {retries}, {concurrency} and {give_up_after}"
        )
    Descriptions(dict.fromkeys(names, ()))  # says no to doubles before anything is paid for
    if len(set(names)) != len(names):
        raise UsageError("an action is listed twice")
    run = _Run(tuple(names), recipe, client, Replies(folder), retries, give_up_after)
    tallies: dict[int, _Tally] = {}
    if progress:
        progress(0, len(names))
    with closing(run.tallies(concurrency, grace_s)) as coming:
        for tally in coming:
            tallies[tally.place] = tally
            if progress and not run.stop.is_set():
                progress(len(tallies), len(names))
    if run.last_error and not any(tally.texts for tally in tallies.values()):
        raise ModelError(str(run.last_error), hopeless=True)
    return _made(tuple(names), tallies, run.last_error)


def _made(names: Sequence[str], tallies: dict[int, _Tally], last_error: ModelError | None) -> Made:
    texts: dict[str, list[Text]] = {}
    failed = []
    for place, name in enumerate(names):
        tally = tallies.get(place)
        if tally and tally.texts is not None:
            texts[name] = tally.texts
        else:
            error = tally.error if tally else None
            reason = str(error or f"not asked any more, after another action failed: {last_error}")
            failed.append(Failure(name, reason, unusable=isinstance(error, ReplyError)))
    descriptions = Descriptions(texts)
    done = tallies.values()
    return Made(
        descriptions,
        tuple(failed),
        tuple(lint(descriptions, known=built_in())),
        sum(tally.asked for tally in done),
        sum(tally.kept for tally in done),
        sum(tally.input_tokens for tally in done),
        sum(tally.output_tokens for tally in done),
    )


class _Run:
    """One recipe for one list of actions; threads take the actions in turn."""

    def __init__(
        self,
        names: tuple[str, ...],
        recipe: Recipe,
        client: ChatClient,
        replies: Replies,
        retries: int,
        give_up_after: int,
    ) -> None:
        self.stop = Event()
        self.last_error: ModelError | None = None
        self._give_up_after, self._in_a_row, self._lock = give_up_after, 0, Lock()
        self._names, self._recipe, self._client, self._replies, self._retries = names, recipe, client, replies, retries
        self._prompts = [stage.sha256 for stage in recipe.stages]

    def tallies(self, concurrency: int, grace_s: float) -> Generator[_Tally]:
        """Each action as it is done; fewer than all when `stop` is set."""
        places: SimpleQueue[int] = SimpleQueue()
        for place in range(len(self._names)):
            places.put(place)
        done: SimpleQueue[_Tally | BaseException | None] = SimpleQueue()
        count = min(concurrency, len(self._names))
        # not a pool: a pool's threads hold up the end of the process until the last server has answered
        threads = [Thread(target=self._work, args=(places, done), daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        alive = len(threads)
        try:
            while alive:
                try:
                    item = done.get(timeout=_LOOK_S)  # with a timeout, Ctrl-C is heard on every platform
                except Empty:
                    continue
                if item is None:
                    alive -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield item
        finally:
            self.stop.set()
            end_s = time.monotonic() + grace_s
            for thread in threads:
                thread.join(max(0.0, end_s - time.monotonic()))

    def _work(self, places: SimpleQueue[int], done: SimpleQueue[_Tally | BaseException | None]) -> None:
        try:
            while not self.stop.is_set():
                tally = _Tally(places.get_nowait())
                try:
                    with suppress(StoppedError):
                        self._describe(tally)
                except (ModelError, ReplyError) as error:
                    tally.error = error
                self._judge(tally)  # here and not where tallies are read, or this thread would ask once more
                done.put(tally)
        except Empty:
            pass
        except BaseException as error:
            done.put(error)
        finally:
            done.put(None)

    def _judge(self, tally: _Tally) -> None:
        """Ends the run when nothing more can be hoped for."""
        with self._lock:
            if isinstance(tally.error, ModelError):
                self._in_a_row = 1 if tally.asked else self._in_a_row + 1
                if tally.error.hopeless or self._in_a_row >= self._give_up_after:
                    self.last_error = self.last_error or tally.error
                    self.stop.set()
            elif tally.asked:
                self._in_a_row = 0

    def _describe(self, tally: _Tally) -> None:
        """Goes through the recipe's stages for one action."""
        texts: list[Text] = []
        for stage, prompt in zip(self._recipe.stages, self._prompts, strict=True):
            question = Question(self._names[tally.place], self._names, tuple(texts))
            found, date = self._ask(stage, question, tally)
            source = Source(SOURCE, self._client.model, date, prompt)
            texts += [replace(text, source=source) for text in found]
        tally.texts = texts

    def _ask(self, stage: Stage, question: Question, tally: _Tally) -> tuple[list[Text], str]:
        """A stage's texts and the day they were written; an unusable reply is sent back with the complaint."""
        messages = stage.prompt(question)
        complaint = ""
        for _ in range(self._retries + 1):
            kept = self._reply(messages, stage, tally)
            try:
                if kept.reply.cut:
                    raise ReplyError("the reply was cut off at the limit of tokens, so it must be shorter")
                return stage.parse(kept.reply.text, question), kept.date
            except ReplyError as error:
                complaint = str(error)
                messages = [*messages, *_sent_back(kept.reply.text, complaint)]
        count = self._retries + 1
        raise ReplyError(f"{count} {'reply' if count == 1 else 'replies'} could not be used; the last one: {complaint}")

    def _reply(self, messages: Sequence[Message], stage: Stage, tally: _Tally) -> Kept:
        identity = self._client.identity(messages, stage.schema)
        kept = self._replies.find(identity)
        if kept:
            tally.kept += 1
            return kept
        reply = self._client.ask(messages, stage.schema, stop=self.stop)
        kept = self._replies.keep(identity, reply)
        tally.asked += 1
        tally.input_tokens += reply.input_tokens
        tally.output_tokens += reply.output_tokens
        return kept


def _sent_back(reply: str, complaint: str) -> list[Message]:
    asked = f"This cannot be used: {complaint}. Send the whole JSON object again, corrected, and nothing else."
    return [{"role": "assistant", "content": reply or "(nothing)"}, {"role": "user", "content": asked}]
