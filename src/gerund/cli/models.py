"""Models: list, fetch, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gerund.batch import errors_to_exit
from gerund.cli.options import Threads
from gerund.errors import UsageError
from gerund.printing import echo
from gerund.writing import check_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gerund.encoders.card import EncoderCard

app = typer.Typer()
models_app = typer.Typer(invoke_without_command=True)
app.add_typer(models_app, name="models")


@models_app.callback()
def _models(context: typer.Context) -> None:
    """List the models: what each is, its size and licence, where it comes from, and whether it is here."""
    if context.invoked_subcommand is None:
        list_models()


@models_app.command("list")
def list_models() -> None:
    """List the models: what each is, its size and licence, where it comes from, and whether it is here."""
    from gerund.terminal import models_list, show

    show(models_list(_cards()))


@models_app.command("show")
def show_model(name: Annotated[str, typer.Argument(metavar="NAME", help="See 'gerund models'.")]) -> None:
    """Show all there is to know of a model: kind, space, dimension, needs, licence, training data, here or not."""
    from gerund.encoders.catalog import find_encoder
    from gerund.terminal import model_card, show

    with errors_to_exit():
        _cards()
        show(model_card(find_encoder(name)))


@models_app.command("get")
def get_model(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models or assets to fetch and verify.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Take it from a file instead of the network.")
    ] = None,
) -> None:
    """Fetch a model's files, or verify them when they are here."""
    from gerund import assets
    from gerund.encoders.catalog import find_encoder
    from gerund.terminal import Watcher

    with errors_to_exit(), Watcher(quiet=False) as watcher:
        cards = [card for card in _cards() if card.name in names]
        wanted = [name for card in cards for name in card.assets]
        wanted += [asset.name for asset in assets.ASSETS if asset.name in names]
        for name in set(names) - {card.name for card in cards} - set(wanted):
            find_encoder(name)
        for card in cards:
            if card.needs_file:
                raise UsageError(f"{card.name}: gerund cannot fetch its weights ({card.published}); do it yourself")
        if source:
            if not source.is_file():
                raise UsageError(f"--from {source}: no such file")
            if hub := [card.name for card in cards if card.repository and not card.assets]:
                raise UsageError(f"--from is for files of gerund's own list; {hub[0]} comes from the model hub alone")
            taken = assets.install(source, tuple(dict.fromkeys(wanted)))
            echo(f"taken from {source}: {', '.join(asset.name for asset in taken)}")
            return
        for card in cards:
            if card.repository:
                echo(f"fetched  {card.repository}  {assets.hub_folder(card.repository, file=card.file)}")
        for name in dict.fromkeys(wanted):
            asset = assets.find_asset(name)
            was_here = assets.is_here(asset) and assets.verify(asset)
            path = assets.fetch(asset, renew=not was_here, progress=watcher.download)
            echo(f"{'verified' if was_here else 'fetched'}  {asset.name}  {asset.size_bytes / 1e6:.1f} MB  {path}")


def _cards() -> Sequence[EncoderCard]:
    """The cards of all models, those that `gerund.api` registers among them."""
    import gerund.api  # noqa: F401
    from gerund.encoders.catalog import encoders

    return encoders()


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="See 'gerund models'.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it is not there.")],
    format: Annotated[Literal["onnx", "openvino"], typer.Option(help="What kind of files.")] = "onnx",
    video: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Compare on frames of this video too; may be repeated.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Largest error allowed, as a share of the largest value.")
    ] = 1e-3,
    threads: Threads = 0,
) -> None:
    """Write a model's networks to files for other programs, and prove that they compute the same.

    DIR/parity.json says how near their results are to another engine's. Past the tolerance nothing is kept.

    Example: gerund export i3d-minilm exported/ --format openvino --video holiday.mp4
    """
    from gerund.api import load
    from gerund.encoders.engines.export import export_model
    from gerund.terminal import Watcher

    with errors_to_exit(), Watcher(quiet=False) as watcher:
        check_folder(folder)
        for path in video or []:
            if not path.is_file():
                raise UsageError(f"--video {path}: no such file")
        encoder = load(model, device="cpu", precision="fp32", threads=threads, progress=watcher.download).encoder
        report = export_model(encoder, folder, format=format, videos=video or [], tolerance=tolerance, threads=threads)
        for network in report["networks"].values():
            files = " + ".join(str(folder / file) for file in network["files"])
            echo(f"{files}  {network['size_bytes'] / 1e6:.1f} MB, compared with {network['reference']}:")
            for check in network["checks"]:
                echo(
                    f"  {check['data']}: error {check['max_error']:.1e} at most and {check['mean_error']:.1e} in the "
                    f"mean, cosine {check['cosine_min']:.6f} at least ({check['num_vectors']} vectors)"
                )
        echo(f"report: {folder / 'parity.json'}")
