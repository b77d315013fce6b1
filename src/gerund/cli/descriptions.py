"""Texts about actions: show, lint, convert, stats."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.cli.making import make
from gerund.errors import UsageError
from gerund.printing import echo
from gerund.writing import check_outputs, is_stdout

if TYPE_CHECKING:
    from collections.abc import Callable

    from gerund.text.descriptions import Descriptions

app = typer.Typer()
descriptions_app = typer.Typer(no_args_is_help=True, help="Texts about actions: read, check, convert, make.")
app.add_typer(descriptions_app, name="descriptions")
descriptions_app.command()(make)

File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="Of gerund, ER, TEAR, OST, STDD or GAP; without one gerund's own."),
]
Classes = Annotated[
    str, typer.Option(metavar="SPEC", help="The class list, for files that number their classes (OST), as --actions.")
]


@descriptions_app.command()
def show(
    actions: Annotated[str, typer.Argument(metavar="SPEC", help="Actions, as 'gerund classify --actions' takes them.")],
    file: Annotated[Path | None, typer.Option("--in", metavar="FILE", help="Instead of gerund's own texts.")] = None,
    classes: Classes = "",
) -> None:
    """Show what is written about some actions. The exit status is 1 when there is nothing about one of them."""
    from gerund.text.classes import ClassSpace

    with errors_to_exit():
        texts = _read(file, classes)
        missing = 0
        for name in ClassSpace.parse(actions).names:
            known = texts.find(name)
            echo(known or f"{name}: nothing is written about it")
            missing += known is None
            for text in texts[known] if known else ():
                other = f" ({text.other})" if text.other else ""
                echo(f"  {text.kind}{other}: {text.text}")
        if missing:
            raise typer.Exit(1)


@descriptions_app.command()
def stats(file: File = None, classes: Classes = "") -> None:
    """Count texts and words of each kind."""
    with errors_to_exit():
        texts = _read(file, classes)
        echo(f"{len(texts)} actions")
        for kind, (count, actions, words) in _counts(texts).items():
            middle = sorted(words)[len(words) // 2]
            echo(f"  {kind}: {count} texts of {actions} actions; words: {min(words)} to {max(words)}, median {middle}")
        sources = Counter(text.source.name or "no source" for of in texts.values() for text in of)
        echo("sources: " + ", ".join(f"{name} ({count})" for name, count in sources.most_common()))


@descriptions_app.command()
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Of ER, TEAR, OST, STDD or GAP.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="JSON Lines, one action a line; - for standard output.")
    ],
    classes: Classes = "",
) -> None:
    """Write a file of others in gerund's format, every text with its kind and source."""
    with errors_to_exit():
        check_outputs([out], [file])
        texts = _read(file, classes)
        texts.write(out)
        words = f"{len(texts)} actions, {sum(len(of) for of in texts.values())} texts"
        echo(f"{out}: {words}", err=is_stdout(out))


