"""Texts about actions from a language model: make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.cli.options import Quiet
from gerund.errors import UsageError
from gerund.printing import echo
from gerund.writing import is_stdout

if TYPE_CHECKING:
    from gerund.text.descriptions import Descriptions
    from gerund.text.generation import ChatClient, Made, Recipe

_SHOWN_ACTIONS = 2


def make(
    actions: Annotated[str, typer.Argument(metavar="SPEC", help="Actions, as 'gerund classify --actions' takes them.")],
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="What to ask for: tear, definition, situation, askg or full.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME", help="The model's name on its server.")],
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="Of the server: Ollama, vLLM, llama.cpp, or a hosted one.")
    ] = "http://localhost:11434/v1",
    key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Environment variable with the key; by default OPENAI_API_KEY, if it is set."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON Lines; a file that is there is added to. Without it, or with -, standard output."
        ),
    ] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Where replies are kept.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Questions under way at once.")] = 4,
    rate: Annotated[float, typer.Option(min=0, help="Requests a minute; 0 for no limit.")] = 60,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 takes the likeliest words.")] = 0.0,
    own_temperature: Annotated[
        bool, typer.Option("--own-temperature", help="Send no temperature; some models want their own.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="For servers that take one.")] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="The longest reply; models that think aloud need more.")
    ] = 2048,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one request may take.")] = 300.0,
    retries: Annotated[int, typer.Option(min=0, help="How often an unusable reply is sent back.")] = 2,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first prompts and what the run would cost; ask nothing.")
    ] = False,
    price_in: Annotated[float, typer.Option(min=0, help="For --dry-run: of a million input tokens.")] = 0.0,
    price_out: Annotated[float, typer.Option(min=0, help="For --dry-run: of a million output tokens.")] = 0.0,
    quiet: Quiet = False,
) -> None:
    """Have a language model write texts about actions, each in a call of its own, and check them.

    Every reply is kept, so the same command goes on after an interruption and costs nothing when it is repeated. The
    exit status is 1 when some actions failed; they are listed. In a file that is there, texts of the same action and
    kind are replaced when they came from a language model; texts from elsewhere are never touched.

    Example: gerund descriptions make ucf101 --recipe tear --model llama3.1 --out tear.jsonl
    """
    import numpy as np

    from gerund.assets import cache_dir
    from gerund.text.classes import ClassSpace
    from gerund.text.generation import ChatClient, find_recipe
    from gerund.text.generation.endpoint import key_for

    with errors_to_exit():
        names = ClassSpace.parse(actions).names
        chosen = find_recipe(recipe)
        out = None if is_stdout(out) else out
        before = _before(out, names, chosen) if out else None
        key, remark = ("", "") if dry_run else key_for(base_url, key_env, os.environ)
        client = ChatClient(
            base_url,
            model,
            rng=np.random.default_rng(),
            key=key,
            temperature=None if own_temperature else temperature,
            max_tokens=max_tokens,
            seed=seed,
            timeout_s=timeout,
            per_minute=rate,
        )
        folder = cache or cache_dir() / "replies"
        if dry_run:
            _show_plan(names, chosen, client, folder, rate, price_in, price_out)
            return
        if remark:
            echo(f"note: {remark}", err=True)
        made = _ask(names, chosen, client, folder, retries, concurrency, quiet)
        _write(made, out, before, names)
        _tell(made, client, retries, quiet)
        if made.failed:
            raise typer.Exit(1)


def _ask(
    names: Sequence[str],
    recipe: Recipe,
    client: ChatClient,
    folder: Path,
    retries: int,
    concurrency: int,
    quiet: bool,
) -> Made:
    from gerund.terminal import Watcher
    from gerund.text.generation import make_descriptions

    with Watcher(quiet=quiet) as watcher:
        try:
            return make_descriptions(
                names, recipe, client, folder, retries=retries, concurrency=concurrency, progress=watcher.actions
            )
        except KeyboardInterrupt:
            line = f"stopped; the replies so far are kept in {folder}, and the same command goes on from there"
            watcher.console.print(line, markup=False, soft_wrap=True)
            raise typer.Exit(130) from None


def _before(out: Path, names: Sequence[str], recipe: Recipe) -> Descriptions:
    """What the file holds already.

    Raises:
        UsageError: it cannot be written, or has texts of others that would be replaced.
    """
    from gerund.text.descriptions import Descriptions
    from gerund.text.generation.making import SOURCE

    if (
        out.is_dir()
        or not out.absolute().parent.is_dir()
        or not os.access(out if out.exists() else out.parent, os.W_OK)
    ):
        raise UsageError(f"cannot write {out}: it is a folder, its folder does not exist, or there is no permission")
    if not out.exists():
        return Descriptions({})
    found = Descriptions.read(out)
    for name in names:
        for text in found.get(name, ()):
            if text.kind in recipe.kinds and text.source.name != SOURCE:
                whose = f"from {text.source.name!r}" if text.source.name else "of no named source"
                raise UsageError(
                    f"{out} has a text {whose} in the place of a new one ({name}: {text.kind}); give the new texts "
                    "another file"
                )
    return found


def _write(made: Made, out: Path | None, before: Descriptions | None, names: Sequence[str]) -> None:

    from gerund.text.descriptions import Descriptions

    if not len(made.descriptions):
        return
    if out is None or before is None:
        echo(made.descriptions.to_text(), nl=False)
        return
    both = before.merged(made.descriptions)
    if all(name in names for name in both):  # added to in several runs, it still has the order of the list
        both = Descriptions({name: both[name] for name in names if name in both})
    both.write(out)
    echo(f"{out}: {len(both)} actions, {sum(len(texts) for texts in both.values())} texts")
    if replaced := sum(text not in both.get(name, ()) for name, texts in before.items() for text in texts):
        echo(f"note: {replaced} texts that were in {out} gave way to new ones", err=True)


def _tell(made: Made, client: ChatClient, retries: int, quiet: bool) -> None:
    """What a person should know, on standard error: remarks and the lint's summary, then failures by their reason."""
    from gerund.text.descriptions.lint import summary

    lines = [f"note: {remark}" for remark in client.remarks()]
    tokens = f" ({made.input_tokens:,} tokens in, {made.output_tokens:,} out)" if made.output_tokens else ""
    lines.append(f"{made.asked} replies from {client.model}{tokens}, {made.kept} kept from before")
    if len(made.descriptions):
        lines.append(f"lint: {summary(made.descriptions, made.findings)}")
    for line in [] if quiet else lines:
        echo(line, err=True)
    if not made.failed:
        return
    failed: dict[str, list[str]] = {}
    for failure in made.failed:
        failed.setdefault(failure.reason, []).append(failure.name)
    echo(f"{len(made.failed)} of {len(made.failed) + len(made.descriptions)} actions failed:", err=True)
    for reason, names in failed.items():
        echo(f"  {', '.join(names)}: {reason}", err=True)
    again = "the same command asks about them again"
    if any(failure.unusable for failure in made.failed):
        again += f"; where replies could not be used, only with --retries above {retries}, for they are kept too"
    echo(again, err=True)


