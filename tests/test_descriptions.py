"""Descriptions: the schema and its file, readers of others' files, and what lint finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gerund import assets
from gerund.cli import app
from gerund.errors import UsageError
from gerund.text.classes import VOCABULARIES, ClassSpace
from gerund.text.descriptions import KINDS, Descriptions, Source, Text, built_in
from gerund.text.descriptions.lint import lint, summary
from gerund.text.descriptions.readers import read_descriptions

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "descriptions"
needs_files = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published description files are not at {SHARED}")
needs_clip_tokens = pytest.mark.skipif(
    not assets.is_here(assets.find_asset("clip-vocabulary")), reason="CLIP's vocabulary is not in the cache"
)

words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(str.strip)
sources = st.builds(Source, name=words, model=st.just("") | words, date=st.just("2026-11-20"), prompt=st.just("ab12"))
texts = st.builds(Text, kind=st.sampled_from(sorted(set(KINDS) - {"look_alikes"})), text=words, source=sources)


def by_kind(found):
    return [text for kind in KINDS for text in found if text.kind == kind]


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, max_size=6))
def test_what_is_written_is_read(tmp_path_factory, found):
    """Every text comes back with its kind and its whole source, in order within its kind."""
    path = tmp_path_factory.mktemp("d") / "d.jsonl"
    found = [*found, Text("look_alikes", "with a bat", other="cricket shot")]
    Descriptions({"golf": found}).write(path)
    again = Descriptions.read(path)["golf"]
    own = [t if t.source != Source() else Text(t.kind, t.text, Source(path.name), t.other) for t in by_kind(found)]
    wanted = by_kind(found) if "source" in json.loads(path.read_text()) else own
    assert [(t.kind, t.text, t.other) for t in again] == [(t.kind, t.text, t.other) for t in wanted]
    for read, written in zip(again, by_kind(found), strict=True):
        assert read.source == written.source or written.source == Source()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1"),
        ('{"definition": "x"}', 'expected an object with a "name"'),
        ('{"name": "a", "definitions": "x"}', "no kind of text 'definitions'"),
        ('{"name": "a", "steps": [1]}', "steps: expected a string"),
        ('{"name": "a"}\n{"name": "a"}', "line 2: 'a' was described before"),
        ('{"name": "ride bike"}\n{"name": "Ride_Bike"}', "one action to the look-up"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, line, said):
    """What is wrong, where, and what was expected."""
    path = tmp_path / "broken.jsonl"
    path.write_text(line)
    with pytest.raises(UsageError, match=said):
        Descriptions.read(path)


def test_merging_replaces_a_kind():
    """Texts of another file take the place of an action's texts of the same kind, and only these."""
    one = Descriptions({"golf": [Text("definition", "old"), Text("steps", "swinging")]})
    both = one.merged(Descriptions({"Golf": [Text("definition", "new")], "judo": [Text("definition", "throws")]}))
    assert both.of("golf") == ["new", "swinging"] and both.of("judo") == ["throws"]


def test_built_in_texts_are_whole():
    """All classes of all lists have a definition, three steps, a description, a context and two to five objects."""
    known = built_in()
    for vocabulary in VOCABULARIES:
        for name in ClassSpace.parse(vocabulary).names:
            counts = {kind: len(known.of(name, kind)) for kind in ("definition", "steps", "description", "context")}
            assert counts == {"definition": 1, "steps": 3, "description": 1, "context": 1}, name
            assert 2 <= len(known.of(name, "objects")) <= 5, name
    assert {text.source.name for texts in known.values() for text in texts} == {"gerund"}
    others = {text.other for texts in known.values() for text in texts if text.kind == "look_alikes"}
    assert all(known.find(other) for other in others)


@needs_clip_tokens
def test_built_in_texts_lint_clean():
    """Gerund's own texts have no fault, and each fits CLIP's window behind a template and its name."""
    done = CliRunner().invoke(app, ["descriptions", "lint", "--tokenizer", "clip"])
    assert done.exit_code == 0, done.output
    assert done.output.strip().splitlines()[-1] == "0 findings in 0 of 880 actions"


PLANTED = {
    "playing guitar": [Text("definition", "a person strums the strings of a guitar")],
    "eating cake": [Text("definition", "a person strums the strings of a guitar")],
    "table tennis shot": [Text("definition", "put food into the mouth and chew and swallow it")],
    "juggling balls": [Text("description", "keeping balls in the air, harder than playing guitar")],
    "abseiling": [Text("description", "Action label: abseiling. Description: going down a rope")],
    "cumbia": [Text("description", "I'm sorry, but I am not sure what you mean.")],
    "yoga": [Text("objects", "person"), Text("objects", "mat"), Text("objects", "mat"), Text("steps", "...")],
}


def test_planted_faults_are_found():
    """Each planted fault is found in its action by its rule: duplicate, sense, leak, scaffold, refusal and the rest."""
    found = {(f.name, f.rule) for f in lint(Descriptions(PLANTED), known=built_in())}
    assert found == {
        ("playing guitar", "duplicate"),
        ("eating cake", "duplicate"),
        ("table tennis shot", "wrong sense"),
        ("juggling balls", "leak"),
        ("abseiling", "scaffold"),
        ("cumbia", "refusal"),
        ("yoga", "generic"),
        ("yoga", "repeated"),
        ("yoga", "empty"),
    } | ({("eating cake", "wrong sense")} if "eating cake" in built_in() else set())