@descriptions_app.command()
def define(
    actions: Annotated[str, typer.Argument(metavar="SPEC", help="Actions, as 'gerund classify --actions' takes them.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="JSON Lines, one action a line; - for standard output.")
    ],
) -> None:
    """Define actions by the verbs and nouns of their names, from WordNet, as Elaborative Rehearsal does at last resort.

    Each name gets the first sense of each of its words, joined; lint tells which are in the wrong one. The exit status
    is 1 when WordNet knows no word of a name.
    """
    from gerund.text.classes import ClassSpace
    from gerund.text.descriptions import Descriptions, Text
    from gerund.text.wordnet import WordNet, elaborate_name

    with errors_to_exit():
        check_outputs([out])
        wordnet = WordNet.find()
        found, unknown = {}, []
        for name in ClassSpace.parse(actions).names:
            senses = elaborate_name(name, wordnet)
            if not senses:
                unknown.append(name)
                continue
            source = replace(senses[0].source, name=" ".join(text.source.name for text in senses))
            found[name] = [Text("definition", "; ".join(text.text for text in senses), source)]
        Descriptions(found).write(out)
        echo(f"{out}: {len(found)} actions defined", err=is_stdout(out))
        if unknown:
            echo(f"WordNet knows no word of {', '.join(unknown)}", err=True)
            raise typer.Exit(1)


@descriptions_app.command()
def lint(
    file: File = None,
    classes: Classes = "",
    tokenizer: Annotated[
        str,
        typer.Option(
            metavar="clip|PATH", help="Count tokens with CLIP's vocabulary or a tokenizer file, else not at all."
        ),
    ] = "",
    tokens: Annotated[int, typer.Option(min=1, help="How many tokens the encoder reads.")] = 77,
    template: Annotated[
        str,
        typer.Option(metavar="TEXT", help="What is counted, with {name} and {text}; by default TEAR's first template."),
    ] = "",
    only: Annotated[str, typer.Option(metavar="RULES", help="Only these rules, separated by commas.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the line that sums up.")] = False,
) -> None:
    """Look for faults: duplicates, texts in the wrong sense, leaked names, a language model's small talk, lost ends.

    The last line sums up. The exit status is 1 when something was found.
    """
    from gerund.text.descriptions import built_in
    from gerund.text.descriptions.lint import RULES, TEMPLATE, summary
    from gerund.text.descriptions.lint import lint as find_faults

    with errors_to_exit():
        texts = _read(file, classes)
        wanted = [rule.strip() for rule in only.split(",") if rule.strip()]
        if strange := [rule for rule in wanted if rule not in RULES]:
            raise UsageError(f"--only {strange[0]}: no such rule; there are {', '.join(RULES)}")
        if template:
            _check_template(template)
        found = find_faults(
            texts,
            known=built_in(),
            count_tokens=_counter(tokenizer) if tokenizer else None,
            most_tokens=tokens,
            template=template or TEMPLATE,
        )
        found = [finding for finding in found if not wanted or finding.rule in wanted]
        for finding in [] if quiet else found:
            detail = f" ({finding.detail})" if finding.detail else ""
            echo(f"{finding.name}: {finding.kind}: {finding.rule}{detail}: {_short(finding.text)}")
        echo(summary(texts, found))
        if found:
            raise typer.Exit(1)


def _check_template(template: str) -> None:
    try:
        filled = template.format(name="\0", text="\1")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise UsageError(f"--template {template!r}: its slots are {{name}} and {{text}} ({error})") from error
    if "\1" not in filled:
        raise UsageError(f"--template {template!r} has no slot {{text}}, so nothing would be counted")


def _read(file: Path | None, classes: str) -> Descriptions:
    from gerund.text.classes import ClassSpace
    from gerund.text.descriptions import built_in
    from gerund.text.descriptions.readers import read_descriptions

    if file is None:
        return built_in()
    return read_descriptions(file, classes=ClassSpace.parse(classes).names if classes else ())


def _counts(texts: Descriptions) -> dict[str, tuple[int, int, list[int]]]:
    from gerund.text.descriptions import KINDS

    found = {}
    for kind in KINDS:
        words = [[len(text.text.split()) for text in of if text.kind == kind] for of in texts.values()]
        flat = [count for counts in words for count in counts]
        if flat:
            found[kind] = (len(flat), sum(bool(counts) for counts in words), flat)
    return found


def _counter(tokenizer: str) -> Callable[[str], int]:
    from gerund import assets
    from gerund.encoders.tokenizer import count_tokens

    if tokenizer != "clip" and not Path(tokenizer).exists():
        raise UsageError(f"--tokenizer {tokenizer}: no such file or folder; give a tokenizer's, or clip")
    path = assets.fetch(assets.find_asset("clip-vocabulary")) if tokenizer == "clip" else Path(tokenizer)
    return count_tokens(path)


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip()}..."
