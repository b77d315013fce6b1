"""Which texts stand for the classes: bare names, sentences around them, definitions, or those of a file."""

from __future__ import annotations

from pathlib import Path

from gerund.errors import UsageError
from gerund.text.classes import ClassSpace
from gerund.text.descriptions.lookup import defined_name, texts_from
from gerund.text.descriptions.readers import read_descriptions
from gerund.text.descriptions.schema import Descriptions
from gerund.text.names import to_words

CHOICES = ("name", "templates", "descriptions")

TEMPLATES = ("a video of a person {}", "a video of {}", "a photo of a person {}", "{}")
"""Sentences around a name, for image-text models."""


def with_definitions(classes: ClassSpace, known: Descriptions | None = None) -> ClassSpace:
    """The same classes with the text "name: definition" wherever the action is known.

    A bare name says little to a text encoder ("punch", "swing"). Case, punctuation, spacing and word forms do not
    matter for the look-up. Classes that came with texts of their own keep them.

    Args:
        classes: names, some maybe with texts.
        known: where definitions are looked up; gerund's own by default.

    Example:
        >>> with_definitions(ClassSpace(("Shoot bow", "feeding a unicorn"))).texts[1]
        ('feeding a unicorn',)
    """
    texts = tuple(
        (defined,) if given == (name,) and (defined := defined_name(name, known)) else given
        for name, given in zip(classes.names, classes.texts, strict=True)
    )
    return ClassSpace(classes.names, texts)


def choose_texts(classes: ClassSpace, which: str) -> ClassSpace:
    """The same classes with texts as a user chose them, which encoders then take as they are.

    Args:
        classes: the names.
        which: ``"name"``: the bare name. ``"templates"``: `TEMPLATES` around it. ``"descriptions"``: gerund's
            definition behind the name wherever it knows the action. Else the path of a description file: its definition
            behind the name, or, where it has none, all its texts behind the name.

    Raises:
        UsageError: the file cannot be read, or describes none of the classes; or these came with texts of their own.

    Example:
        >>> choose_texts(ClassSpace(("waving",)), "templates").texts[0][:2]
        ('a video of a person waving', 'a video of waving')
    """
    if any(given != (name,) for name, given in zip(classes.names, classes.texts, strict=True)):
        raise UsageError(f"--texts {which}: the actions come with texts of their own; leave out one of the two")
    if which == "name":
        return ClassSpace(classes.names, tuple((name,) for name in classes.names), as_given=True)
    if which == "templates":
        words = [to_words(name).lower() for name in classes.names]
        sentences = tuple(tuple(template.format(word) for template in TEMPLATES) for word in words)
        return ClassSpace(classes.names, sentences, as_given=True)
    if which == "descriptions":
        return ClassSpace(classes.names, with_definitions(ClassSpace(classes.names)).texts, as_given=True)
    if not Path(which).is_file():
        raise UsageError(f"--texts {which}: no such file; give one, or {', '.join(CHOICES)}")
    texts = texts_from(classes.names, read_descriptions(Path(which)), f"--texts {which}")
    return ClassSpace(classes.names, texts, as_given=True)
