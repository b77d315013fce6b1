"""Asking a language model, whoever serves it: Ollama, vLLM, llama.cpp, or a hosted model with the same protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

import numpy as np

from gerund.errors import GerundError, UsageError
from gerund.text.generation.endpoint import Answer, Endpoint, UnreachableError

Message = Mapping[str, str]
"""``{"role": "system" | "user" | "assistant", "content": ...}``."""

_PASSING = frozenset((408, 409, 425, 429))
_NOT_UNDERSTOOD = (400, 422)
_HOPELESS = (402, 405)
_SHOWN_CHARACTERS = 300
_MOST_TOKENS = 1 << 40


class ModelError(GerundError):
    """A question that got no reply.

    Attributes:
        passing: the same question may get one later.
        hopeless: no other question will fare better: the address, the key or the model's name is wrong.
        retry_after_s: how long the server asks to be left alone.
    """

    def __init__(
        self, reason: str, *, passing: bool = False, hopeless: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.passing = passing
        self.hopeless = hopeless
        self.retry_after_s = retry_after_s


class StoppedError(GerundError):
    """Somebody else decided that no more is asked."""


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes:
        text: all of it.
        cut: it ran into the limit of tokens.
        input_tokens: as the server counted; 0 where it does not.
        output_tokens: as well.
    """

    text: str
    cut: bool = False
    input_tokens: int = 0
    output_tokens: int = 0


