"""Saved methods: what is loaded answers exactly as what was saved, and nothing is loaded that does not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gerund.encoders.table import VectorTable
from gerund.errors import GerundError, UsageError
from gerund.methods.recognizers.bilinear import Bilinear
from gerund.methods.recognizers.dem import Dem
from gerund.methods.recognizers.eszsl import Eszsl
from gerund.methods.recognizers.gcn import Gcn
from gerund.methods.training.saved import load, look, save
from gerund.text.classes import ClassSpace
from hidden_map import hidden_map

pytest.importorskip("torch")

WORLD = hidden_map(seen=12, unseen=6, videos=4, dim=10, dim_text=5)
METHODS = {
    "bilinear": Bilinear(WORLD.texts, "ale", margin=0.25, epochs=2, seed=4),
    "dem": Dem(WORLD.texts, hidden=7, epochs=2, normalize_texts=True),
    "eszsl": Eszsl(WORLD.texts, alpha=float("-inf"), targets="pm1"),
    "gcn": Gcn(WORLD.texts, WORLD.rows, hidden=(6, 5), epochs=3),
}


@pytest.fixture(scope="module", params=METHODS)
def fitted(request):
    return METHODS[request.param].fit(WORLD.train, ClassSpace(WORLD.seen.names + WORLD.unseen.names[:3]))


def test_a_huge_description_is_not_read(tmp_path):
    """Settings of more than 1 MiB are no method's; the file is refused by its size."""
    save(METHODS["eszsl"].fit(WORLD.train, WORLD.seen), tmp_path)
    with (tmp_path / "method.json").open("ab") as file:
        file.write(b" " * 2**20)
    with pytest.raises(GerundError, match="larger than 1 MiB"):
        load(tmp_path, texts=WORLD.texts)


def test_a_loaded_method_answers_as_the_saved_one(fitted, tmp_path):
    """The same scores to the last bit, for known and new classes, from the same settings."""
    save(fitted, tmp_path / "deep" / "folder")
    found = load(tmp_path / "deep" / "folder", texts=WORLD.texts)
    assert type(found) is type(fitted)
    np.testing.assert_array_equal(
        found.score(WORLD.test.inputs, WORLD.unseen), fitted.score(WORLD.test.inputs, WORLD.unseen)
    )
    for name in json.loads((tmp_path / "deep/folder/method.json").read_text())["settings"]:
        value = getattr(fitted, name)
        assert getattr(found, name) == (list(value) if isinstance(value, tuple) else value), name


