"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gerund.errors import UsageError

DEFAULT_MODEL = "i3d-minilm"

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="Videos, folders (searched to the bottom) or patterns.")
]
ActionSpec = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="Names separated by commas or semicolons, a file of names (text with one a line, JSON, YAML, CSV, TSV), "
        "or a built-in list: ucf101, hmdb51, kinetics400, kinetics600, activitynet200, thumos14, olympicsports16.",
    ),
]
Texts = Annotated[
    str,
    typer.Option(
        metavar="name|templates|descriptions|FILE",
        help="What stands for each action: its name, sentences around it, gerund's definition of it, or the texts of "
        "a file. Without it the model's own choice.",
    ),
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="A name from 'gerund models', a hub name, or a folder.")
]
Trained = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A method that 'gerund train' wrote, for the model that it names.")
]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of the method.")]
Vectors = Annotated[
    list[str] | None,
    typer.Option(metavar="PART=FILE[@NAMES]", help="A table of class vectors for the method's texts or rows."),
]
ObjectsFile = Annotated[
    Path | None, typer.Option("--objects", metavar="FILE", help="The objects in each video ('gerund objects').")
]
ObjectsVocabulary = Annotated[
    str,
    typer.Option(metavar="NAME|FILE", help="What the numbers of --objects stand for, where that file does not say."),
]
TextModel = Annotated[
    str, typer.Option(metavar="NAME", help="The model whose texts stand for the actions; by default --model's.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute; auto is cuda where PyTorch finds it.")
]
Threads = Annotated[int, typer.Option(min=0, help="Threads to compute with; 0 takes every core.")]
EngineName = Annotated[
    Literal["auto", "torch", "openvino", "onnx"],
    typer.Option(help="What computes; auto is torch on a CUDA device, else openvino."),
]
PrecisionName = Annotated[
    Literal["auto", "fp32", "bf16", "fp16", "int8"],
    typer.Option(
        help="Arithmetic; auto is 16 bits where the device has them. int8 tells how well it agrees with fp32."
    ),
]
DecodeThreads = Annotated[
    int, typer.Option(min=0, help="How many videos are decoded at once; 0 decides by the machine.")
]
Approximate = Annotated[
    bool,
    typer.Option(
        "--approximate-frames", help="Look at the nearest keyframes; tells how far off they are (CLIP's kin)."
    ),
]
Skip = Annotated[
    str,
    typer.Option(
        metavar="LIST", help="Leave out the bad videos of a list that 'gerund data scan --json' wrote, and no others."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table; files and errors only.")]
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write JSON Lines, the record: the same command again goes on from it. - for standard output.",
    ),
]
CsvFile = Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write a CSV table; - for standard output.")]
To = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Write a file in the format of its ending, or NAME=FILE, such as csv=-; may be repeated. "
        "'docs/answers.md' lists the formats, and how a file of yours adds one.",
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Begin the file of --json anew, whatever it holds; ask about every video.")
]


def pairs(given: list[str], option: str) -> dict[str, str]:
    """What was typed as ``PART=FILE``, by part.

    Raises:
        UsageError: one has another form.
    """
    found = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not value:
            raise UsageError(f"{option} {item}: expected PART=FILE, such as texts=glove.npy@names.txt")
        found[name] = value
    return found
