"""What every method does when nothing is said: figures that name no settings were made with these."""

from __future__ import annotations

import inspect
from typing import Literal

import pytest

from gerund.errors import UsageError
from gerund.methods.catalog import _in_words, arguments_of, find_method, make_method, methods
from gerund.methods.recognizers import rows

LEARNER = {
    "epochs": 100, "batch": 128, "lr": 1e-3, "warmup_steps": 0, "period_steps": None, "weight_decay": 0.0,
    "clip": 10.0, "choose_every": 5, "seed": 2020, "device": "auto", "schedule": "exponential", "decay_vectors": True,
    "average_last": 1, "drop_last": False, "accumulate": 1,
}  # fmt: skip
DEFAULTS = {
    "Similarity": {},
    "Tear": {"conditioning": True, "aggregation": "simple", "unit_frames": False, "truncate": False, "compat": ""},
    "Bilinear": LEARNER | {"loss": "devise", "margin": 0.1, "dropout": 0.5, "normalize_texts": True, "lr": 3e-3},
    "Linear": {"l2": 1e-3, "standardize": True, "iterations": 1000},
    "Dem": LEARNER | {"hidden": 512, "dropout": 0.5, "normalize_texts": False},
    "Conse": {"top": 10, "l2": 1e-3},
    "Rows": {"learner": "eszsl"},
    "Eszsl": {"alpha": 3.0, "gamma": 0.0, "targets": "01", "normalize_texts": True},
    "Gcn": LEARNER | {
        "epochs": 200, "weight_decay": 1e-6, "choose_every": 10, "rows": None, "neighbours": 5, "dropout": 0.5,
        "hidden": (512, 1024, 1024, 1024, 1024),
    },
    "Elaborate": {
        "streams": "both", "text": "bert", "bert": "google-bert/bert-base-uncased",
        "bert_trains_from": "encoder.layer.10", "recurrent": "", "max_tokens": 100, "definitions": True, "dim": 512,
        "pooling": "", "text_dropout": 0.5, "video_dropout": 0.0, "fusion": 3, "clamp": True, "top_objects": 5,
        "separate_objects": False, "glosses": (True, True), "rehearsed_objects": 5, "random_concepts": 0,
        "rehearsal": 1.0, "loss": "ce", "temperature": 0.1, "margin": 0.1, "epochs": 10, "batch": 128, "lr": 1e-4,
        "warmup_steps": None, "period_steps": None, "weight_decay": 1e-4, "bert_weight_decay": 0.0, "seed": 2020,
        "device": "auto", "amp": False, "keep": "all", "checkpoint_steps": 0, "compat": "", "decay_vectors": True,
        "half": "bf16", "accumulate": 1, "recompute": False,
    },
    "Contrast": {
        "keep_share": 0.2, "max_classes": 3, "remove_background": None, "window_s": 3.0, "nms_tiou": 0.7,
        "max_segments": 100,
    },
    "WholeVideo": {},
    "UniformWindows": {"window_s": 3.0},
}  # fmt: skip
"""Written down apart from the code: a default is changed here too, on purpose, with what was measured."""


def test_defaults_are_those_that_were_measured():
    """Every number, switch and named choice of a constructor; paths, templates and callbacks are no settings."""
    others = {"folder", "progress", "templates", "kinds", "descriptions", "words", "concepts"}
    plain = (int, float, str, tuple, type(None))
    found = {}
    for made in {card.load() for card in methods()}:
        name, parameters = made.__name__, inspect.signature(made).parameters
        defaults = {key: parameter.default for key, parameter in parameters.items() if key not in others}
        found[name] = {key: value for key, value in defaults.items() if isinstance(value, plain)}
    assert found == DEFAULTS


def test_a_method_is_found_by_name_or_in_a_file(tmp_path):
    """Every registered one under its name; a class in a file says by its methods which task it answers."""
    assert [find_method(card.name) for card in methods()] == list(methods())
    file = tmp_path / "mine.py"
    file.write_text("class One:\n    def locate(self): ...\n\n\nclass Two:\n    def score(self): ...\n")
    cards = [find_method(f"{file}:{name}") for name in ("One", "Two")]
    assert [(card.name, card.home, card.task) for card in cards] == [
        ("mine", f"{file}:One", "localization"), ("mine", f"{file}:Two", "recognition"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no method 'eszls'; did you mean eszsl"):
        find_method("eszls")
    with pytest.raises(UsageError, match=r"no method 'qqq'\. There are devise"):
        find_method("qqq")


def test_learners_of_rows_have_the_settings_of_the_published_figures():
    """`rows-eszsl`, `rows-gcn` and `rows-devise` are what `benchmarks/rows.py` measured, under these settings."""
    assert rows.SETTINGS == {
        "eszsl": {"alpha": 1.0, "gamma": 0.0},
        "gcn": {"hidden": (512,), "neighbours": 5, "epochs": 200},
        "devise": {"lr": 0.001, "epochs": 300},
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"aggregation": 7}, "tear: aggregation is 'simple' or 'ensemble' or 'structured', got 7"),
        ({"weights": 7}, "tear: weights is a mapping, in JSON such as .*, got 7"),
        ({"kinds": "steps"}, "tear: kinds is a list, in JSON such as .*, got 'steps'"),
    ],
)
def test_a_setting_of_another_kind_is_refused_before_anything_is_made(setting, message):
    """A choice that is none, and one thing where several are wanted, are named with what was expected."""
    with pytest.raises(UsageError, match=message):
        make_method(find_method("tear"), {"encoder": None}, setting)
    assert make_method(find_method("tear"), {"encoder": None}, {"kinds": ["steps"]}).kinds == ["steps"]


def test_the_types_of_settings_are_words():
    """Choices of choices are one list of values, and alternatives are joined by *or*."""
    types = {of.name: of.type for of in arguments_of(find_method("gcn"))}
    pooled = Literal["avg", "max"] | Literal[""]
    assert _in_words(pooled) == "'avg' or 'max' or ''"
    assert _in_words(int | None) == "int or None"
    assert not any("Union" in words or "|" in words for words in types.values())
