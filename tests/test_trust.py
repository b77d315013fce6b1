"""What is data stays data: no report, trained folder or store of features decides what code runs or what is fetched."""

from __future__ import annotations

import ast
import json
import os
import pickle
import py_compile
import socket
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gerund as package
from gerund.bench.runs import assembly
from gerund.bench.runs.evaluate import evaluate
from gerund.bench.runs.request import Request
from gerund.bench.runs.toyworld import ToyWorld
from gerund.cli import app
from gerund.encoders.networks.i3d import _ArrayUnpickler
from gerund.encoders.weights import legacy
from gerund.encoders.weights.checkpoint import find_name
from gerund.errors import GerundError, UsageError
from gerund.methods.recognizers.eszsl import Eszsl
from gerund.methods.training.saved import load, save
from gerund.own import file_sha256, run_file
from gerund.reading import DamageError
from gerund.text.classes import ClassSpace
from hidden_map import hidden_map

SOURCE = Path(package.__file__).parent

CANARY = """
from pathlib import Path

import numpy as np

Path(__file__).with_name("ran").touch()


class Mine:
    takes = "vector"

    def __init__(self, texts, ridge=1.0):
        self.texts, self.ridge = texts, ridge

    def fit(self, examples, classes):
        x, y = examples.inputs.vectors, self.texts.encode_classes(classes)[examples.labels]
        self.map_ = np.linalg.solve(x.T @ x + self.ridge * np.eye(x.shape[1]), x.T @ y)
        return self

    def score(self, inputs, classes):
        return inputs.vectors @ self.map_ @ self.texts.encode_classes(classes).T

    def state(self):
        return {"map": self.map_}

    def restore(self, state):
        self.map_ = state["map"]
"""


