"""Action names, vocabularies and definitions."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.text.classes import VOCABULARIES, ClassSpace, read_vocabulary, to_words
from gerund.text.descriptions import built_in, choose_texts, with_definitions

SIZES = {
    "ucf101": 101,
    "hmdb51": 51,
    "kinetics400": 400,
    "kinetics600": 600,
    "activitynet200": 200,
    "thumos14": 20,
    "olympicsports16": 16,
}


@pytest.mark.parametrize("name", VOCABULARIES)
def test_vocabularies_have_their_published_sizes(name):
    """Each list has as many labels as its data set has classes, none twice, also as words."""
    assert len(read_vocabulary(name)) == SIZES[name]
    assert len(ClassSpace.parse(name)) == SIZES[name]


def test_known_places_in_the_lists():
    """Orders that are easily confused are the data sets' own: UCF101 sorts without regard to case, Kinetics plainly."""
    ucf = read_vocabulary("ucf101")
    assert ucf.index("Hammering") < ucf.index("HammerThrow")
    assert ucf.index("JumpingJack") < ucf.index("JumpRope")
    assert read_vocabulary("kinetics400")[0] == "abseiling"
    assert read_vocabulary("kinetics400")[399] == "zumba"
    assert read_vocabulary("thumos14")[5:8] == ("CricketBowling", "CricketShot", "Diving")


def test_vocabularies_are_the_checked_ones():
    """The shipped lists are byte for byte those that were compared with the official ones."""
    text = "\n".join("\n".join(read_vocabulary(name)) for name in VOCABULARIES)
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "5f3e87437274e98c5c099030f3ea0fb46bd53797527a7c996d1c2aeef606e067"


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("shoot_bow", "shoot bow"),
        ("Archery", "archery"),
        ("YoYo", "yo yo"),
        ("TaiChi", "tai chi"),
        ("BMX", "BMX"),
        ("Clean and jerk", "Clean and jerk"),
        ("passing American football (in game)", "passing American football (in game)"),
        ("  pouring   coffee ", "pouring coffee"),
        ("Über die Straße gehen", "Über die Straße gehen"),
        ("弹吉他", "弹吉他"),
        ("golf", "golf"),
        ("iPhone unboxing", "iPhone unboxing"),
    ],
)
def test_labels_become_words(label, words):
    """CamelCase and underscores become lower-case words; what is words already keeps its spelling."""
    assert to_words(label) == words


@given(st.text(st.characters(categories=["L", "N", "Zs"], include_characters="_-()'"), min_size=1))
def test_words_are_words_already(label):
    """Turning a label into words twice is the same as once."""
    assert to_words(to_words(label)) == to_words(label)


def test_a_comma_list():
    """Names are trimmed, empty ones dropped, repeated ones kept once, whatever their case."""
    assert ClassSpace.parse(" pouring coffee, ,Waving,waving,PoleVault,").names == (
        "pouring coffee",
        "waving",
        "pole vault",
    )


def test_a_file_of_names(tmp_path):
    """One action a line: a byte-order mark, empty lines, remarks and Windows line ends do not disturb; commas stay."""
    file = tmp_path / "actions.txt"
    file.write_bytes("\ufeffcafé trinken\r\n\r\n# remark\r\ncutting, then eating\r\n".encode())
    assert ClassSpace.parse(str(file)).names == ("café trinken", "cutting, then eating")


def test_lines_are_names_too():
    """Names pasted with line breaks are as many actions; a slash is part of a name."""
    assert ClassSpace.parse("punching\nwaving\r\npush/pull").names == ("punching", "waving", "push/pull")


