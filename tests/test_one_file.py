"""What comes with gerund is one new file each: in a copy, the command line knows it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import gerund
from gerund.bench.protocols import benchmarks, verify
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.card import ProtocolCard
from gerund.bench.runs import measuring
from gerund.bench.runs.measuring import Measure, main_figure, measure
from gerund.bench.runs.toyworld import ToyWorld
from gerund.errors import GerundError, UsageError
from gerund.sinks.base import OutputFormat
from gerund.sinks.formats import choose_format, formats
from stub import write_colours
from test_reports import LOCATED, RECOGNISED

TESTS = Path(__file__).parent
ACTIONS = "showing red, showing green"

METRIC = '''
"""How many answers of a split are right, as a share of a hundred."""
from gerund.bench.runs.measuring import Measure

def _right(answers, benchmark, free):
    right = sum(int((one.scores.argmax(axis=1) == one.labels).sum()) for one in answers)
    return {"right videos": 100 * right / sum(one.num_videos for one in answers)}

MEASURES = (Measure(("recognition",), _right),)
'''

PROTOCOL = '''
"""Two dives of THUMOS14."""
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.card import ProtocolCard, Published

def _dives():
    split = Split("0", (), ("CliffDiving", "Diving"))
    return Benchmark("", "localization", "thumos14", "thumos14", (split,), test_subset="test", tious=(0.5,))

PROTOCOLS = (
    ProtocolCard(
        "thumos14-dives", _dives, sizes=(1, 1, 0, 2, 0), sha256="%s",
        published=(Published("thumos14-dives", "Somebody", {"average mAP": (12.5, None)}, "Table 1", "F"),),
    ),
)
'''


@pytest.fixture
def copy(tmp_path):
    """A copy of gerund, and a way to type commands to it."""
    house = tmp_path / "copy" / "gerund"
    shutil.copytree(Path(gerund.__file__).parent, house, ignore=shutil.ignore_patterns("__pycache__"))

    def typed(*words, code="from gerund.cli import main; main()"):
        whole = f"import sys; sys.path[:0] = [{str(house.parent)!r}, {str(TESTS)!r}]; {code}"
        done = subprocess.run(
            [sys.executable, "-c", whole, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": "", "COLUMNS": "200", "GERUND_DATA": ""},
            cwd=tmp_path,
        )
        return SimpleNamespace(exit_code=done.returncode, stdout=done.stdout, output=done.stdout + done.stderr)

    return SimpleNamespace(house=house, typed=typed)


def test_a_metric_is_one_file(copy, tmp_path):
    """A new figure stands in the report of a run, is averaged over splits, and is proved from the answers."""
    (copy.house / "bench/runs/measures/right.py").write_text(METRIC)
    out = tmp_path / "r.json"
    done = copy.typed("evaluate", "eszsl", "--on", "toyworld", "--set", "alpha=1", "--out", out)
    assert done.exit_code == 0, done.output
    rows = {
        line.split("  ")[0]: line.split()[-4:]
        for line in done.stdout.splitlines()
        if line.startswith(("right", "top-1 "))
    }
    assert rows["right videos"] == rows["top-1"] and rows["top-1"][-1] == "3"
    proved = copy.typed("report", out, "--recompute")
    assert proved.exit_code == 0 and "15 figures, all the same" in proved.output


def test_a_protocol_is_one_file(copy, tmp_path):
    """A new protocol is listed, proved, and evaluated, with the figures that others published on it."""
    space: dict = {}
    exec(PROTOCOL % "", space)
    sha256 = replace(space["_dives"](), name="thumos14-dives").sha256
    (copy.house / "bench/protocols/families/dives.py").write_text(PROTOCOL % sha256)
    verified = copy.typed("benchmarks", "verify", "thumos14-dives")
    assert verified.exit_code == 0 and re.search(r"thumos14-dives +1 +splits, sizes, hash +ok", verified.stdout)
    (tmp_path / "t.csv").write_text("video-id,t-start,t-end,label\nv,0,5,Diving\nv,8,9,CliffDiving\n")
    (tmp_path / "p.csv").write_text("video-id,t-start,t-end,label,score\nv,0,5,Diving,0.5\n")
    done = copy.typed("evaluate", "X", "--on", "thumos14-dives", "--predictions", "p.csv", "--truth", "t.csv")
    assert done.exit_code == 0, done.output
    assert re.search(r"average mAP +50\.00", done.stdout) and "Somebody" in done.stdout and sha256[:12] in done.stdout


def test_a_format_is_one_file(copy, tmp_path):
    """The format that docs/answers.md shows, as it stands there, is written by its ending and by its name."""
    (example,) = re.findall(r"```python\n(.+?)```", (TESTS.parent / "docs" / "answers.md").read_text(), re.S)
    (copy.house / "sinks" / "labels.py").write_text(example)
    write_colours(tmp_path / "a.mp4", ["red", "green"])
    stub = (
        "import gerund.api; from gerund.api import Model; from stub import ColourEncoder; "
        "gerund.api.load = lambda *_, **__: Model(ColourEncoder()); from gerund.cli import main; main()"
    )
    words = ("locate", "a.mp4", "--actions", ACTIONS)
    done = copy.typed(*words, "--to", "found.lab", "--csv", "found.csv", "-q", code=stub)
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "found.lab").read_text().splitlines()
    assert len(lines) >= 2 and {line.split("\t")[2] for line in lines} <= {"showing red", "showing green"}
    assert len((tmp_path / "found.csv").read_text().splitlines()) == len(lines) + 1
    refused = copy.typed("classify", "a.mp4", "--actions", ACTIONS, "--to", "x.lab", code=stub)
    assert refused.exit_code == 2 and "labels cannot show a list of actions" in refused.output


STUB = (
    "import gerund.api; from gerund.api import Model; from stub import ColourEncoder; "
    "gerund.api.load = lambda *_, **__: Model(ColourEncoder()); from gerund.cli import main; main()"
)
EXAMPLES = TESTS.parent / "examples"


def test_a_recognizer_is_one_file(copy):
    """The example with a card at its end, put into the folder of recognizers, is listed and evaluated by its name."""
    card = "\nfrom gerund.methods.card import MethodCard\nCARDS = (MethodCard('ridge', Ridge, 'ridge regression'),)\n"
    (copy.house / "methods/recognizers/ridge.py").write_text((EXAMPLES / "recognizer.py").read_text() + card)
    assert "ridge regression" in copy.typed("methods", "list").stdout
    done = copy.typed("evaluate", "ridge", "--on", "toyworld", "--set", "strength=0.1,10")
    assert done.exit_code == 0, done.output


def test_a_localizer_is_one_file(copy, tmp_path):
    """The same for the folder of localizers; it answers about a video."""
    card = (
        "\nfrom gerund.methods.card import MethodCard\n"
        "CARDS = (MethodCard('peaks', Peaks, 'stretches above the mean', task='localization'),)\n"
    )
    (copy.house / "methods/localizers/peaks.py").write_text((EXAMPLES / "localizer.py").read_text() + card)
    write_colours(tmp_path / "a.mp4", ["red", "green"])
    done = copy.typed("locate", "a.mp4", "--actions", ACTIONS, "--method", "peaks", "--json", "-", code=STUB)
    assert done.exit_code == 0 and '"method": "peaks"' in done.stdout, done.output


def test_an_encoder_is_one_file(copy, tmp_path):
    """The same for the families of encoders; it is listed, and its features are kept."""
    card = (
        "\nfrom gerund.encoders import EncoderCard\n"
        "CARDS = (EncoderCard('colours', 'colours of a grid', 'video', lambda order: Colours(), dim=48),)\n"
        "Colours.fingerprint = 'colours-1'\n"
    )
    (copy.house / "encoders/families/colours.py").write_text((EXAMPLES / "encoder.py").read_text() + card)
    assert "colours of a grid" in copy.typed("models", "show", "colours").stdout
    write_colours(tmp_path / "a.mp4", ["red", "green"])
    done = copy.typed("extract", "a.mp4", "--encoder", "colours", "--out", "features")
    assert done.exit_code == 0 and "x 48" in done.stdout, done.output


# what a new file may get wrong


def test_figures_of_one_name_are_refused(monkeypatch):
    """Two measures that give the same figure, or one that gives no number, are an error and no silent choice."""
    world = ToyWorld().benchmark
    for of, said in ((lambda *_: {"top-1": 1.0}, "two measures"), (lambda *_: {"x": float("nan")}, "no number")):
        given = (*measuring._all(), Measure(("recognition",), of))
        monkeypatch.setattr(measuring, "_all", lambda given=given: given)
        with pytest.raises(GerundError, match=said):
            measure([RECOGNISED], world, frozenset())
        monkeypatch.undo()
    assert "top-1" in measure([RECOGNISED], world, frozenset())


def test_answers_of_another_kind_are_refused():
    """Segments are no answers to a protocol of recognition, nor scores to one of localization."""
    where = Benchmark("l", "localization", "thumos14", "thumos14", (), tious=(0.5,))
    for answers, benchmark in (([LOCATED], ToyWorld().benchmark), ([RECOGNISED, LOCATED], where)):
        with pytest.raises(UsageError, match="answers of another kind"):
            measure(answers, benchmark, frozenset())
    assert measure([], where, frozenset()) == {} and main_figure("dancing") == ""


def test_two_protocols_of_one_name_are_refused(monkeypatch):
    """A file may not take the place of a protocol that is there."""
    twice = SimpleNamespace(__name__="mine", PROTOCOLS=(ProtocolCard("ucf101-truze", lambda: None),))
    real = tuple(benchmarks.modules_of(benchmarks.families))
    monkeypatch.setattr(benchmarks, "modules_of", lambda folder: (*real, twice))
    with pytest.raises(UsageError, match="two protocols are called ucf101-truze; the one in mine"):
        benchmarks._cards()


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ("a.xyz", "actions", "no format ends like that; there are .csv, or give NAME=FILE"),
        ("a", "segments", "there are .html, .vtt, .csv"),
        ("a.jsonl", "segments", "--json a.jsonl writes JSON Lines"),
        ("a.vtt", "actions", "subtitles cannot show a list of actions"),
        ("page=-", "segments", "no format ends like that"),
    ],
)
def test_a_file_without_format_is_refused(given, kind, said):
    """An ending that nobody writes, a record, and answers that a format cannot show are told with what there is."""
    with pytest.raises(UsageError, match=re.escape(said)):
        choose_format(given, kind)


def test_formats_are_found_by_ending_and_by_name():
    """Case plays no part; a name before = wins over the ending; a path with = in it stays one."""
    assert {one.name for one in formats()} >= {"csv", "vtt", "html"}
    for given, name, target in (
        ("A.CSV", "csv", "A.CSV"),
        ("csv=a.vtt", "csv", "a.vtt"),
        ("x=y.vtt", "vtt", "x=y.vtt"),
    ):
        found, to = choose_format(given, "segments")
        assert isinstance(found, OutputFormat) and (found.name, to) == (name, target)


def test_to_writes_what_the_options_write(run, tmp_path):
    """--to a.csv and --csv, --to a.vtt and --vtt give the same bytes, and - is standard output alone."""
    video = write_colours(tmp_path / "a.mp4", ["red", "green"])
    words = ("locate", video, "--actions", ACTIONS)
    one, two, page = (tmp_path / name for name in ("one", "two", "p.html"))
    options = ("--csv", one, "--to", two.with_suffix(".csv"), "--to", "csv=-", "--to", two.with_suffix(".vtt"))
    printed = run(*words, *options, "--vtt", one.with_suffix(".vtt"), "--to", page, "--embed", "none")
    assert printed.exit_code == 0
    assert one.read_text() == two.with_suffix(".csv").read_text() == printed.stdout
    assert one.with_suffix(".vtt").read_text() == two.with_suffix(".vtt").read_text()
    assert "a.mp4" in page.read_text()
    twice = run(*words, "--csv", tmp_path / "c.csv", "--to", tmp_path / "c.csv")
    assert twice.exit_code == 2 and "named for two outputs" in " ".join(twice.output.split())
    shutil.copy(video, video.with_name("b.mp4"))
    several = run("locate", video, video.with_name("b.mp4"), "--actions", ACTIONS, "--to", tmp_path / "x.vtt")
    assert several.exit_code == 2 and "several videos need a file each" in several.output
    assert run(*words, "--embed", "none", "--to", tmp_path / "c.csv").exit_code == 2


def test_a_protocol_that_nobody_froze_fails():
    """Without a hash of its own a protocol is not proved, and the whole hash to freeze is said; with it, it is."""
    mine = replace(ToyWorld().benchmark, name="mine", train_on="hmdb51", test_on="hmdb51")
    for sha256, state in (("", "failed"), ("0" * 64, "failed"), (mine.sha256, "ok")):
        card = ProtocolCard("mine", lambda: mine, sizes=(3, 3, 40, 16, 0), sha256=sha256)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(verify, "PROTOCOLS", {"mine": card})
            checks = {check.what: check for check in verify.check_protocol(mine)}
        assert checks["hash"].state == state and checks["sizes"].state == "ok"
        assert (mine.sha256 in checks["hash"].detail) == (not sha256)