def gerund(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def said(result):
    return " ".join(result.output.split())


@pytest.fixture
def canary(tmp_path):
    """A report of a method in a file that leaves a mark whenever it is run; the mark of the evaluation is wiped off."""
    file, report = tmp_path / "canary.py", tmp_path / "r.json"
    file.write_text(CANARY)
    done = gerund("evaluate", f"{file}:Mine", "--on", "toyworld", "--splits", "0", "--out", report, "-q")
    assert done.exit_code == 0, done.output
    (tmp_path / "ran").unlink()
    run_file.__globals__["_run"].cache_clear()
    return file, report, tmp_path / "ran"


def change(report, **changes):
    """Overwrites parts of a report; ``method`` and ``request`` key by key."""
    content = json.loads(report.read_text())
    for key, value in changes.items():
        content[key] = content[key] | value if isinstance(value, dict) else value
    report.write_text(json.dumps(content))


def test_a_report_runs_no_file_without_leave(canary):
    """Rerun ends with 2, says which file would be run, and does not run it."""
    file, report, mark = canary
    found = gerund("rerun", report, "-q")
    assert found.exit_code == 2 and str(file) in said(found) and "--allow-code" in said(found)
    assert not mark.exists()
    assert gerund("rerun", report, "-q", "--allow-code").exit_code == 0
    assert mark.exists()


def test_a_report_runs_no_other_file(canary):
    """A file that was changed since, or another one that the report is made to name, is not run even with leave."""
    file, report, mark = canary
    file.write_text(CANARY + "\n# changed")
    found = gerund("rerun", report, "-q", "--allow-code")
    assert found.exit_code == 2 and str(file) in said(found) and not mark.exists()
    other = file.with_name("other.py")
    other.write_text(CANARY.replace("Mine", "Yours"))
    change(report, request={"method": f"{other}:Yours"})
    assert gerund("rerun", report, "-q", "--allow-code").exit_code == 2 and not mark.exists()


def test_a_report_without_the_hash_of_its_file_cannot_be_verified(canary):
    """Neither a hash that is missing nor one that is empty lets a file run."""
    _, report, mark = canary
    change(report, method={"file_sha256": ""})
    found = gerund("rerun", report, "-q", "--allow-code")
    assert found.exit_code == 2 and "cannot be verified" in said(found) and not mark.exists()


def test_compiled_code_beside_a_file_is_not_run(canary):
    """What runs are the bytes that were hashed, not a cache that claims to be made of them."""
    file, report, mark = canary
    honest = file.stat()
    evil = file.with_name("evil.py")
    evil.write_text(CANARY.replace('"ran"', '"bad"'))
    os.utime(evil, ns=(honest.st_atime_ns, honest.st_mtime_ns))
    py_compile.compile(str(evil), cfile=cache_from_source(str(file)), dfile=str(file), doraise=True)
    assert gerund("rerun", report, "-q", "--allow-code").exit_code == 0
    assert mark.exists() and not file.with_name("bad").exists()


def test_the_hash_is_that_of_what_was_run(tmp_path):
    """A file that is changed behind its class keeps the hash of what was run, and a second look refuses it."""
    file = tmp_path / "canary.py"
    file.write_text(CANARY)
    first = run_file(file)
    file.write_text(CANARY + "\n# changed")
    assert file_sha256(first.module.Mine) == first.sha256
    with pytest.raises(UsageError, match="is not the code"):
        run_file(file, first.sha256)
    assert run_file(file).sha256 != first.sha256


def test_a_report_cannot_say_where_a_method_writes(canary, tmp_path):
    """Arguments that are no settings, such as a folder for checkpoints, are refused in a request from anywhere."""
    _, report, _ = canary
    change(report, request={"method": "devise", "settings": {"folder": [str(tmp_path / "elsewhere")]}})
    found = gerund("rerun", report, "-q")
    assert found.exit_code == 2 and "folder" in said(found)
    with pytest.raises(UsageError, match="no setting"):
        Request("devise", "toyworld", settings={"device": ["cuda"]})


def test_answers_lie_beside_their_report(canary):
    """A report whose file of answers lies elsewhere is refused, not followed."""
    _, report, _ = canary
    for place in ("../r.answers.npz", "/etc/passwd", "a/b.npz", "..", "a\\b.npz"):
        change(report, predictions={"file": place})
        found = gerund("report", report, "--recompute")
        assert found.exit_code == 2 and "beside the report" in said(found)


WORLD = hidden_map(seen=12, unseen=6, videos=4, dim=10, dim_text=5)


@pytest.fixture
def folder(tmp_path):
    """A trained method of gerund's own."""
    save(Eszsl(WORLD.texts).fit(WORLD.train, ClassSpace(WORLD.seen.names)), tmp_path / "eszsl")
    return tmp_path / "eszsl"


def rewrite(folder, **changes):
    content = json.loads((folder / "method.json").read_text())
    (folder / "method.json").write_text(json.dumps(content | changes))


@pytest.mark.parametrize(
    "home",
    [
        "gerund.methods.catalog:class_of",
        "gerund.own:run_file",
        "gerund.methods.recognizers.elaborate.layers:BertBackbone",
        "gerund.methods.training.learner:Learner",
        "os:system",
        "gerund.methods.recognizers.eszsl",
        ":",
        "canary.py:Mine",
    ],
)
def test_a_trained_folder_names_a_method_and_nothing_else(folder, home):
    """What is not on gerund's list of methods is not imported, wherever it lies."""
    rewrite(folder, method=home)
    with pytest.raises(UsageError, match="not one of gerund's own methods"):
        load(folder, texts=WORLD.texts)


def test_a_method_that_does_not_learn_is_not_loaded(folder):
    """Of gerund's methods those that are training-free have nothing to take up."""
    rewrite(folder, method="gerund.methods.recognizers.tear:Tear", settings={}, parts={})
    with pytest.raises(UsageError, match="does not learn"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": {"folder": "/tmp/elsewhere"}}, "no setting 'folder'"),
        ({"settings": {"map_": 1}}, "no setting 'map_'"),
        ({"parts": {"device": "x"}}, "no setting 'device'"),
        ({"settings": []}, "object"),
        ({"parts": {"texts": 3}}, "parts"),
        ({"learned_sha256": None}, "learned_sha256"),
        ({"settings": {"targets": 3, "alpha": "x"}}, None),
    ],
)
def test_a_trained_folder_with_odd_settings_is_an_error(folder, changes, said):
    """Settings that the method has not, or of another type, are told in one line or do no harm."""
    rewrite(folder, **changes)
    if said is None:
        assert load(folder, texts=WORLD.texts).alpha == "x"
        return
    with pytest.raises(GerundError, match=said):
        load(folder, texts=WORLD.texts)


def test_arrays_that_are_not_the_methods_are_an_error(folder, tmp_path):
    """Learned arrays under other names are refused when they are loaded, not when they are asked."""
    other = tmp_path / "other"
    save(_Named(), other)
    content = json.loads((other / "method.json").read_text())
    rewrite(folder, learned_sha256=content["learned_sha256"])
    (folder / "learned.safetensors").write_bytes((other / "learned.safetensors").read_bytes())
    with pytest.raises(GerundError, match="cannot be taken up as a Eszsl; KeyError: 'map'"):
        load(folder, texts=WORLD.texts)