def test_what_exists_is_a_file_whatever_its_name(tmp_path, monkeypatch):
    """A bare word or a name with commas is read where a file is called so; a folder's name and `word,` are actions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("waving\npunching\n")
    (tmp_path / "a, b").write_text("surfing")
    (tmp_path / "dancing").mkdir()
    assert ClassSpace.parse("mine").names == ("waving", "punching")
    assert ClassSpace.parse("a, b").names == ("surfing",)
    assert ClassSpace.parse("mine,").names == ("mine",)
    assert ClassSpace.parse("dancing").names == ("dancing",)
    (tmp_path / "punching").write_bytes(b"\0\1\2")
    with pytest.raises(UsageError, match=r"binary.*put a comma behind it: 'punching,'"):
        ClassSpace.parse("punching")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("kinetics-400", "kinetics400"),
        ("UCF 101", "ucf101"),
        ("hmbd51", "hmdb51"),
        ("kinetics", "kinetics400 or kinetics600"),
        ("kinetics700", "kinetics400 or kinetics600"),
        ("ucf-101", "ucf101"),
        ("kinetcs600", "kinetics600"),
        ("ucf50", "ucf101"),
        ("hmdb", "hmdb51"),
        ("Activity Net", "activitynet200"),
        ("thumos", "thumos14"),
        ("olympic sport", "olympicsports16"),
    ],
)
def test_a_mistyped_vocabulary_is_not_an_action(typed, meant):
    """A single name that is nearly a built-in list is an error that names the list."""
    with pytest.raises(UsageError, match=f"did you mean {meant}"):
        ClassSpace.parse(typed)


def test_names_must_be_text():
    """Bytes that are no UTF-8, as a terminal may pass them, are refused in words."""
    with pytest.raises(UsageError, match="UTF-8"):
        ClassSpace.parse("caf\udce9, punch")


def test_a_missing_file_is_named(tmp_path):
    """A specification that looks like a file and is none says so, and lists the vocabularies."""
    with pytest.raises(UsageError, match=r"nothere\.txt.*ucf101"):
        ClassSpace.parse(str(tmp_path / "nothere.txt"))


def test_a_file_that_is_no_text(tmp_path):
    """A binary file is refused in words."""
    file = tmp_path / "actions.bin"
    file.write_bytes(b"\x81\xff\x00\x81")
    with pytest.raises(UsageError, match="UTF-8"):
        ClassSpace.parse(str(file))


@pytest.mark.parametrize("spec", ["", " ", ",,"])
def test_no_actions_is_an_error(spec):
    """An empty list of actions is refused."""
    with pytest.raises(UsageError, match="empty"):
        ClassSpace.parse(spec)


def test_class_space_checks_itself():
    """Doubled and empty names, and texts that do not fit the names, are refused."""
    with pytest.raises(UsageError, match="twice"):
        ClassSpace(("a", "A"))
    with pytest.raises(UsageError, match="empty name"):
        ClassSpace(("a", " "))
    with pytest.raises(UsageError, match="texts"):
        ClassSpace(("a", "b"), (("x",),))


def test_of_takes_what_users_pass():
    """Names in a list, a specification, or a ClassSpace itself."""
    space = ClassSpace(("a", "b"))
    assert ClassSpace.of(space) is space
    assert ClassSpace.of(["a", " b  c "]).names == ("a", "b c")
    assert ClassSpace.of("thumos14").names[0] == "baseball pitch"


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_built_in_action_has_a_definition(name):
    """A definition stands for each class of each vocabulary: 8 to 40 words, plain ASCII, none shared by two names."""
    definitions = [text for label in ClassSpace.parse(name).names for text in built_in().of(label, "definition")]
    assert len(definitions) == len(ClassSpace.parse(name))
    assert all(8 <= len(text.split()) <= 40 and text.isascii() for text in definitions)
    assert len(set(definitions)) == len(definitions)


def test_descriptions_are_found_whatever_the_spelling():
    """Case, underscores, CamelCase, punctuation and word forms do not matter; an unknown action is not found."""
    known = built_in()
    for name, same in (
        ("PLAYING guitar", "playing guitar"),
        ("rock-paper-scissors", "Rock paper scissors"),
        ("ShootBow", "shoot_bow"),
        ("plays the guitar", "playing guitar"),
    ):
        assert known.find(name) == known.find(same) is not None
    assert known.find("feeding a unicorn") is None


def test_given_texts_are_kept():
    """A class that came with texts of its own keeps them; one that did not gets "name: definition"."""
    space = with_definitions(ClassSpace(("archery", "surfing"), (("archery",), ("riding a wave",))))
    assert space.texts[0][0].startswith("archery: ")
    assert space.texts[1] == ("riding a wave",)


def test_texts_are_those_that_were_chosen(tmp_path):
    """Names, sentences, definitions or a file: encoders get them as given, and an unknown action its name."""
    space = ClassSpace(("archery", "feeding a unicorn"))
    assert choose_texts(space, "name").texts == (("archery",), ("feeding a unicorn",))
    assert choose_texts(space, "templates").texts[1][0] == "a video of a person feeding a unicorn"
    described = choose_texts(space, "descriptions")
    assert described.texts[0][0].startswith("archery: ") and described.texts[1] == ("feeding a unicorn",)
    file = tmp_path / "mine.jsonl"
    file.write_text('{"name": "Archery", "steps": ["drawing the bow", "letting go"]}\n')
    mine = choose_texts(space, str(file))
    assert mine.texts == (("archery: drawing the bow", "archery: letting go"), ("feeding a unicorn",))
    assert all(choose_texts(space, which).as_given for which in ("name", "templates", "descriptions", str(file)))
    with pytest.raises(UsageError, match="no such file; give one, or name, templates, descriptions"):
        choose_texts(space, "sentences")
    with pytest.raises(UsageError, match="describes none of the 1 actions, such as yoga"):
        choose_texts(ClassSpace(("yoga",)), str(file))