def test_a_loaded_method_can_be_saved_and_loaded_again(fitted, tmp_path):
    """Nothing is lost on the way; with its other parts it could even learn again."""
    save(fitted, tmp_path / "one")
    save(load(tmp_path / "one", texts=WORLD.texts, rows=WORLD.rows), tmp_path / "two")
    for name in ("method.json", "learned.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_was_built_on_other_texts_is_refused(fitted, tmp_path):
    """Word vectors of the same names that differ in one number, or none at all."""
    save(fitted, tmp_path)
    vectors = WORLD.texts.vectors.copy()
    vectors[0, 0] += 1e-3
    with pytest.raises(UsageError, match="cannot be exchanged"):
        load(tmp_path, texts=VectorTable(WORLD.texts.names, vectors))
    with pytest.raises(UsageError, match="give the texts"):
        load(tmp_path)


def test_another_class_is_refused(fitted, tmp_path):
    """A folder holds one kind of method; one of a stranger's is never imported by name."""
    save(fitted, tmp_path)
    other = Eszsl if not isinstance(fitted, Eszsl) else Dem
    with pytest.raises(UsageError, match=f"not a {other.__name__}"):
        load(tmp_path, method=other, texts=WORLD.texts)
    content = json.loads((tmp_path / "method.json").read_text())
    (tmp_path / "method.json").write_text(json.dumps({**content, "method": "os:system"}))
    with pytest.raises(UsageError, match="not one of gerund's own"):
        load(tmp_path, texts=WORLD.texts)


def test_damage_is_found(fitted, tmp_path):
    """A file that is missing, cut or another's is named as such."""
    with pytest.raises(UsageError, match=r"no method\.json"):
        load(tmp_path, texts=WORLD.texts)
    save(fitted, tmp_path)
    learned = tmp_path / "learned.safetensors"
    learned.write_bytes(learned.read_bytes()[:-1])
    with pytest.raises(GerundError, match="not the file that was saved"):
        load(tmp_path, texts=WORLD.texts)
    learned.unlink()
    with pytest.raises(GerundError, match="cannot be read"):
        load(tmp_path, texts=WORLD.texts)


def test_only_what_has_learned_is_saved(tmp_path):
    """Before `fit` there is nothing to write, and nothing is written."""
    for method in (Bilinear(WORLD.texts), Dem(WORLD.texts), Eszsl(WORLD.texts), Gcn(WORLD.texts, WORLD.rows)):
        with pytest.raises(UsageError, match="fit it before"):
            save(method, tmp_path / "new")
    assert not (tmp_path / "new").exists()


class OfAUser:
    """A method in a file of one's own: stores its argument, learns one array."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.learned = np.zeros(0)

    def state(self):
        return {"learned": self.learned} if len(self.learned) else {}

    def restore(self, state):
        self.learned = state["learned"]


def test_a_method_of_ones_own_is_loaded_with_its_class(tmp_path):
    """Its settings and arrays come back; without the class it is refused."""
    mine = OfAUser(2.5)
    mine.learned = np.array([1.0, 2.0])
    save(mine, tmp_path)
    found = load(tmp_path, method=OfAUser)
    assert found.factor == 2.5 and found.learned.tolist() == [1.0, 2.0]
    with pytest.raises(UsageError, match=r"method=\.\.\."):
        load(tmp_path)


class Half:
    """Has learned, and could not be taken up."""

    def state(self):
        return {"learned": np.ones(1)}


def test_what_could_not_be_taken_up_is_not_saved(tmp_path):
    """A method needs both halves, and settings that JSON can hold; else nothing is written."""
    with pytest.raises(UsageError, match="cannot be kept"):
        save(Half(), tmp_path / "new")
    mine = OfAUser({1, 2})
    mine.learned = np.ones(1)
    with pytest.raises(UsageError, match="OfAUser cannot be saved"):
        save(mine, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_where_it_computes_is_said_when_it_is_loaded(tmp_path):
    """The device is no part of what was saved; other arguments that it had not are passed over."""
    save(METHODS["dem"].fit(WORLD.train, WORLD.seen), tmp_path)
    found = load(tmp_path, texts=WORLD.texts, device="cuda:7", rows=WORLD.rows, elsewhere=1)
    assert found.device == "cuda:7" and not hasattr(found, "rows")


@pytest.mark.parametrize(
    ("made", "entry"),
    [
        (Bilinear(WORLD.texts, "ale", epochs=1), "ale"),
        (Bilinear(WORLD.texts, "sje", epochs=1), "sje"),
        (Dem(WORLD.texts, epochs=1), "dem"),
        (Eszsl(WORLD.texts), "eszsl"),
    ],
)
def test_a_folder_names_the_entry_of_the_catalogue(tmp_path, made, entry):
    """Not the module of its class: what moves there does not concern a folder; and of several names the right one."""
    save(made.fit(WORLD.train, WORLD.seen), tmp_path)
    assert json.loads((tmp_path / "method.json").read_text())["method"] == entry
    assert look(tmp_path).entry.name == entry
    assert look(tmp_path).sha256 == json.loads((tmp_path / "method.json").read_text())["learned_sha256"]


@pytest.mark.parametrize("room", ["gerund.methods", "gerund.methods.recognizers"])
def test_folders_of_before_are_taken_up(tmp_path, room):
    """Those that name the module where a class was, or is, load as what they are; of another module they do not."""
    saved = Bilinear(WORLD.texts, "ale", epochs=1).fit(WORLD.train, WORLD.seen)
    save(saved, tmp_path)
    content = json.loads((tmp_path / "method.json").read_text())
    (tmp_path / "method.json").write_text(json.dumps(content | {"method": f"{room}.bilinear:Bilinear"}))
    assert look(tmp_path).entry.name == "ale"
    found = load(tmp_path, texts=WORLD.texts)
    np.testing.assert_array_equal(
        found.score(WORLD.test.inputs, WORLD.unseen), saved.score(WORLD.test.inputs, WORLD.unseen)
    )
    (tmp_path / "method.json").write_text(json.dumps(content | {"method": "gerund.methods.training.bilinear:Bilinear"}))
    with pytest.raises(UsageError, match="not one of gerund's own methods"):
        load(tmp_path, texts=WORLD.texts)


def test_a_name_that_the_settings_belie_is_damage(tmp_path):
    """A folder that calls itself sje and was made with another loss was changed by hand."""
    save(Bilinear(WORLD.texts, "ale", epochs=1).fit(WORLD.train, WORLD.seen), tmp_path)
    content = json.loads((tmp_path / "method.json").read_text())
    (tmp_path / "method.json").write_text(json.dumps(content | {"method": "sje"}))
    with pytest.raises(GerundError, match="settings are not those of sje"):
        load(tmp_path, texts=WORLD.texts)