def test_near_duplicates_are_found_but_not_of_one_action():
    """Six of seven words in common are nearly the same text, unless the names mean one action."""
    one = "a swimmer crosses the cold lake towing an orange buoy"
    other = "a swimmer crosses the cold lake towing an orange buoy slowly"
    assert [f.rule for f in lint(Descriptions({"x": [Text("definition", one)], "y": [Text("definition", other)]}))] == [
        "near-duplicate",
        "near-duplicate",
    ]
    same = {"ride bike": [Text("definition", one)], "riding a bike": [Text("definition", other)]}
    assert lint(Descriptions(same)) == []


def test_tokens_are_counted_behind_template_and_name():
    """A text is cut when template, name and text together have more tokens than are read."""
    texts = Descriptions({"run": [Text("steps", "one two three")]})
    count = lambda text: len(text.split())  # noqa: E731
    assert lint(texts, count_tokens=count, most_tokens=8) == []
    (cut,) = lint(texts, count_tokens=count, most_tokens=7)
    assert (cut.rule, cut.detail) == ("truncated", "8 tokens, 7 are read")
    assert summary(texts, [cut]) == "1 finding in 1 of 1 actions: 1 truncated (100.0 % of steps)"


@needs_files
@needs_clip_tokens
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("ucf101_description", "96 truncated (95.0 % of description)"),
        ("hmdb51_description", "30 truncated (58.8 % of description)"),
        ("k600_splitted_description", "118 truncated (19.7 % of description)"),
        ("k600_splitted_description", "596 scaffold (99.3 % of description); 4 refusal"),
    ],
)
def test_faults_of_tear_are_found(file, said):
    """Known shares of TEAR's descriptions are cut by CLIP, and all but the four refusals for K600 have a scaffold."""
    path = SHARED / "tear" / f"{file}.json"
    done = CliRunner().invoke(app, ["descriptions", "lint", str(path), "--tokenizer", "clip", "-q"])
    assert done.exit_code == 1 and said in done.output.strip().splitlines()[-1]


@needs_files
def test_real_faults_of_elaborative_rehearsal_are_found():
    """The published definitions of a table tennis shot, of picking and of cracking the back are of another sense."""
    found = {}
    for file in ("ucf101", "hmdb51", "k620"):
        texts = read_descriptions(SHARED / "er_descriptions" / f"{file}_label_defn.json")
        found |= {f.name: f for f in lint(texts, known=built_in()) if f.rule == "wrong sense"}
    assert {"table tennis shot", "pick", "cracking back"} <= set(found)


@needs_files
@pytest.mark.parametrize(
    ("dataset", "classes", "whole"), [("ucf101", 101, 101), ("hmdb51", 51, 51), ("k600_splitted", 600, 542)]
)
def test_tear_files_add_up(dataset, classes, whole):
    """Steps, description and context with objects make up the file of all texts, and each keeps its kind in it."""
    parts = [
        read_descriptions(SHARED / "tear" / f"{dataset}_{kind}.json")
        for kind in ("decomposition", "description", "context")
    ]
    everything = read_descriptions(SHARED / "tear" / f"{dataset}_all.json")
    assert len(everything) == classes and all(len(part) == classes for part in parts)
    joined = {name: [(t.kind, t.text) for part in parts for t in part[name]] for name in everything}
    texts = {name: [text for _, text in of] for name, of in joined.items()}
    raw = json.loads((SHARED / "tear" / f"{dataset}_all.json").read_text())
    added = [name for name in everything if texts[name] == raw[name]]
    assert len(added) == whole
    assert all([(t.kind, t.text) for t in everything[name]] == joined[name] for name in added)


@needs_files
def test_every_published_file_is_read():
    """ER, TEAR, OST, STDD and GAP: every file of texts is read, and a word list is refused with the known kinds."""
    numbers = []
    for path in sorted(SHARED.glob("*/*")):
        if "word_list" in path.name or path.name.startswith("classes_label"):
            with pytest.raises(UsageError):
                read_descriptions(path)
            continue
        count = len(json.loads(path.read_text())) if path.parent.name == "ost" else 0
        found = read_descriptions(path, classes=[f"class {n}" for n in range(count)])
        numbers.append(len(found))
        assert "only_label" in path.name or sum(map(len, found.values())) >= len(found)
    assert len(numbers) > 80


@needs_files
def test_knowledge_graph_statistics():
    """STDD's Kinetics graph has 1 to 10 objects a class, 5.9 in the mean, and 2 to 10 steps, 5.3 in the mean."""
    graph = read_descriptions(SHARED / "stdd" / "classes_ASKG_k400.yml")
    for kind, least, mean, most in (("objects", 1, 5.9, 10), ("steps", 2, 5.3, 10)):
        counts = [len(graph.of(name, kind)) for name in graph]
        assert (min(counts), round(sum(counts) / len(counts), 1), max(counts)) == (least, mean, most)


def test_show_stats_and_convert(tmp_path):
    """The commands read what others wrote, say what is missing with 1, and refuse what is no file with 2."""
    source = tmp_path / "er.json"
    source.write_text(json.dumps([{"word": "waving", "defn": "moving a hand from side to side"}]))
    run = lambda *given: CliRunner().invoke(app, ["descriptions", *map(str, given)])  # noqa: E731
    assert "1 texts of 1 actions; words: 7 to 7" in run("stats", source).output
    out = tmp_path / "ours.jsonl"
    assert run("convert", source, "--out", out).exit_code == 0
    assert Descriptions.read(out)["waving"][0].source.name == "ER (er.json)"
    assert run("convert", source, "--out", source).exit_code == 2
    shown = run("show", "Waving, Fußball spielen", "--in", out)
    assert shown.exit_code == 1 and "moving a hand" in shown.output and "nothing is written about it" in shown.output
    assert run("show", "playing guitar").exit_code == 0
    assert run("stats", tmp_path / "gone.json").exit_code == 2
    assert run("lint", source, "--only", "spelling").exit_code == 2
