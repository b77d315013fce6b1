"""Rows of a classifier for any name: learners on a world they can know, then I3D's own rows and real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gerund
import gerund.api
from gerund import ClassSpace, UsageError, Video
from gerund.assets import find_asset, is_here
from gerund.cli import app
from gerund.encoders.base import unit
from gerund.encoders.catalog import find_encoder
from gerund.encoders.engines import require
from gerund.encoders.table import VectorTable
from gerund.features import extract
from gerund.methods import Contrast, Similarity
from gerund.methods.recognizers import rows
from gerund.methods.recognizers.rows import ROW_MODELS, RowEncoder, RowMap
from hidden_map import hidden_map

DATA = Path(__file__).parents[2] / "shared" / "data"
PUNCH = DATA / "clips" / "ucf101" / "v_Punch_g03_c01.avi"
TINY = {
    "eszsl": {"alpha": 2.0, "gamma": -1.0},
    "gcn": {"hidden": (32,), "epochs": 100, "choose_every": 50},
    "devise": {"epochs": 60, "dropout": 0.0, "lr": 1e-2},
}

needs_weights = pytest.mark.skipif(
    not all(is_here(find_asset(name)) for name in find_encoder("i3d-minilm").assets),
    reason="the default model is not in the cache; run 'gerund models get i3d-minilm'",
)
needs_clips = pytest.mark.skipif(not PUNCH.exists(), reason="../shared/data is not here")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small are slower on several threads."""
    try:
        import torch
    except ModuleNotFoundError:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def world():
    return hidden_map(noise=0.1)


@pytest.fixture(scope="module", params=TINY)
def learned(request, world):
    """A learner that was shown 60 classes of the hidden map."""
    if request.param != "eszsl":
        pytest.importorskip("torch")
    return RowMap(request.param, world.texts, world.seen, world.rows.vectors, TINY[request.param]).fit()


@pytest.fixture(scope="module")
def encoder():
    """The closed-form encoder in float32."""
    return RowEncoder(precision="fp32")


@pytest.fixture
def no_torch(monkeypatch):
    """A machine without PyTorch."""
    monkeypatch.setattr("gerund.encoders.engines.find_spec", lambda library: None)
    with pytest.raises(UsageError):
        require("torch", "it")


def test_unseen_classes_are_known_by_their_rows(learned, world):
    """Videos of classes that were left out answer most to the rows that are learned for these, far above chance."""
    scores = world.test.inputs.vectors @ learned.rows_for(world.unseen).T
    assert (scores.argmax(axis=1) == world.test.labels).mean() > 10 / len(world.unseen)


