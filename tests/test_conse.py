"""The default model: carrying scores into the space of names, and the whole encoder on real weights and clips."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gerund
from gerund import ClassSpace, Video
from gerund.assets import find_asset, is_here
from gerund.encoders.base import unit
from gerund.encoders.catalog import find_encoder
from gerund.encoders.conse import ConseEncoder, carry
from gerund.encoders.engines import Setup
from gerund.features import extract
from gerund.methods.localizers.contrast import overlap
from gerund.types import Segment
from gerund.video.sampling import spread_windows

DATA = Path(__file__).parents[2] / "shared" / "data"

needs_weights = pytest.mark.skipif(
    not all(is_here(find_asset(name)) for name in find_encoder("i3d-minilm").assets),
    reason="the default model is not in the cache; run 'gerund models get i3d-minilm'",
)
SCORES = DATA / "predictions" / "k400_tsn_100val_scores.npz"
needs_scores = pytest.mark.skipif(not SCORES.exists(), reason="../shared/data is not here")
needs_clips = pytest.mark.skipif(not (DATA / "clips.csv").exists(), reason="../shared/data is not here")


def random_labels(rng, count=30, dim=8):
    return unit(rng.normal(size=(count, dim)).astype(np.float32))


@given(st.integers(0, 2**31))
def test_certainty_gives_the_label_itself(seed):
    """Scores that leave no doubt put plain ConSE on the label's own vector."""
    rng = np.random.default_rng(seed)
    labels = random_labels(rng)
    logits = np.full((1, 30), -100.0, np.float32)
    logits[0, 7] = 100
    np.testing.assert_allclose(carry(logits, labels, ridge=None)[0], labels[7], atol=1e-6)


def test_plain_conse_by_hand():
    """Two labels at 0.75 and 0.25, the third outside the best two: the mean of two vectors, at unit length."""
    labels = np.eye(3, dtype=np.float32)
    logits = np.log(np.array([[0.6, 0.2, 0.1]], np.float32))
    expected = np.array([0.75, 0.25, 0]) / np.hypot(0.75, 0.25)
    np.testing.assert_allclose(carry(logits, labels, ridge=None, top=2)[0], expected, atol=1e-6)


@pytest.mark.parametrize("top", [1, 2, 3, 29, 30, 40])
def test_conse_averages_the_best_labels(monkeypatch, top):
    """The mean is over the `top` labels that a whole sort puts first, though a partition puts no other in its place."""

    def least_promised(values, kth, axis):
        order = np.argsort(values, axis=axis)
        return np.concatenate([order[:, :kth], order[:, kth : kth + 1], order[:, :kth:-1]], axis=1)

    monkeypatch.setattr(np, "argpartition", least_promised)
    rng = np.random.default_rng(0)
    labels, logits = random_labels(rng), rng.permutation(30).astype(np.float32)[None] / 10
    best = sorted(range(30), key=lambda place: -logits[0, place])[:top]
    mean = sum(np.exp(logits[0, place]) * labels[place] for place in best)
    np.testing.assert_allclose(carry(logits, labels, ridge=None, top=top)[0], mean / np.linalg.norm(mean), atol=1e-5)


@given(st.integers(0, 2**31), st.floats(-50, 50))
def test_a_constant_added_to_the_scores_changes_nothing(seed, constant):
    """Logits are only known up to a constant."""
    rng = np.random.default_rng(seed)
    labels, logits = random_labels(rng), rng.normal(size=(3, 30)).astype(np.float32)
    np.testing.assert_allclose(carry(logits + np.float32(constant), labels), carry(logits, labels), atol=2e-4)


@given(st.integers(0, 2**31))
def test_order_of_labels_does_not_matter(seed):
    """Permuting labels and scores together changes nothing."""
    rng = np.random.default_rng(seed)
    labels, logits = random_labels(rng), rng.normal(size=(2, 30)).astype(np.float32)
    order = rng.permutation(30)
    np.testing.assert_allclose(carry(logits[:, order], labels[order]), carry(logits, labels), atol=1e-5)


def test_the_ridge_half_solves_its_least_squares():
    """What is left of the default after ConSE is the ridge solution that numpy's solver finds on stacked equations."""
    rng = np.random.default_rng(0)
    labels, logits = random_labels(rng), rng.normal(size=(1, 30)).astype(np.float32)
    stacked = np.concatenate([labels, np.sqrt(0.3) * np.eye(8)])
    target = np.concatenate([logits[0] - logits[0].mean(), np.zeros(8)])
    solution = np.linalg.lstsq(stacked, target, rcond=None)[0]
    expected = carry(logits, labels, ridge=None)[0] + solution / np.linalg.norm(solution)
    np.testing.assert_allclose(carry(logits, labels)[0], expected / np.linalg.norm(expected), atol=1e-5)


def bare(labels, *, plain=False):
    """An encoder that has labels and no networks."""
    found = object.__new__(ConseEncoder)
    found._plain = plain
    found.__dict__["_labels"] = labels
    return found