class _Named:
    """Learns an array of another name."""

    def state(self):
        return {"elsewhere": WORLD.test.inputs.vectors}

    def restore(self, state):
        pass


def test_a_large_description_of_a_method_is_not_read(folder):
    """A method.json of megabytes is none."""
    (folder / "method.json").write_text(" " * (1 << 20) + (folder / "method.json").read_text())
    with pytest.raises(GerundError, match="1 MiB"):
        load(folder, texts=WORLD.texts)


def test_a_trained_method_of_a_users_file_needs_the_same_file(canary, tmp_path):
    """It is named by a person; when the file has changed, or the folder does not say what it was, it is refused."""
    file, _, _ = canary
    mine = (f"{file}:Mine", "--on", "toyworld", "--splits", "0")
    assert gerund("train", *mine, "--out", tmp_path / "t", "-q").exit_code == 0
    trained = ("--trained", tmp_path / "t", "-q")
    assert gerund("evaluate", *mine, *trained).exit_code == 0
    with pytest.raises(UsageError, match="not one of gerund's own"):
        load(tmp_path / "t" / "split-0")
    rewrite(tmp_path / "t" / "split-0", file_sha256="")
    found = gerund("evaluate", *mine, *trained)
    assert found.exit_code == 2 and "cannot be verified" in said(found)
    rewrite(tmp_path / "t" / "split-0", file_sha256="0" * 64)
    found = gerund("evaluate", *mine, *trained)
    assert found.exit_code == 2 and "train it again" in said(found)


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to connect fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def never(name):
    raise AssertionError(f"{name} was to be loaded")


def test_features_and_reports_fetch_no_model_of_the_hub(canary, monkeypatch, no_network):
    """A hub name that only a store of features or a report says is looked for on this machine, and refused."""
    monkeypatch.setattr(ToyWorld, "describe", lambda world: {"encoder": "nobody/nothing", "fingerprint": "f"})
    with pytest.raises(UsageError, match=r"nobody/nothing, which is not on this machine"):
        evaluate(Request("similarity", "toyworld"), load_encoder=never)
    with pytest.raises(AssertionError, match="was to be loaded"):
        evaluate(Request("similarity", "toyworld", model="nobody/nothing"), load_encoder=never)
    _, report, _ = canary
    change(report, request={"method": "similarity", "model": "nobody/nothing"})
    found = gerund("rerun", report, "-q")
    assert found.exit_code == 2 and "Only a file says so" in said(found)
    change(report, request={"method": "elaborate", "model": "", "settings": {"bert": ["nobody/nothing"]}})
    found = gerund("rerun", report, "-q")
    assert found.exit_code == 2 and "nobody/nothing" in said(found)
    assert assembly.require_here("i3d-minilm") is None


def test_a_trained_folder_fetches_no_model_of_the_hub(tmp_path, no_network):
    """A BERT that a trained folder names is looked for on this machine only."""
    pytest.importorskip("torch")
    from gerund.methods.recognizers.elaborate.method import Elaborate

    with pytest.raises(GerundError, match="nobody/nothing is not in the hub's cache"):
        Elaborate(bert="nobody/nothing").restore({})


ALLOWED = {
    ("__init__.py", "import_module"): "public names, out of a table in the file",
    ("methods/card.py", "import_module"): "the homes of gerund's own cards",
    ("discovery.py", "import_module"): "the files of a folder of gerund's own",
    ("encoders/catalog.py", "import_module"): "the files of gerund's own folder encoders/families",
    ("own.py", "loader.exec_module"): "the file that a person names, by its hash",
    ("own.py", "module_from_spec"): "the same",
    ("own.py", "spec_from_loader"): "the same",
    ("own.py", "self.source_to_code"): "the same",
    ("methods/training/processes.py", "dist.broadcast_object_list"): "between the processes of one run; SECURITY.md",
    ("assets/package_index.py", "subprocess.run"): "pip, with fixed arguments",
    ("encoders/networks/i3d.py", "pickle.Unpickler"): "an allow-list of names",
    ("reading.py", "yaml.load"): "a loader of its own, plainer than safe_load",
    ("chores/programs.py", "subprocess.Popen"): "programs that a person installed, with words of gerund's, no shell",
    ("video/process.py", "subprocess.Popen"): "gerund's own module that decodes, with fixed arguments",
    ("methods/recognizers/elaborate/layers.py", "AutoTokenizer.from_pretrained"): "trust_remote_code=False",
    ("encoders/engines/torch.py", "torch.compile"): "a module made from gerund's own graph",
}
"""Every place in src that could turn data into code, and why it does not."""

