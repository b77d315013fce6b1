"""Tables of class vectors: names are found in any spelling, and none is made up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.text.classes import ClassSpace, read_vocabulary

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
VECTORS = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
TABLE = VectorTable(["ApplyEyeMakeup", "passing (in game)", "push-up"], VECTORS)


@pytest.mark.parametrize(
    ("asked", "row"),
    [("apply eye makeup", 0), ("apply_eye_makeup", 0), ("Passing, in game", 1), ("Push up", 2), ("PushUp", 2)],
)
def test_spelling_makes_no_difference(asked, row):
    """Camel case, underscores, case and punctuation: the row is the same."""
    assert TABLE.encode_classes(ClassSpace((asked,))).tolist() == [VECTORS[row].tolist()]


def test_rows_come_in_the_order_asked_for_whatever_the_texts():
    """Classes to rows, float32; what stands for a class besides its name plays no part."""
    found = TABLE.encode_classes(ClassSpace(("push up", "ApplyEyeMakeup"), (("a long description",), ("another",))))
    assert found.dtype == np.float32 and found.tolist() == [[3, 4], [1, 0]]


def test_missing_names_are_listed():
    """All that are missing are counted and some are named, so that they can be added."""
    asked = ClassSpace(("push up", *(f"unknown {word}" for word in "abcdefg")))
    with pytest.raises(UsageError, match=r"7 of 8 classes: 'unknown a', .* and 2 more"):
        TABLE.encode_classes(asked)


def test_a_name_may_be_the_mean_of_its_words():
    """Where that is asked for and all words are there; a row of its own comes first."""
    vectors = np.array([[1.0, 0.0], [5.0, 2.0], [3.0, 4.0]])
    words = VectorTable(["high", "jump", "long jump"], vectors, mean_of_words=True)
    assert words.encode_classes(ClassSpace(("HighJump", "long jump"))).tolist() == [[3.0, 1.0], [3.0, 4.0]]
    with pytest.raises(UsageError, match="nor of all of their words"):
        words.encode_classes(ClassSpace(("high dive",)))
    with pytest.raises(UsageError):
        VectorTable(["high", "jump", "long jump"], VECTORS).encode_classes(ClassSpace(("high jump",)))


def test_the_fingerprint_follows_everything_that_matters():
    """Equal tables have equal ones; another number, name, order or way of looking up changes it."""
    names = list(TABLE.names)
    assert VectorTable(names, VECTORS).fingerprint == TABLE.fingerprint
    others = [
        VectorTable(names, VECTORS + 1e-6),
        VectorTable(["x", *names[1:]], VECTORS),
        VectorTable(names[::-1], VECTORS),
        VectorTable(names, VECTORS, mean_of_words=True),
    ]
    assert len({table.fingerprint for table in [TABLE, *others]}) == 5


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.txt", "a b\nc d\n\n"),
        ("v.json", '["a b", "c d"]'),
        ("other.json", '[{"word": "a b", "defn": "x"}, {"word": "c d"}]'),
    ],
)
def test_tables_are_read_from_two_files(tmp_path, name, content):
    """Names as lines, as a JSON list, or as the entries of released class files; beside the vectors by default."""
    np.save(tmp_path / "v.npy", VECTORS[:2])
    (tmp_path / name).write_text(content)
    table = VectorTable.read(tmp_path / "v.npy", tmp_path / name if name == "other.json" else None)
    assert table.encode_classes(ClassSpace(("c d", "a b"))).tolist() == [[0, 2], [1, 0]]
    assert not table.mean_of_words, "a mean is only taken where it is asked for"


@pytest.mark.parametrize(
    ("vectors", "names", "word"),
    [
        (VECTORS, ["a", "b"], "2 names needs as many vectors"),
        (VECTORS[0], ["a", "b"], "needs as many vectors"),
        (VECTORS, ["a", "b", 3], "JSON list of names"),
        (VECTORS, ["Tai chi", "b", "Tai chi"], "'Tai chi' stand in the table twice"),
        (VECTORS * np.nan, ["a", "b", "c"], "finite"),
        (VECTORS.astype(int), ["a", "b", "c"], "floats"),
        (np.array([{"a": 1}], object), ["a"], "expected a NumPy file"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, vectors, names, word):
    """By both names, in words; nothing in a file is ever run."""
    np.save(tmp_path / "v.npy", vectors)
    (tmp_path / "v.json").write_text(json.dumps(names))
    with pytest.raises(UsageError, match=word):
        VectorTable.read(tmp_path / "v.npy")


def test_a_table_is_read_from_a_checkpoint_too(tmp_path):
    """The one array with a row for each word is taken; none, two, or a file of another kind are refused."""
    from safetensors.numpy import save_file

    (tmp_path / "words.json").write_text(json.dumps(["a", "b", "c"]))
    vectors, file = VECTORS.astype("f4"), tmp_path / "b.safetensors"
    save_file({"embedding.weight": vectors, "other": vectors[:2]}, file)
    table = VectorTable.read(file, tmp_path / "words.json")
    assert table.fingerprint == VectorTable(["a", "b", "c"], vectors).fingerprint
    for arrays, count in (({"x": vectors[:2], "y": vectors[:1]}, 0), ({"x": vectors, "y": vectors + 1}, 2)):
        save_file(arrays, file)
        with pytest.raises(UsageError, match=f"{count} of 2 arrays have 3 rows"):
            VectorTable.read(file, tmp_path / "words.json")
    with pytest.raises(UsageError, match=r"words\.json: expected a NumPy file .* or a checkpoint"):
        VectorTable.read(tmp_path / "words.json", tmp_path / "words.json")


def test_a_table_of_words_has_their_marks():
    """Words that differ in marks alone stand side by side; the letter decides, and what could be both is refused."""
    words = VectorTable(["s", "'s", ",", "n't", "U.S.", "u-s"], np.arange(12.0).reshape(6, 2))
    assert words.row_of["n't"] == 3
    assert words.encode_classes(ClassSpace(("s", "'s"))).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(UsageError, match=r"'U S' could be 'U\.S\.', 'u-s' of the table"):
        words.encode_classes(ClassSpace(("U S",)))


def test_files_that_are_not_there_are_named(tmp_path):
    """The vectors and the names each."""
    with pytest.raises(UsageError, match=r"v\.npy: expected"):
        VectorTable.read(tmp_path / "v.npy")
    np.save(tmp_path / "v.npy", VECTORS)
    with pytest.raises(UsageError, match=r"v\.npy with .*v\.json: expected names"):
        VectorTable.read(tmp_path / "v.npy")


@pytest.mark.skipif(not (DATA / "features").exists(), reason=f"the shared data are not here ({DATA})")
def test_published_word_vectors_serve_the_built_in_lists():
    """Word2vec vectors of UCF101's and HMDB51's classes under the data sets' spelling answer for the names as words."""
    for name, size in (("ucf101", 101), ("hmdb51", 51)):
        vectors = np.load(DATA / "features" / f"word2vec_classnames_{name}.npy")
        table = VectorTable(read_vocabulary(name), vectors)
        found = table.encode_classes(ClassSpace.parse(name))
        assert len(found) == size
        np.testing.assert_array_equal(found, vectors.astype(np.float32))