def _show_plan(
    names: Sequence[str],
    recipe: Recipe,
    client: ChatClient,
    folder: Path,
    rate: float,
    price_in: float,
    price_out: float,
) -> None:
    from gerund.text.generation.planning import estimate, plan

    for name in names[:_SHOWN_ACTIONS]:
        for place, (stage, question, kept) in enumerate(plan(name, tuple(names), recipe, client, folder), 1):
            here = ", the reply is kept" if kept else ""
            echo(f"=== {name}: call {place} of {len(recipe.stages)}{here}")
            for message in stage.prompt(question):
                echo(f"--- {message['role']}\n{message['content']}")
    found = estimate(names, recipe, client, folder)
    echo(f"=== {len(names)} actions, recipe {recipe.name} version {recipe.version}, model {client.model}")
    echo(f"{found.calls} calls to {client.base_url}; {found.kept} replies are in {folder}")
    echo(
        f"about {found.input_tokens:,} tokens in and {found.output_tokens:,} out, at four characters a token, without "
        "replies that must be sent back"
    )
    if price_in or price_out:
        price = found.price(price_in, price_out)
        echo(f"about {price:.4f} in the currency of {price_in:g} and {price_out:g} a million tokens")
    if rate and found.calls:
        echo(f"at {rate:g} requests a minute at least {found.calls / rate:.1f} minutes")