@pytest.fixture(params=["default", "plain"])
def without_weights(request):
    """An encoder that has labels and scores made up here, and needs no files."""
    made = object.__new__(ConseEncoder)
    made.name, made._plain, made._setup = request.param, request.param == "plain", Setup("openvino", "fp32", "cpu")
    made._labels = random_labels(np.random.default_rng(3), 400, 8)
    made.label_logits = lambda frames, dense: frames
    return made


def test_only_int8_is_remarked_on(without_weights):
    """In float32 there is nothing that a user should know; in int8 it is how well that agrees."""
    assert without_weights.remarks() == []
    without_weights._setup = Setup("openvino", "int8", "cpu")
    without_weights._video_network = SimpleNamespace(agreement="cosine 0.99")
    assert without_weights.remarks() == ["int8 video network: cosine 0.99"]


def test_hubness_is_half_the_mean_cosine_to_the_nearest_ten_labels(without_weights):
    """As cross-domain similarity local scaling has it, halved with the cosine; plain ConSE takes nothing off."""
    asked = random_labels(np.random.default_rng(4), 5, 8)
    cosines = np.array([[float(np.dot(one, label)) for label in without_weights._labels] for one in asked])
    expected = [0.0 if without_weights._plain else sum(sorted(row)[-10:]) / 10 / 2 for row in cosines]
    np.testing.assert_allclose(without_weights.hubness(asked), expected, atol=1e-6)


def test_dense_vectors_are_those_of_conse_alone(without_weights):
    """A third of a second is too noisy for the ridge solution; a whole video has it, but not in plain ConSE."""
    logits = np.random.default_rng(5).normal(size=(1, 3, 400)).astype(np.float32)
    alone = carry(logits[0], without_weights._labels, ridge=None)
    both = carry(logits[0], without_weights._labels)
    assert not np.allclose(alone, both, atol=1e-2)
    np.testing.assert_allclose(without_weights.encode_windows(logits, dense=True)[0], alone, atol=1e-6)
    wanted = alone if without_weights._plain else both
    np.testing.assert_allclose(without_weights.encode_windows(logits, dense=False)[0], wanted, atol=1e-6)


def test_the_fingerprint_covers_the_texts_of_the_labels(without_weights):
    """Another definition of a single label is another space, so it has another fingerprint."""
    names = ("waving", "running")
    found = set()
    for texts in ((("waving: a hand moves",), ("running",)), (("waving: an arm moves",), ("running",))):
        vars(without_weights).pop("fingerprint", None)
        without_weights._label_space = ClassSpace(names, texts)
        found.add(without_weights.fingerprint)
    assert len(found) == 2


def test_the_scale_is_the_one_that_was_measured():
    """Probabilities are the softmax of 15 times the score: the best likelihood in benchmarks/README.md."""
    assert ConseEncoder.logit_scale == 15.0
    from gerund.methods.recognizers.rows import RowEncoder

    assert RowEncoder.logit_scale == 40.0


class Lengths:
    """A video that only has a length and a rate."""

    def __init__(self, num_frames, fps):
        self.num_frames, self.fps = num_frames, fps


@pytest.fixture(scope="module")
def encoder():
    """The default encoder in float32."""
    return ConseEncoder(precision="fp32")


@needs_weights
@given(st.integers(1, 3000), st.sampled_from([1, 6, 15, 24, 25, 30, 50, 60, 120]))
def test_dense_windows_tile_the_video(encoder, num_frames, fps):
    """Kept spans follow each other without gap or overlap from the first frame to beyond the last."""
    windows = encoder.sample(Lengths(num_frames, fps), dense=True)
    spans = np.concatenate([window.spans for window in windows])
    assert spans[0, 0] == 0
    assert (spans[1:, 0] == spans[:-1, 1]).all()
    assert spans[-1, 0] < num_frames <= spans[-1, 1]
    for window in windows:
        assert len(window.frames) % 8 == 0
        assert (np.diff(window.frames) >= 0).all()
        assert 0 <= window.frames[0] <= window.frames[-1] < num_frames
        assert window.skip + len(window.spans) <= len(window.frames) // 8
        kept = window.frames[window.skip * 8 : (window.skip + len(window.spans)) * 8]
        assert kept[0] == window.spans[0, 0]


@needs_weights
@given(st.integers(1, 3000), st.sampled_from([6, 25, 30, 60]))
def test_few_windows_whatever_the_length(encoder, num_frames, fps):
    """The windows for one answer are few, ascend, and do not grow with the video."""
    windows = encoder.sample(Lengths(num_frames, fps), dense=False)
    assert 1 <= len(windows) <= 3
    assert all(len(window.frames) <= 56 and len(window.frames) % 8 == 0 for window in windows)
    starts = [window.frames[0] for window in windows]
    assert starts == sorted(starts)


@needs_weights
def test_labels_are_their_own_nearest(encoder):
    """Every Kinetics label, asked for as an action, is nearest to itself, and near enough to be called familiar."""
    space = ClassSpace.parse("kinetics400")
    vectors = encoder.encode_classes(space)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert ((vectors @ vectors.T).argmax(axis=1) == np.arange(400)).all()
    assert encoder.unfamiliar(space) == []
    assert encoder.encode_classes(ClassSpace.parse("kinetics400")) is vectors, (
        "what was just asked is not encoded again"
    )