ANYWHERE = {
    "__import__", "import_module", "exec_module", "module_from_spec", "source_to_code", "spec_from_file_location",
    "spec_from_loader", "run_path", "run_module", "load_module", "popen", "unsafe_load", "full_load", "Unpickler",
    "broadcast_object_list", "all_gather_object", "from_pretrained", "read_pickle",
}  # fmt: skip
"""Functions that run, or import by name, whatever they belong to."""
BUILT_IN = {"eval", "exec", "compile"}
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy", "code", "codeop", "jsonpickle"}
OWNERS = {"subprocess", "torch.jit", "torch.hub", "torch.package", *MODULES}
NAMES = {"os.system", "os.popen", "torch.compile"}
SAFE = {"np.load": ("allow_pickle", "False"), "torch.load": ("weights_only", "True")}
NEVER = {"allow_pickle": "True", "shell": "True", "trust_remote_code": "True", "weights_only": "False"}


def is_risky(call):
    """Whether a call could run what it reads."""
    name = ast.unparse(call.func)
    owner, _, last = name.rpartition(".")
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if last in ANYWHERE or name in NAMES or (not owner and last in BUILT_IN):
        return True
    if (owner in OWNERS or owner.startswith("pickle.")) and last != "UnpicklingError":
        return True
    if name in SAFE and keywords.get(SAFE[name][0]) != SAFE[name][1]:
        return True
    if last in ("load", "load_all") and (owner == "yaml" or "Loader" in keywords):
        return True
    return any(keywords.get(name) == value for name, value in NEVER.items())


def risky(path):
    """Calls and bases of classes in a file that could run what they read."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            yield from (ast.unparse(base) for base in node.bases if ast.unparse(base).endswith("pickle.Unpickler"))
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES | {"subprocess"}:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call) and is_risky(node):
            yield ast.unparse(node.func)


def test_nothing_in_src_turns_data_into_code():
    """Unpickling, evaluating, importing by name and starting programs happen where the list says, nowhere else."""
    found = {(path.relative_to(SOURCE).as_posix(), name) for path in SOURCE.rglob("*.py") for name in risky(path)}
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)", "pickle.load(file)", "pickle.loads(text)", "np.load(path)", "np.load(path, allow_pickle=True)",
        "torch.load(path)", "torch.load(path, weights_only=False)", "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)", "os.system(text)", "subprocess.run(text)", "exec(text)", "__import__(name)",
        "importlib.import_module(name)", "torch.jit.load(path)", "from pickle import loads", "marshal.loads(b)",
        "anything(text, shell=True)", "AutoModel.from_pretrained(name)", "class A(pickle.Unpickler): pass",
    ],
)  # fmt: skip
def test_the_search_is_not_blind(tmp_path, line):
    """Each way of running what was read is found where it is planted."""
    (tmp_path / "a.py").write_text(line)
    assert list(risky(tmp_path / "a.py"))


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "builtins.getattr", "gerund.own.run_file"])
def test_every_pickle_is_refused_what_is_not_known(name):
    """No checkpoint can ask for a function that runs something, whatever road it is read on."""
    module, _, last = name.rpartition(".")
    with pytest.raises(pickle.UnpicklingError):
        _ArrayUnpickler.__new__(_ArrayUnpickler).find_class(module, last)
    for find in (find_name, legacy._find, legacy._refuse):
        with pytest.raises(DamageError):
            find(module, last)


def test_security_says_what_is_data():
    """SECURITY.md has a section for every kind of data, and the README leads there."""
    root = Path(__file__).parents[1]
    text = (root / "SECURITY.md").read_text()
    for kind in (
        "Videos", "Action lists", "Descriptions", "Features", "Checkpoints", "Reports", "Trained folders", "Playlists",
        "A model server's replies", "Archives of videos", "Lists of clips",
    ):  # fmt: skip
        assert f"### {kind}" in text
    assert "SECURITY.md" in (root / "README.md").read_text()
