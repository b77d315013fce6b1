"""Lists of actions as people write them: typed, in files of every kind, and from Python."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.text.actions import files
from gerund.text.classes import ClassSpace
from gerund.text.descriptions import choose_texts

TWO = ("punching", "pole vault")


def parse(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ClassSpace.parse(str(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '["punching", "PoleVault"]'),
        ("a", ' \n["punching", "pole_vault", "Punching"]'),
        ("a.json", '{"actions": ["punching", "PoleVault"]}'),
        ("a.json", '[{"id": 4, "Name": "punching"}, {"id": 5, "name": "PoleVault"}]'),
        ("a.json", '{"1": "PoleVault", "0": "punching"}'),
        ("a.json", '{"PoleVault": 1, "punching": 0}'),
        ("a.jsonl", '"punching"\n\n"PoleVault"\n'),
        ("a.txt", '{"name": "punching"}\n{"name": "PoleVault"}\n'),
        ("a.yaml", "- punching\n- PoleVault\n"),
        ("a.YML", "names:\n  - punching\n  - PoleVault\n"),
        ("a", "---\n- punching\n- PoleVault\n"),
        ("a.csv", "id,Label,note\r\n1,punching,\r\n2,PoleVault,x\r\n"),
        ("a.csv", "label,name\n1,punching\n2,PoleVault\n"),
        ("a.csv", "id;class\n1;punching\n2;PoleVault\n"),
        ("a.csv", "actions\npunching\nPoleVault\n"),
        ("a.csv", "punching\nPoleVault\n"),
        ("a.csv", "punching,PoleVault"),
        ("a.tsv", "id\taction\n1\tpunching\n2\tPoleVault\n"),
        ("a.txt", "id\tname\n1\tpunching\n2\tPoleVault\n"),
        ("a.txt", "id,name\n1,punching\n2,PoleVault\n"),
        ("a.txt", "1 punching\n2 PoleVault\n"),
        ("a.txt", "0\tpunching\n1\tPoleVault\n"),
        ("a.txt", "1. punching\n2. PoleVault\n"),
        ("a.txt", "- punching\n- PoleVault\n"),
        ("a.txt", "punching,\nPoleVault,\n,\n"),
        ("a.txt", '"punching"\n"PoleVault"\n'),
        ("a.txt", "punching; PoleVault"),
        ("a.txt", "\ufeffpunching\r\n# remark\r\n\r\nPoleVault\r\n"),
        ("a.txt", "punching\rPoleVault"),
        ("a.txt", "punching\nPoleVault".encode("utf-16")),
        ("a.csv", "name,x\npunching,\nPoleVault,".encode("utf-16")),
        ("a.txt", "punching\nPoleVault".encode("utf-32")),
        ("punching", "punching\nPoleVault\n"),
    ],
)
def test_two_names_however_they_are_written(tmp_path, name, content):
    """Every kind of file gives the names that it lists, in order, and nothing else."""
    space = parse(tmp_path, name, content)
    assert space.names == TWO
    assert space.texts == tuple((name,) for name in TWO)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{"hit": ["punching", "boxing"], "waving": null, "PoleVault": "jumping with a pole"}'),
        ("a.yaml", "hit: [punching, boxing]\nwaving:\nPoleVault: jumping with a pole\n"),
        (
            "a.json",
            '[{"name": "hit", "texts": ["punching", "boxing"]}, {"name": "waving"}, '
            '{"name": "PoleVault", "texts": "jumping with a pole"}]',
        ),
    ],
)
def test_a_mapping_is_names_with_texts(tmp_path, name, content):
    """No text is dropped; an action without any stands for itself."""
    space = parse(tmp_path, name, content)
    assert space.names == ("hit", "waving", "pole vault")
    assert space.texts == (("punching", "boxing"), ("waving",), ("jumping with a pole",))
    assert not space.as_given


def test_yaml_words_are_names():
    """What YAML would take for true, false or a number is a name as it was written."""
    assert files.from_tree(files._read_yaml("- yes\n- no\n- 12\n", "a"), "a").entries[1].name == "no"


def test_descriptions_are_names_with_their_texts(tmp_path):
    """A file of gerund's descriptions is what its names with it as texts are."""
    path = tmp_path / "mine.jsonl"
    path.write_text(
        '{"name": "archery", "steps": ["drawing", "letting go"]}\n{"name": "hit", "definition": "a blow"}\n'
    )
    assert ClassSpace.parse(str(path)) == choose_texts(ClassSpace(("archery", "hit")), str(path))


