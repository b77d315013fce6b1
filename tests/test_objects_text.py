"""Object names and glosses as texts."""

from __future__ import annotations

import pytest

from gerund.assets import find_asset, is_here
from gerund.errors import AssetError, UsageError
from gerund.text import objects
from gerund.text.objects import Concepts, find_concepts, read_concepts
from gerund.text.wordnet import WordNet
from test_wordnet import write_dict

ASSETS = ("imagenet21k-classes", "imagenet1k-classes", "wordnet-words", "wordnet-glosses")


def write_classes(folder, names, numbers):
    """Writes the two files that BiT's classes come in."""
    (folder / "imagenet21k_wordnet_lemmas.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "imagenet21k_wordnet_ids.txt").write_text("".join(f"{number}\n" for number in numbers))


def test_bits_classes_are_elaborated_by_the_dictionary(tmp_path):
    """A line of words becomes "words: gloss" in lower case without underscores and without examples."""
    offsets = write_dict(tmp_path)
    glosses = ["type genus of the maples", 'a weapon for shooting arrows; "he drew the bow"; "a long bow"']
    write_classes(tmp_path, ["Acer, genus_Acer", "bow"], [f"n{offsets[gloss]:08d}" for gloss in glosses])
    concepts = read_concepts(tmp_path, WordNet(tmp_path))
    assert concepts.texts == ("acer, genus acer: type genus of the maples", "bow: a weapon for shooting arrows")
    assert concepts.names == ("acer, genus acer", "bow")


def test_files_that_do_not_fit_are_refused(tmp_path):
    """A missing file, files of different length, and a dictionary of another version are errors that say so."""
    offsets = write_dict(tmp_path)
    wordnet = WordNet(tmp_path)
    with pytest.raises(AssetError, match="imagenet21k_wordnet_lemmas"):
        read_concepts(tmp_path, wordnet)
    number = f"n{offsets['a stringed instrument']:08d}"
    write_classes(tmp_path, ["guitar", "bow"], [number])
    with pytest.raises(AssetError, match="2 lines of words and 1 of numbers"):
        read_concepts(tmp_path, wordnet)
    write_classes(tmp_path, ["guitar"], ["n00000001"])
    with pytest.raises(UsageError, match="n00000001"):
        read_concepts(tmp_path, wordnet)
    newer = tmp_path / "newer"
    newer.mkdir()
    write_dict(newer, version="3.1")
    write_classes(tmp_path, ["guitar"], [number])
    with pytest.raises(UsageError, match=r"WordNet 3\.1"):
        read_concepts(tmp_path, WordNet(newer))


def test_every_object_needs_a_name():
    """An empty name, no name at all, or glosses of another number are refused."""
    for names, glosses in (((), ()), (("a", " "), ("", "")), (("a",), ())):
        with pytest.raises(UsageError, match="object"):
            Concepts(names, glosses)


@pytest.mark.skipif(
    not all(is_here(find_asset(name)) for name in ASSETS),
    reason="ImageNet's class files are not in the cache; run 'gerund models get'",
)
def test_imagenets_classes_are_those_of_its_networks():
    """21,843 and 1,000 classes in the networks' order, all in lower case and with a gloss; some are known by heart."""
    large, small = find_concepts("imagenet21k"), find_concepts("imagenet1k")
    assert (len(large), len(small)) == (21_843, 1_000)
    assert large.texts[0].startswith("organism, being: a living thing")
    assert small.names[0] == "tench, tinca tinca"
    assert small.names[402] == "acoustic guitar"
    assert [text.split(":")[0] for text in set(small.texts) - set(large.texts)] == ["teddy, teddy bear"]
    assert all(text == text.lower() and "_" not in text for text in large.texts)
    assert all(large.glosses)


def test_classes_of_a_package_index_have_words_and_glosses(tmp_path, monkeypatch):
    """Numbers to words and glosses in their order, in lower case; a number without either is named and counted."""
    files = {
        "wordnet-words": "n1\tAcer, genus_Acer\nn2\tbow\nn3\tox\n",
        "wordnet-glosses": "n2\tA weapon\nn1\tMaples\n",
    }
    files |= {"imagenet1k-classes": "n2\nn1\n", "imagenet21k-classes": "n1\nn2\nn3\nn4\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(objects, "find_asset", lambda name: name)
    monkeypatch.setattr(objects, "fetch", lambda name: tmp_path / name)
    found = find_concepts("imagenet1k")
    assert (found.names, found.glosses) == (("bow", "acer, genus acer"), ("a weapon", "maples"))
    with pytest.raises(AssetError, match="imagenet21k-classes: 1 classes have no words, the first is n4"):
        find_concepts("imagenet21k")
    (tmp_path / "imagenet21k-classes").write_text("n1\nn3\n")
    with pytest.raises(AssetError, match="imagenet21k-classes: 1 classes have no gloss, the first is n3"):
        find_concepts("imagenet21k")
