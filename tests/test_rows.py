"""Rows of a classifier for any name: learners on a world they can know, then I3D's own rows and real clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import gerund
import gerund.api
from gerund import ClassSpace, Track, UsageError, Video
from gerund.api import Model
from gerund.assets import find_asset, is_here
from gerund.cli import app
from gerund.encoders.base import unit
from gerund.encoders.catalog import build, find_encoder
from gerund.encoders.engines import require
from gerund.encoders.table import VectorTable
from gerund.features import extract
from gerund.methods.recognizers import rows
from gerund.methods.recognizers.rows import RowMap, Rows
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
def made():
    """The closed form over I3D's features in float32."""
    return Rows(build("i3d", precision="fp32"))


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
def test_kinetics_names_keep_the_ranking_of_i3d(made):
    """One window of a real clip: the 400 scores are I3D's own, bias included, over one common length."""
    frames = np.stack([made.encoder.prepare(picture) for _, picture in Video(PUNCH).frames(range(40, 56))])
    (vectors,) = made.encoder.raw_windows(frames[None], dense=False)
    track = Track(vectors, np.array([[0.0, 1.0]]), made.encoder.fingerprint)
    (scores,) = made.score([track], ClassSpace.parse("kinetics400"))
    logits = made._texts.label_logits(frames[None], dense=False)[0, 0]
    factor = logits @ scores / (scores @ scores)
    np.testing.assert_allclose(factor * scores, logits, atol=2e-2 * np.abs(logits).max())
    assert logits.argmax() == scores.argmax()


@needs_weights
def test_rows_that_were_left_out_are_found(made):
    """Of 40 Kinetics classes that were left out, the learned row is mostly nearest to the right true row."""
    kinetics = ClassSpace.parse("kinetics400")
    order = np.random.default_rng(0).permutation(400)
    kept, left = (ClassSpace(tuple(kinetics.names[place] for place in part)) for part in (order[40:], order[:40]))
    texts = VectorTable(kinetics.names, made._texts.encode_classes(kinetics))
    found = RowMap("eszsl", texts, kept, made._own_rows[order[40:]]).fit().rows_for(left)
    nearest = (found @ unit(made._own_rows[order[:40]]).T).argmax(axis=1)
    assert (nearest == np.arange(40)).mean() > 0.7


@needs_weights
def test_given_texts_decide(made):
    """A Kinetics name has I3D's row in whatever case; with texts of its own a learned one, which is not the same."""
    names = ("Playing Guitar", "surfing water")
    own = made.rows_for(ClassSpace(names))
    kinetics = ClassSpace.parse("kinetics400")
    places = [kinetics.names.index(name.lower()) for name in names]
    np.testing.assert_array_equal(own, made.rows_for(kinetics)[places])
    said = made.rows_for(ClassSpace(names, as_given=True))
    agreement = (unit(own) * unit(said)).sum(axis=1)
    assert (agreement > 0.3).all()
    assert (agreement < 0.95).all()


BEFORE = {
    "rows-eszsl": (("punching", 0.298867), ("pouring coffee", 0.010118), ("playing guitar", -0.002152)),
    "rows-gcn": (("punching", 0.344294), ("pouring coffee", 0.003359), ("playing guitar", -0.002152)),
    "rows-devise": (("punching", 0.188427), ("playing guitar", -0.002152), ("pouring coffee", -0.007226)),
}
"""What the models i3d-eszsl, i3d-gcn and i3d-devise answered in float32 before they became methods."""


@needs_weights
@needs_clips
def test_numbers_are_those_of_the_models_that_they_were(made):
    """Scores and ranks of a real clip, to rounding; a probability is the softmax at a scale of 40."""
    pytest.importorskip("torch")
    model = Model(made.encoder)
    track = extract(Video(PUNCH), model.method("rows-eszsl").encoder_of(model.encoder), dense=False)
    for name, expected in BEFORE.items():
        answer = model.classify(track, ["punching", "pouring coffee", "playing guitar", "Surfing Water"], method=name)
        assert [item.action for item in answer.actions[:3]] == [action for action, _ in expected]
        scores = [item.score for item in answer.actions]
        np.testing.assert_allclose([*scores[:3], scores[3]], [*(s for _, s in expected), -0.01284], atol=2e-4)
        powers = np.exp(40 * np.array(scores))
        np.testing.assert_allclose([item.probability for item in answer.actions], powers / powers.sum(), rtol=1e-4)
        assert (answer.model, answer.method) == ("i3d", name)
    assert model.unfamiliar(["quantum tunnelling", "playing guitar"], method=model.method("rows-eszsl")) == [
        "quantum tunnelling"
    ]