def test_texts_of_two_kinds_are_not_mixed():
    """Actions that came with texts of their own take no others, which would silently replace them."""
    with pytest.raises(UsageError, match="texts of their own"):
        choose_texts(ClassSpace.of({"hit": ["punching"]}), "name")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "punching\nwaving\n", "not valid"),
        ("a.json", "[1, 2]", "item 1: expected the name of an action, got a number"),
        ("a.json", '["a", ["b"]]', "item 2: expected the name of an action, got a list"),
        ("a.json", '"a"', "got a text alone"),
        ("a.json", '{"a": {"b": "c"}}', r"item 1 \('a'\).*got an object"),
        ("a.json", '{"a": [1]}', "holds a number"),
        ("a.json", '{"a": ["x"], "a": ["y"]}', "item 2: 'a' was named before, as item 1"),
        ("a.json", '{"0": ["x"], "1": ["y"]}', "its names are numbers"),
        ("a.json", '[{"id": 1}]', "item 1: expected an object of which one key"),
        ("a.json", '[{"name": "a", "label": "b"}]', "2 of them do"),
        ("a.json", "[" * 100_000, "cannot be read as JSON"),
        ("a.json", "[]", "empty"),
        ("a.json", '["\\ud800"]', "UTF-8"),
        ("a.json", '{"a": ["\\ud800"]}', "UTF-8"),
        ("a.json", '{"PoleVault": ["x"], "pole vault": ["y"]}', "listed twice"),
        ("a.jsonl", '"a"\n{', "line 2: expected JSON"),
        ("a.yaml", "a: x\nb: [c\nd: y\n", r"a\.yaml, line 3: not valid YAML; expected ',' or '\]', but got ':'$"),
        ("a.txt", b"a\n\xe9t\xe9\n", "line 2: expected a list of actions as UTF-8 .* save it as UTF-8"),
        ("a.yaml", "[" * 20_000, "nested too deeply"),
        ("a.yaml", "a: &x [b]\nc: *x\n", "line 1: uses an alias"),
        ("a.yaml", "x" * 1_000_001, "characters of YAML"),
        ("a.yaml", "# nothing", "got nothing alone"),
        (
            "a.csv",
            "1,punching\n2,waving\n",
            "2 columns, and the first line does not say .* name, label, class or action",
        ),
        ("a.tsv", "1\tpunching\n2\twaving\n", "2 columns"),
        ("a.txt", "a\tb\nc\td\n", "2 columns"),
        ("a.csv", "name,label\na,b\n", "'name' and 'label' may both"),
        ("a.csv", "id,name\n1,2\n", "holds numbers"),
        ("a.csv", "id,name\n1,a\n2\n", "line 3: has 1 columns"),
        ("a.csv", 'id,name\n1,"a\n', "line 2: cannot be read as a table"),
        ("a.csv", "id,name\n1,\n2,b", "line 2: an action has an empty name"),
        ("a.csv", "name,id\n", "empty"),
        ("a.txt", "a\n" + "x" * 501 + "\n", "line 2: a name of 501 characters"),
        ("a.csv", "name,id\n" + "x" * 501 + ",1\n", "line 2: a name of 501 characters"),
        ("a.txt", "café\n".encode("latin-1"), "UTF-8.*another encoding"),
        ("a.txt", "a\nb".encode("utf-16-le"), "binary"),
        ("a.mp4", b"\0\0\0\x20ftypisom", "binary"),
        ("a.txt", "", "empty"),
        ("a.txt", "# only a remark\n", "empty"),
        ("a.html", "<html>\n<body>\n", "HTML"),
    ],
)
def test_what_is_no_list_is_refused_with_its_place(tmp_path, name, content, message):
    """Nothing is taken line by line for names; the error names the file, the place and what was expected."""
    with pytest.raises(UsageError, match=message) as caught:
        parse(tmp_path, name, content)
    if message not in ("UTF-8", "listed twice"):
        assert name in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_name_of_500_characters_is_one(tmp_path):
    """The longest name that is allowed is taken."""
    assert parse(tmp_path, "a.txt", "a\n" + "x" * 500).names[1] == "x" * 500


def test_reading_is_bounded(tmp_path, monkeypatch):
    """A file beyond the limit is refused after so many bytes, not read whole; one at the limit is read."""
    monkeypatch.setattr(files, "MAX_BYTES", 6)
    assert parse(tmp_path, "a.txt", "a\nb\ncc").names == ("a", "b", "cc")
    with pytest.raises(UsageError, match="more than"):
        parse(tmp_path, "b.txt", "a\nb\nccc")
    with pytest.raises(UsageError, match="device"):
        ClassSpace.parse("/dev/zero")


def test_folders_and_pipes(tmp_path):
    """A folder is refused by name; what a shell passes as a pipe is read."""
    with pytest.raises(UsageError, match="is a folder"):
        ClassSpace.parse(str(tmp_path))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("punching\nPoleVault\n"))
    writer.start()
    assert ClassSpace.parse(str(pipe)).names == TWO
    writer.join()