class Pace:
    """Turns for requests: so many a minute, and none while the server asks to be left alone. Threads share it.

    Args:
        per_minute: requests; 0 for as many as there are.
        clock: seconds that only go up.

    Example:
        >>> pace = Pace(30, clock=lambda: 100.0)
        >>> pace.turn(), pace.turn(), pace.held()
        (0.0, 2.0, 0.0)
    """

    def __init__(self, per_minute: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        if not per_minute >= 0:
            raise UsageError(f"requests a minute must not be negative, got {per_minute}")
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._clock = clock
        self._lock = Lock()
        self._free_s = self._held_until_s = float("-inf")

    def turn(self) -> float:
        """Takes the next turn and tells how many seconds it is away."""
        with self._lock:
            now_s = self._clock()
            start_s = max(now_s, self._free_s, self._held_until_s)
            self._free_s = start_s + self._gap_s
            return start_s - now_s

    def hold(self, seconds: float) -> None:
        """No turn before these seconds are over."""
        with self._lock:
            self._held_until_s = max(self._held_until_s, self._clock() + seconds)

    def held(self) -> float:
        """Seconds until `hold` is over."""
        with self._lock:
            return max(0.0, self._held_until_s - self._clock())


class ChatClient:
    """A language model behind ``POST {base_url}/chat/completions``. Threads may share it.

    Args:
        base_url: such as ``http://localhost:11434/v1``.
        model: its name on that server.
        rng: jitter comes from it.
        key: sent as a bearer token; empty for none. It is in no error, no reply and no repr.
        temperature: 0 for the likeliest words; None leaves it to the server, as some models want.
        max_tokens: the longest reply.
        seed: for servers that take one.
        structured: ask for replies by a JSON schema; a server that answers 400 to it is asked without from then on.
        timeout_s: the longest that one request may take.
        tries: how often a question is asked before a failure of the server or the network counts.
        backoff_s: the first wait between tries; each further one is twice as long, and half of each is chance.
        longest_wait_s: of any wait; a server that asks for a longer one ends the matter.
        per_minute: requests; 0 for no limit.
        wait: how to wait; it is given an event that ends the waiting, and seconds.
        clock: seconds that only go up.

    Raises:
        UsageError: a setting cannot be right.

    Source: the request and its reply are OpenAI's chat completions, which the others offer too. A server that wants
    ``max_completion_tokens`` instead of ``max_tokens`` says so in its answer 400, and gets it.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        rng: np.random.Generator,
        key: str = "",
        temperature: float | None = 0.0,
        max_tokens: int = 2048,
        seed: int | None = None,
        structured: bool = True,
        timeout_s: float = 300.0,
        tries: int = 5,
        backoff_s: float = 1.0,
        longest_wait_s: float = 120.0,
        per_minute: float = 0.0,
        wait: Callable[[Event, float], object] = Event.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not model.strip():
            raise UsageError("the model has no name; give one that the server has, such as llama3.1")
        if max_tokens < 1 or tries < 1 or (temperature is not None and not 0 <= temperature <= 2):
            raise UsageError(
                f"expected max_tokens and tries of at least 1 and a temperature in [0, 2], got {max_tokens}, {tries} "
                f"and {temperature}"
            )
        self.model = model
        self._endpoint = Endpoint(base_url, key=key, timeout_s=timeout_s)
        self._settings = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed, "structured": structured}
        self._structured = structured
        self._limit = "max_tokens"
        self._tries, self._backoff_s, self._longest_wait_s = tries, backoff_s, longest_wait_s
        self._pace = Pace(per_minute, clock=clock)
        self._wait = wait
        self._rng, self._rng_lock = rng, Lock()
        self._answered = False

    def __repr__(self) -> str:
        return f"ChatClient({self._endpoint.base_url!r}, {self.model!r})"

    @property
    def base_url(self) -> str:
        """Of the server, without a slash at its end."""
        return self._endpoint.base_url

    def identity(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> dict[str, Any]:
        """All that decides a reply, as JSON: what is asked, of whom, and how."""
        asked = {"base_url": self.base_url, "model": self.model, "messages": [dict(message) for message in messages]}
        return {**asked, "settings": self._settings, "schema": dict(schema)}

    def remarks(self) -> list[str]:
        """What a user should know after some questions."""
        fell_back = self._settings["structured"] and not self._structured
        return ["the server takes no JSON schema; replies are checked all the same"] if fell_back else []

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any], *, stop: Event | None = None) -> Reply:
        """The model's reply to a conversation.

        Args:
            messages: from the first to the last.
            schema: JSON schema of the reply.
            stop: once it is set, nothing more is sent; what is under way is waited for.

        Raises:
            ModelError: there is none, after all tries.
            StoppedError: `stop` was set first.
        """
        stop = stop or Event()
        for attempt in range(1, self._tries + 1):
            try:
                return self._reply(self._send(messages, schema, stop))
            except ModelError as error:
                if not error.passing or error.hopeless:
                    raise
                if attempt == self._tries:
                    after = f" (after {attempt} tries)" if attempt > 1 else ""
                    raise ModelError(f"{error}{after}", passing=True) from None
                self._rest(attempt, error.retry_after_s, stop)
        raise AssertionError("unreachable: the last try returns or raises")

    def _send(self, messages: Sequence[Message], schema: Mapping[str, Any], stop: Event) -> Answer:
        """Sends a question, in the server's dialect where it has one."""
        structured, limit = self._structured, self._limit
        answer = self._post(messages, schema if structured else None, stop)
        wants_other_limit = limit == "max_tokens" and "max_completion_tokens" in str(answer.content)
        if answer.status in _NOT_UNDERSTOOD and wants_other_limit:
            self._limit = "max_completion_tokens"
            answer = self._post(messages, schema if structured else None, stop)
        if answer.status in _NOT_UNDERSTOOD and structured:
            answer = self._post(messages, None, stop)
            if answer.status == 200:
                self._structured = False
        return answer

    def _post(self, messages: Sequence[Message], schema: Mapping[str, Any] | None, stop: Event) -> Answer:
        payload: dict[str, Any] = {"model": self.model, "messages": [dict(message) for message in messages]}
        payload[self._limit] = self._settings["max_tokens"]
        payload |= {name: self._settings[name] for name in ("temperature", "seed") if self._settings[name] is not None}
        if schema is not None:
            described = {"name": "reply", "strict": True, "schema": dict(schema)}
            payload["response_format"] = {"type": "json_schema", "json_schema": described}
        self._pause(self._pace.turn(), stop)
        while held_s := self._pace.held():
            self._pause(held_s, stop)
        try:
            answer = self._endpoint.post("/chat/completions", payload)
        except UnreachableError as error:
            raise self._no_answer(error) from None
        self._answered = True
        return answer

    def _no_answer(self, error: UnreachableError) -> ModelError:
        if error.nobody and not self._answered:
            return ModelError(
                f"{error}. Is the server running, and is this its address? Ollama listens on "
                "http://localhost:11434/v1, vLLM on http://localhost:8000/v1, llama.cpp on http://localhost:8080/v1",
                hopeless=True,
            )
        return ModelError(str(error), passing=True)

    def _rest(self, attempt: int, retry_after_s: float | None, stop: Event) -> None:
        """Waits before the next try: as long as the server asks for, else twice as long as the time before."""
        if retry_after_s is not None:
            if retry_after_s > self._longest_wait_s:
                raise ModelError(
                    f"{self.base_url} asks to be left alone for {retry_after_s:.0f} s; go on later, or with fewer "
                    "requests a minute",
                    hopeless=True,
                )
            self._pace.hold(retry_after_s)  # for all threads; the next turn comes after it
            return
        with self._rng_lock:
            share = float(self._rng.uniform(0.5, 1.0))
        self._pause(min(self._backoff_s * 2 ** (attempt - 1) * share, self._longest_wait_s), stop)

    def _pause(self, seconds: float, stop: Event) -> None:
        if seconds > 0:
            self._wait(stop, seconds)
        if stop.is_set():
            raise StoppedError("stopped before this was asked")

    def _reply(self, answer: Answer) -> Reply:
        if answer.status != 200 or not isinstance(answer.content, dict) or answer.content.get("error"):
            raise self._refusal(answer)
        try:
            choice = answer.content["choices"][0]
            said = choice["message"].get("content") or choice["message"].get("refusal") or ""
            text = said if isinstance(said, str) else "".join(part.get("text", "") for part in said)
            usage = answer.content.get("usage") or {}
            counts = [_count(usage.get(name) or 0) for name in ("prompt_tokens", "completion_tokens")]
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
            raise ModelError(f"{self.base_url} answered no chat completion: {_short(answer)}", passing=True) from None
        return Reply(text, choice.get("finish_reason") == "length", *counts)

    def _refusal(self, answer: Answer) -> ModelError:
        """What an answer that is no reply means."""
        status, said = answer.status, _short(answer)
        head = f"{self.base_url} answered {status}: {said}"
        if status in (401, 403):
            return ModelError(f"{head}. The key is missing or wrong; --key-env names its variable", hopeless=True)
        if status == 404:
            return ModelError(
                f"{head}. There is no model {self.model!r}, or the base URL is not the server's (most end in /v1); "
                f"{self.base_url}/models lists the models, 'ollama pull {self.model}' fetches one for Ollama",
                hopeless=True,
            )
        if status in _HOPELESS or 300 <= status < 400 or "insufficient_quota" in str(answer.content):
            return ModelError(head, hopeless=True)
        if status == 200:
            return ModelError(f"{self.base_url} answered no chat completion: {said}", passing=True)
        if status in _NOT_UNDERSTOOD and "temperature" in said:
            return ModelError(f"{head}. --own-temperature sends none")
        return ModelError(head, passing=status in _PASSING or status >= 500, retry_after_s=answer.retry_after_s)


def _count(given: Any) -> int:
    """A number of tokens; what no one has counted is no number of them."""
    count = int(given)
    if not 0 <= count <= _MOST_TOKENS:
        raise ValueError(f"{count} tokens")
    return count


def _short(answer: Answer) -> str:
    """What an answer says, on one line."""
    content: Any = answer.content
    for name in ("error", "message"):
        if isinstance(content, dict) and name in content:
            content = content[name]
    text = " ".join(str(content).split()) or "nothing"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