@needs_weights
def test_only_features_as_the_network_gives_them(made):
    """Tracks of another encoder, of another length, and features brought to unit length are refused by name."""
    classes = ClassSpace(("waving",))
    ones, span_s = np.ones((2, 1024), np.float32), np.array([[0.0, 1.0], [1.0, 2.0]])
    with pytest.raises(UsageError, match="made by the encoder other"):
        made.score([Track(ones, span_s, "other")], classes)
    with pytest.raises(UsageError, match="have 3 numbers"):
        made.score([Track(ones[:, :3], span_s, made.encoder.fingerprint)], classes)
    with pytest.raises(UsageError, match="unit length"):
        made.score([Track(unit(ones), span_s, made.encoder.fingerprint)], classes)
    assert np.isfinite(made.score([Track(ones, span_s, made.encoder.fingerprint)], classes)).all()


@needs_weights
def test_trained_once_for_all_lists(monkeypatch, request, made):
    """What the GCN learned is kept; other lists, and machines without PyTorch, take it up."""
    pytest.importorskip("torch")
    kept, learned = {}, []

    def derived(name, make):
        if name not in kept:
            learned.append(name)
            kept[name] = make()
        return kept[name]

    monkeypatch.setattr(rows, "derived", derived)
    monkeypatch.setattr(rows, "SETTINGS", {**rows.SETTINGS, "gcn": {"hidden": (8,), "epochs": 2}})
    first = Rows(made.encoder, "gcn")
    one = first.rows_for(ClassSpace(("petting a unicorn", "juggling balls")))
    first.rows_for(ClassSpace(("folding a map",)))
    assert len(learned) == 1
    request.getfixturevalue("no_torch")
    again = Rows(made.encoder, "gcn")
    np.testing.assert_array_equal(again.rows_for(ClassSpace(("petting a unicorn", "juggling balls"))), one)
    kept.clear()
    with pytest.raises(UsageError, match="PyTorch"):
        Rows(made.encoder, "gcn").rows_for(ClassSpace(("folding a map",)))


@needs_weights
def test_the_features_have_no_text_side(made):
    """The model i3d is another encoder than the default one; it encodes no names, and says so."""
    assert made.encoder.fingerprint != made._texts.fingerprint
    with pytest.raises(UsageError, match="knows no words"):
        made.encoder.encode_classes(ClassSpace(("waving",)))


@pytest.mark.parametrize("learner", ["eszsl", "gcn", "devise"])
def test_the_models_of_before_are_told_their_new_name(learner):
    """`--model i3d-eszsl` is no model any more, and the one line says what to type."""
    with pytest.raises(UsageError, match=f"--method rows-{learner}"):
        gerund.load(f"i3d-{learner}")


@pytest.mark.parametrize(
    ("method", "said"),
    [("eszsl", "--method rows-eszsl"), ("devise", "--method rows-devise"), ("conse", "--model i3d-minilm-plain")],
)
def test_what_method_once_meant_is_told(run, tmp_path, method, said):
    """A method that has to learn is refused without a trained folder, and its old meaning has a name."""
    (tmp_path / "a.mp4").write_bytes(b"")
    result = run("classify", tmp_path / "a.mp4", "--actions", "waving", "--method", method)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "--trained DIR" in result.stderr


def test_rows_are_asked_with_their_own_model(monkeypatch, tmp_path):
    """Without --model the features of I3D are loaded, and not the default model."""
    asked = []

    def load(name, **_):
        asked.append(name)
        raise UsageError("that is enough")

    monkeypatch.setattr(gerund.api, "load", load)
    (tmp_path / "a.mp4").write_bytes(b"")
    words = ["classify", str(tmp_path / "a.mp4"), "--actions", "waving", "--method"]
    for method in ("rows-gcn", "similarity"):
        assert CliRunner().invoke(app, [*words, method]).exit_code == 2
    assert asked == ["i3d", "i3d-minilm"]