@pytest.mark.parametrize(
    "spec",
    [
        "punching;PoleVault",
        "punching\nPoleVault;",
        " punching ,, ;PoleVault, punching",
        '"punching", "PoleVault"',
        '["punching", "PoleVault"]',
        "punching、PoleVault",
        "punching；PoleVault",
    ],
)
def test_separators_of_a_typed_list(spec):
    """Commas, semicolons and line ends separate, also those of other scripts; JSON may be typed."""
    assert ClassSpace.parse(spec).names == TWO


def test_quotes_keep_a_comma():
    """A quoted name may hold a separator; slashes in a list are part of names."""
    assert ClassSpace.parse('"cutting, then eating"; push/pull').names == ("cutting, then eating", "push/pull")
    assert ClassSpace.parse("push/pull,").names == ("push/pull",)


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("push/pull", "push/pull"),
        ("nothere.yaml", r"nothere\.yaml"),
        ("nothere.CSV", r"nothere\.CSV"),
        ("waving, nothere.txt", r"nothere\.txt"),
        ("./nothere, waving", r"\./nothere"),
        (r"lists\nothere", r"lists\\nothere"),
        ("https://example.org/list", "https://example.org/list"),
    ],
)
def test_a_file_that_is_not_there_is_no_action(spec, named):
    """What looks like a path and leads nowhere is an error that names it."""
    with pytest.raises(UsageError, match=f"{named}: no such file"):
        ClassSpace.parse(spec)


def test_a_built_in_list_stands_alone():
    """One among actions is a mistake; the only word given is the list, whatever its case."""
    with pytest.raises(UsageError, match="ucf101 is a built-in list"):
        ClassSpace.parse("ucf101, waving")
    assert len(ClassSpace.parse("UCF101")) == 101


def test_near_misses_are_for_one_word_alone():
    """Actions that merely resemble a list's name, or stand among others, stay actions."""
    assert ClassSpace.parse("kinetics, waving").names == ("kinetics", "waving")
    assert ClassSpace.parse("activity").names == ("activity",)
    assert ClassSpace.parse("kicking").names == ("kicking",)


def test_what_python_passes():
    """Mappings keep their texts; paths are files; numbers on one side of a mapping are its numbering."""
    space = ClassSpace.of({"hit": ["punching", "boxing"], "wave": "waving", "x": None, "y": []})
    assert space.texts == (("punching", "boxing"), ("waving",), ("x",), ("y",))
    assert ClassSpace.of({1: "b", 0: "a"}).names == ClassSpace.of({"b": 1, "a": 0}).names == ("a", "b")
    assert ClassSpace.of(iter(["a", "b"])).names == ("a", "b")
    assert ClassSpace(["a"], ["text"]).texts == (("text",),)


def test_a_path_object_is_a_file(tmp_path):
    """A Path is read whatever its name, and never taken for an action."""
    (tmp_path / "ucf101").write_text("PoleVault")
    assert ClassSpace.of(tmp_path / "ucf101").names == ("pole vault",)
    with pytest.raises(UsageError, match="cannot be read"):
        ClassSpace.of(Path("punching"))


@pytest.mark.parametrize(
    "actions",
    [None, 5, b"punching", [1], [], {}, {"a": b"x"}, {"a": [1]}, {"a": {"b": "c"}}, [None], ["a", ""], object()],
)
def test_what_python_must_not_pass(actions):
    """Anything else is gerund's error, with the type that was given."""
    with pytest.raises(UsageError):
        ClassSpace.of(actions)
    with pytest.raises(UsageError, match=r"ClassSpace\.parse"):
        ClassSpace("ab")


@settings(max_examples=150, deadline=None)
@given(spec=st.one_of(st.text(max_size=40), st.text("[]{}\",;:\n\t/.~#-1ab'", max_size=30)))
def test_anything_typed_is_actions_or_an_error(spec):
    """No typed text ends in anything but a list of actions or gerund's error."""
    try:
        assert len(ClassSpace.parse(spec)) > 0
    except UsageError as error:
        assert str(error)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("name"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "actions", "texts", "0", "1", "hit", "steps", "source"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text("[]{}\",;:\n\t-#&*!|>1ab'name", max_size=60).map(str.encode),
        TREES.map(lambda tree: json.dumps(tree).encode()),
    ),
    ending=st.sampled_from(["", ".txt", ".json", ".jsonl", ".yaml", ".csv", ".tsv", ".mp4"]),
)
def test_any_file_is_actions_or_an_error(tmp_path_factory, content, ending):
    """No content under any ending ends in anything but a list of actions or gerund's error."""
    path = tmp_path_factory.getbasetemp() / f"fuzzed{ending}"
    path.write_bytes(content)
    try:
        space = ClassSpace.parse(str(path))
    except UsageError as error:
        assert str(error)
    else:
        assert all(name.strip() for name in space.names) and all(space.texts)