def test_rows_are_combinations_of_seen_ones():
    """What a learner says across the seen rows, such as its random beginning, is left out."""
    pytest.importorskip("torch")
    world = hidden_map(seen=30, unseen=5, dim=64)
    found = RowMap("devise", world.texts, world.seen, world.rows.vectors, TINY["devise"]).fit().rows_for(world.unseen)
    shares = np.linalg.lstsq(world.rows.vectors.T.astype(np.float64), found.T, rcond=None)[0]
    np.testing.assert_allclose(shares.T @ world.rows.vectors, found, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_formula_without_whitening_is_ridge_regression(world):
    """With a large alpha the rows point where ridge regression from texts to rows does, by stacked least squares."""
    texts = unit(world.texts.vectors)
    stacked = np.concatenate([texts[: len(world.seen)], np.sqrt(10) * np.eye(texts.shape[1])])
    target = np.concatenate([unit(world.rows.vectors), np.zeros((texts.shape[1], world.rows.vectors.shape[1]))])
    expected = texts[len(world.seen) :] @ np.linalg.lstsq(stacked, target, rcond=None)[0]
    found = RowMap("eszsl", world.texts, world.seen, world.rows.vectors, {"alpha": 9.0, "gamma": 1.0}).fit()
    np.testing.assert_allclose(found.rows_for(world.unseen), unit(expected), atol=1e-4)


def test_what_is_learned_can_be_taken_up(learned, world):
    """A map that takes up another's arrays says the same rows."""
    settings = TINY[learned.learner]
    again = RowMap(learned.learner, world.texts, world.seen, world.rows.vectors, settings)
    with pytest.raises(UsageError, match="learned"):
        again.rows_for(world.unseen)
    again.method.restore(learned.method.state())
    np.testing.assert_array_equal(again.rows_for(world.unseen), learned.rows_for(world.unseen))


def test_order_does_not_matter_and_company_only_to_the_graph(learned, world):
    """Rows move along with their names; only the GCN's depend on which others are asked about."""
    whole = learned.rows_for(world.unseen)
    names = world.unseen.names
    np.testing.assert_allclose(learned.rows_for(ClassSpace(names[::-1])), whole[::-1], atol=1e-5)
    alone = np.concatenate([learned.rows_for(ClassSpace((name,))) for name in names[:5]])
    assert np.allclose(alone, whole[:5], atol=1e-5) == (learned.learner != "gcn")


@pytest.mark.parametrize(("learner", "settings", "word"), [("magic", {}, "eszsl, gcn"), ("gcn", {"beta": 1}, "beta")])
def test_refused_settings(world, learner, settings, word):
    """An unknown learner or setting is refused by name."""
    with pytest.raises(UsageError, match=word):
        RowMap(learner, world.texts, world.seen, world.rows.vectors, settings)


@pytest.mark.parametrize("learner", ["gcn", "devise"])
def test_without_torch(no_torch, world, learner):
    """The learners that need PyTorch say so, what to type, and which one does without; eszsl does."""
    with pytest.raises(UsageError, match=rf"{learner}.*PyTorch.*eszsl.*pip install"):
        RowMap(learner, world.texts, world.seen, world.rows.vectors).fit()
    RowMap("eszsl", world.texts, world.seen, world.rows.vectors).fit()


@needs_weights
@needs_clips
def test_kinetics_names_keep_the_ranking_of_i3d(encoder):
    """One window of a real clip: the 400 scores are I3D's own, bias included, over one common length."""
    frames = np.stack([encoder.prepare(picture) for _, picture in Video(PUNCH).frames(range(40, 56))])
    (vector,) = encoder.encode_windows(frames[None], dense=False)[0]
    scores = encoder.encode_classes(ClassSpace.parse("kinetics400")) @ vector
    logits = encoder._conse.label_logits(frames[None], dense=False)[0, 0]
    factor = logits @ scores / (scores @ scores)
    np.testing.assert_allclose(factor * scores, logits, atol=1e-3)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


@needs_weights
def test_rows_that_were_left_out_are_found(encoder):
    """Of 40 Kinetics classes that were left out, the learned row is mostly nearest to the right true row."""
    kinetics = ClassSpace.parse("kinetics400")
    order = np.random.default_rng(0).permutation(400)
    kept, left = (ClassSpace(tuple(kinetics.names[place] for place in part)) for part in (order[40:], order[:40]))
    texts = VectorTable(kinetics.names, encoder._conse.encode_classes(kinetics))
    found = RowMap("eszsl", texts, kept, encoder._own_rows[order[40:]]).fit().rows_for(left)
    nearest = (found @ unit(encoder._own_rows[order[:40]]).T).argmax(axis=1)
    assert (nearest == np.arange(40)).mean() > 0.7


@needs_weights
def test_given_texts_decide(encoder):
    """A Kinetics name has I3D's row in whatever case; with texts of its own a learned one, which is not the same."""
    names = ("Playing Guitar", "surfing water")
    own = encoder.encode_classes(ClassSpace(names))
    kinetics = ClassSpace.parse("kinetics400")
    places = [kinetics.names.index(name.lower()) for name in names]
    np.testing.assert_array_equal(own, encoder.encode_classes(kinetics)[places])
    said = encoder.encode_classes(ClassSpace(names, as_given=True))
    np.testing.assert_allclose(said, encoder.encode_texts(names), atol=1e-6)
    agreement = (unit(own[:, :-1]) * unit(said[:, :-1])).sum(axis=1)
    assert (agreement > 0.3).all()
    assert (agreement < 0.95).all()


@needs_weights
@needs_clips
def test_locate_has_dense_tracks(encoder):
    """A dense track has a vector for 8 frames each; its mean names the clip, which is found in it."""
    track = extract(Video(PUNCH), encoder, dense=True)
    assert track.vectors.shape == (14, 1026)
    classes = ClassSpace.parse("ucf101")
    assert classes.names[int(Similarity(encoder).score([track], classes)[0].argmax())] == "punch"
    assert Contrast(encoder).locate(track, classes)[0].action == "punch"


@needs_weights
def test_trained_once_for_all_lists(monkeypatch, request):
    """What the GCN learned is kept; other lists, and machines without PyTorch, take it up."""
    pytest.importorskip("torch")
    kept, made = {}, []

    def derived(name, make):
        if name not in kept:
            made.append(name)
            kept[name] = make()
        return kept[name]

    monkeypatch.setattr(rows, "derived", derived)
    monkeypatch.setattr(rows, "SETTINGS", {**rows.SETTINGS, "gcn": {"hidden": (8,), "epochs": 2}})
    first = RowEncoder("gcn", precision="fp32")
    one = first.encode_classes(ClassSpace(("petting a unicorn", "juggling balls")))
    first.encode_classes(ClassSpace(("folding a map",)))
    assert len(made) == 1
    request.getfixturevalue("no_torch")
    again = RowEncoder("gcn", precision="fp32")
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.encode_classes(ClassSpace(("petting a unicorn", "juggling balls"))), one)
    kept.clear()
    with pytest.raises(UsageError, match="PyTorch"):
        RowEncoder("gcn", precision="fp32")


@needs_weights
def test_fingerprints_tell_encoders_apart(encoder):
    """The row encoder is not the default one, and is the same when it is made again."""
    assert encoder.fingerprint == RowEncoder(precision="fp32").fingerprint != encoder._conse.fingerprint


@needs_weights
def test_known_by_name():
    """The catalogue has a card for each, and the closed form loads without PyTorch."""
    assert all(find_encoder(name).trained_on == ("kinetics400",) for name in ROW_MODELS)
    model = gerund.load("i3d-eszsl")
    assert model.name == "i3d-eszsl"
    assert model.unfamiliar(["quantum tunnelling", "playing guitar"]) == ["quantum tunnelling"]


@pytest.mark.parametrize(
    ("method", "model"), [("conse", "i3d-minilm-plain"), ("eszsl", "i3d-eszsl"), ("gcn", "i3d-gcn")]
)
def test_method_of_classify(monkeypatch, tmp_path, method, model):
    """`--method` chooses another model in place of the default one, and is refused beside any other."""
    asked = []

    def load(name, **_):
        asked.append(name)
        raise UsageError("that is enough")

    monkeypatch.setattr(gerund.api, "load", load)
    (tmp_path / "a.mp4").write_bytes(b"")
    words = ["classify", str(tmp_path / "a.mp4"), "--actions", "waving", "--method", method]
    assert CliRunner().invoke(app, words).exit_code == 2
    assert asked == [model]
    refused = CliRunner().invoke(app, [*words, "--model", "clip-b16"])
    assert refused.exit_code == 2
    assert "clip-b16" in refused.stderr
    assert asked == [model]
