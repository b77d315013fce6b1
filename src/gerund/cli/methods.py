"""Methods: list, show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.printing import echo, printable

if TYPE_CHECKING:
    from gerund.methods import MethodCard

app = typer.Typer()
methods_app = typer.Typer(invoke_without_command=True)
app.add_typer(methods_app, name="methods")

_LONGEST = 60
_TAKES = {
    "clip": "clip: decoded frames",
    "track": "track: vectors over time",
    "vector": "vector: the mean of a track over time",
}
_PARTS = {
    "encoder": "the model that made the tracks",
    "texts": "vectors of the classes: a model, or --vectors texts=FILE",
    "descriptions": "texts of your own about the classes, if you like (--texts FILE)",
    "rows": "rows of a classifier for seen classes, if you like (--vectors rows=FILE)",
    "words": "a table of word vectors, for some settings",
    "concepts": "an object vocabulary, if not ImageNet-21k's",
}


@methods_app.callback()
def _methods(context: typer.Context) -> None:
    """List the methods that classify, locate, evaluate and train know by name."""
    if context.invoked_subcommand is None:
        list_methods()


@methods_app.command("list")
def list_methods() -> None:
    """List the methods: task, name, what each learns from, what it is."""
    from gerund.methods import methods

    with errors_to_exit():
        cards = methods()
        width = max(len(card.name) for card in cards)
        for task in ("recognition", "localization"):
            echo(f"{task}:")
            for card in cards:
                if card.task == task:
                    echo(f"  {card.name:{width}}  {'learns' if _learns(card) else 'as it is':8}  {card.what}")
        echo("\nA recognizer locates by sliding, a localizer classifies by pooling. See 'gerund methods show NAME'.")


@methods_app.command("show")
def show_method(
    name: Annotated[str, typer.Argument(metavar="NAME|file.py:Class", help="See 'gerund methods list'.")],
) -> None:
    """Show what a method is: task, what it takes and needs, what it learns, settings with defaults, paper.

    Example: gerund methods show eszsl
    """
    from gerund.methods.catalog import find_method

    with errors_to_exit():
        for line in _lines(find_method(name)):
            echo(printable(line))


def _learns(card: MethodCard) -> bool:
    """True where `fit` must come first; the classes that need PyTorch to be imported all learn."""
    return isinstance(card.made, str) or not getattr(card.made, "training_free", False)


def _lines(card: MethodCard) -> list[str]:
    from gerund.methods.card import require_takes
    from gerund.methods.catalog import arguments_of, protocol_of

    made = card.load()
    arguments = arguments_of(card)
    parts = [f"{name}: {_PARTS[name]}" for name in (argument.name for argument in arguments) if name in _PARTS]
    model = [f"the model {card.encoder}"] if card.encoder else []
    about = {
        "task": card.task,
        "is": card.what,
        "protocol": protocol_of(made),
        "learns": card.learns or ("nothing" if protocol_of(made) == "training-free" else "see its file"),
        "takes": _TAKES[require_takes(made)],
        "built on": "; ".join(parts) or "nothing",
        "needs": "; ".join([*model, *card.needs]) or "nothing else",
        "paper": (card.source or "none") + ("; --paper for its settings" if hasattr(made, "paper") else ""),
        "class": card.home,
    }
    lines = [card.name, *(f"  {word:9} {said}" for word, said in about.items())]
    settings = [argument for argument in arguments if argument.name not in _PARTS]
    lines.append("  settings (--set NAME=VALUE)" if settings else "  settings  none")
    width = max((len(argument.name) for argument in settings), default=0)
    return [*lines, *(f"    {of.name:{width}}  {_short(of.default):10}  {of.type}" for of in settings)]


def _short(value: object) -> str:
    """A default on one line; of a long one the beginning."""
    text = "must be given" if value is ... else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
