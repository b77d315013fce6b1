"""What a run would ask and cost, before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gerund.text.descriptions import Text
from gerund.text.generation.client import ChatClient
from gerund.text.generation.parsing import ReplyError
from gerund.text.generation.recipes import Recipe
from gerund.text.generation.replies import Kept, Replies
from gerund.text.generation.stages import Question, Stage

_CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True)
class Estimate:
    """What a run would ask for, before any reply is known.

    Attributes:
        calls: requests, when every first reply is usable.
        kept: replies that are on disk already.
        input_tokens: characters of the prompts divided by four.
        output_tokens: characters of the prompts' own examples divided by four, for each call.
    """

    calls: int
    kept: int
    input_tokens: int
    output_tokens: int

    def price(self, price_in: float, price_out: float) -> float:
        """Money, from the prices of a million tokens.

        Example:
            >>> Estimate(10, 0, 1_000_000, 500_000).price(0.2, 0.8)
            0.6
        """
        return (self.input_tokens * price_in + self.output_tokens * price_out) / 1e6


def estimate(names: Sequence[str], recipe: Recipe, client: ChatClient, folder: Path) -> Estimate:
    """Calls and tokens that `make_descriptions` would need now; nothing is asked and nothing written."""
    calls = kept = characters_in = characters_out = 0
    for name in names:
        for stage, question, found in plan(name, tuple(names), recipe, client, folder):
            if found:
                kept += 1
            else:
                calls += 1
                characters_in += sum(len(message["content"]) for message in stage.prompt(question))
                characters_out += len(stage.example_text)
    return Estimate(calls, kept, characters_in // _CHARACTERS_A_TOKEN, characters_out // _CHARACTERS_A_TOKEN)


def plan(
    name: str, names: tuple[str, ...], recipe: Recipe, client: ChatClient, folder: Path
) -> Iterator[tuple[Stage, Question, Kept | None]]:
    """For each stage what would be asked about an action, and the reply where it is kept.

    Where an earlier stage has no usable reply yet, the texts of the prompt's own example stand for it.
    """
    replies = Replies(folder, make=False)
    texts: list[Text] = []
    known = True
    for stage in recipe.stages:
        question = Question(name, names, tuple(texts))
        kept = replies.find(client.identity(stage.prompt(question), stage.schema)) if known else None
        yield stage, question, kept
        try:
            texts += stage.parse(kept.reply.text, question) if kept else stage.worked()
        except ReplyError:
            texts += stage.worked()
        known = kept is not None