@needs_weights
def test_strange_actions_are_called_so():
    """What no Kinetics label resembles is called unfamiliar; everyday actions are not."""
    model = gerund.load()
    actions = ["quantum tunnelling", "stock market falls", "playing guitar", "baking a birthday cake"]
    assert model.unfamiliar(actions) == actions[:2]


@needs_weights
@needs_scores
def test_the_logit_scale_fits_what_is_left_out(encoder):
    """With 100 real videos and 100 candidates, half of them left out, half or twice the scale explains less."""
    data = np.load(SCORES)
    logits = np.log((data["rgb"] + data["flow"]) / 2 + 1e-8)
    likelihood = {0.5: [], 1.0: [], 2.0: []}
    for seed in range(8):
        order = np.random.default_rng(seed).permutation(400)
        kept, candidates = np.sort(order[50:]), order[:100]
        rows = np.flatnonzero(np.isin(data["label"], candidates))
        labels, classes = encoder._labels[kept], encoder._labels[candidates]
        known = bare(labels)
        scores = carry(logits[np.ix_(rows, kept)], labels) @ classes.T - known.hubness(classes)
        truth = np.argmax(data["label"][rows, None] == candidates, axis=1)
        for factor, found in likelihood.items():
            shares = np.exp(factor * known.logit_scale * (scores - scores.max(axis=1, keepdims=True)))
            found += [*np.log((shares / shares.sum(axis=1, keepdims=True))[np.arange(len(rows)), truth])]
    assert np.mean(likelihood[1.0]) > max(np.mean(likelihood[0.5]), np.mean(likelihood[2.0]))


@needs_weights
def test_fingerprints_tell_recipes_apart():
    """Plain and default, float32 and bfloat16 never share a fingerprint; the same settings do."""
    default, again, plain = (ConseEncoder(precision="fp32", plain=p) for p in (False, False, True))
    assert default.fingerprint == again.fingerprint != plain.fingerprint


@needs_weights
@needs_clips
@pytest.mark.parametrize(
    ("file", "label", "least"),
    [
        ("clips/activitynet/v_GGSY1Qvo990.mp4", "clean and jerk", 0.9),
        ("clips/hmdb51/BaseballHitinSlowMotion_swing_baseball_f_nm_np1_fr_bad_0.avi", "hitting baseball", 0.95),
        ("clips/ask_anything/playing_guitar.mp4", "playing bass guitar", 0.95),
    ],
)
def test_closed_set_answers_on_real_clips(encoder, file, label, least):
    """I3D itself names real clips as an independent port does: mean softmax over four windows of 64 frames."""
    from gerund.text.classes import read_vocabulary

    video = Video(DATA / file)
    shares = []
    for window in spread_windows(video.num_frames, 64, 4):
        frames = np.stack([encoder.prepare(picture) for picture in video.read(window).frames])
        logits = encoder.label_logits(frames[None], dense=False)[0, 0]
        shares.append(np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())
    share = np.mean(shares, axis=0)
    assert read_vocabulary("kinetics400")[int(share.argmax())] == label
    assert share.max() >= least


@needs_weights
@needs_clips
def test_chunks_do_not_show(encoder):
    """A dense track cut into overlapping chunks agrees with one pass over the whole clip."""
    video = Video(DATA / "clips/ask_anything/hitting_baseball.mp4")
    track = extract(video, encoder, dense=True)
    count = video.num_frames // 8 * 8
    frames = np.stack([encoder.prepare(picture) for _, picture in video.frames(range(count))])
    whole = encoder.encode_windows(frames[None], dense=True)[0]
    agreement = (track.vectors[: len(whole) - 1] * whole[:-1]).sum(axis=1)  # the last step sees the padded end
    assert agreement.mean() > 0.99
    assert agreement.min() > 0.95


@needs_weights
@needs_clips
@pytest.mark.parametrize(
    ("file", "actions", "label"),
    [
        ("clips/activitynet/v_GGSY1Qvo990.mp4", "activitynet200", "Clean and jerk"),
        ("clips/thumos14_cropped/video_test_0000946.mp4", "thumos14", "baseball pitch"),
        ("clips/thumos14_cropped/video_validation_0000949.mp4", "thumos14", "throw discus"),
    ],
)
def test_official_segments_are_found(file, actions, label):
    """Among the full vocabulary, some segment of the right class overlaps an official one by at least a half."""
    with (DATA / "clips.csv").open() as table:
        truth = next(row["segments_s"] for row in csv.DictReader(table) if row["file"] == file)
    official = [Segment(start, end, label, 1.0, 1.0) for start, end in json.loads(truth)]
    found = [item for item in gerund.load().locate(DATA / file, actions) if item.action == label]
    assert max(overlap(item, target) for item in found for target in official) >= 0.5
