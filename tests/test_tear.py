"""TEAR: its figures, and what must hold whatever the texts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.examples import Inputs
from gerund.methods.recognizers.tear import TEMPLATES, Tear, align, class_vector, text_vectors, video_vector
from gerund.text.classes import ClassSpace
from gerund.text.descriptions import Descriptions, Text
from gerund.types import Track
from gerund.video.sampling import segment_centres


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Text vectors are kept on disk; not in the user's cache."""
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path))


def wave(shape, phase):
    return np.sin(0.37 * np.arange(np.prod(shape)) + phase).reshape(shape)


TEXTS = [wave((2, 3, 3), 0.5 + c) for c in (0, 1)]
FRAMES = wave((4, 3), 1.5)


def test_text_vectors_of_the_worked_case():
    """Normalised, averaged over templates, normalised: the three vectors of class 0."""
    assert text_vectors(TEXTS[0]) == pytest.approx(
        np.array(
            [
                (-0.810456, -0.128083, 0.571625),
                (-0.601412, 0.102399, 0.792350),
                (0.648275, 0.599442, 0.469477),
            ]
        ),
        abs=1e-6,
    )


def test_class_and_video_vectors_of_the_worked_case():
    """The mean of texts and the mean of frames, with frames as they are or of unit length."""
    assert class_vector(text_vectors(TEXTS[0])) == pytest.approx(np.array((-0.369363, 0.277537, 0.886873)), abs=1e-6)
    assert class_vector(text_vectors(TEXTS[1])) == pytest.approx(np.array((0.444626, 0.596704, 0.668021)), abs=1e-6)
    assert video_vector(FRAMES) == pytest.approx(np.array((-0.029593, -0.484690, -0.874185)), abs=1e-6)
    assert video_vector(FRAMES, unit_first=True) == pytest.approx(np.array((0.390678, -0.263497, -0.882009)), abs=1e-6)


class Fixed:
    """An encoder whose texts are the worked case: class c, template t, text k."""

    name = fingerprint = "worked"

    def encode_texts(self, texts):
        found = []
        for text in texts:
            template, c, k = text.split()
            found.append(TEXTS[int(c)][int(template[1]), int(k)])
        return np.array(found)


WORKED = Descriptions(
    {"0": [Text("steps", "0 1"), Text("steps", "0 2")], "1": [Text("steps", "1 1"), Text("steps", "1 2")]}
)


class Named(Tear):
    """Reads the label as text 0 of its class."""

    def texts_of(self, name):
        return [("label", f"{name} 0"), *(("steps", text) for text in self.descriptions.of(name))]


def worked(**settings):
    track = Track(FRAMES, np.stack([np.arange(4.0), np.arange(1.0, 5.0)], axis=1), "worked")
    return Named(Fixed(), WORKED, templates=("t0 {}", "t1 {}"), **settings).score([track], ClassSpace(("0", "1")))[0]


def test_scores_of_the_worked_case():
    """Simple, ensemble, and the released ensemble that skips the first descriptor."""
    assert worked() == pytest.approx(np.array((-89.888006, -88.634823)), abs=1e-4)
    assert worked(aggregation="ensemble") == pytest.approx(np.array((-61.942457, -38.532553)), abs=1e-4)
    assert worked(aggregation="ensemble", compat="skip-first-descriptor") == pytest.approx(
        np.array((-56.688963, -12.574315)), abs=1e-4
    )


def test_frames_of_the_worked_case():
    """Centres of sixteen equal parts, also where there are fewer frames than parts."""
    for frames, wanted in {
        100: [3, 9, 15, 21, 28, 34, 40, 46, 53, 59, 65, 71, 78, 84, 90, 96],
        10: [0, 0, 1, 2, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 9],
        186: [5, 17, 29, 40, 52, 63, 75, 87, 98, 110, 122, 133, 145, 156, 168, 180],
    }.items():
        assert list(segment_centres(frames, 16)) == wanted


class Letters:
    """A text is what letters it has, so that different texts have different vectors."""

    name = fingerprint = "letters"
    calls = 0

    def encode_texts(self, texts):
        self.calls += len(texts)
        counts = np.array([[text.lower().count(chr(97 + i)) + 0.01 * i for i in range(26)] for text in texts])
        return unit(counts.astype(np.float32))


SPACE = ClassSpace(("run", "jump", "chew"))
KNOWN = Descriptions(
    {
        "run": [Text("steps", "leaning forward"), Text("objects", "shoe"), Text("context", "a track")],
        "jump": [Text("steps", "bending"), Text("steps", "leaping"), Text("description", "both feet in the air")],
    }
)
RANDOM = np.random.default_rng(3)
INPUTS = Inputs.of(RANDOM.standard_normal((5, 26)).astype(np.float32))
LONG = Track(RANDOM.standard_normal((7, 26)).astype(np.float32), np.stack([np.arange(7.0), np.arange(1.0, 8)], 1), "")


def test_only_the_label_is_plain_similarity():
    """Without descriptors and conditioning, TEAR is the encoder's cosine with the same templates."""
    encoder = Letters()
    scores = Tear(encoder, Descriptions({}), conditioning=False).score(INPUTS, SPACE)
    names = [unit(encoder.encode_texts([t.format(n) for t in TEMPLATES])).mean(axis=0) for n in SPACE.names]
    wanted = 100 * unit(INPUTS.vectors) @ unit(np.stack(names)).T
    assert scores == pytest.approx(wanted, abs=1e-4)


def test_repeating_the_label_changes_nothing():
    """Descriptors that all equal the label leave the class where the label is."""
    label_only = Tear(Letters(), Descriptions({})).score(INPUTS, SPACE)
    repeated = Descriptions({name: [Text("steps", name)] * 4 for name in SPACE.names})
    assert Tear(Letters(), repeated).score(INPUTS, SPACE) == pytest.approx(label_only, abs=1e-4)


def test_order_of_frames_and_templates_does_not_matter():
    """The mean knows no order."""
    plain = Tear(Letters(), KNOWN).score([LONG], SPACE)
    turned = Track(LONG.vectors[::-1].copy(), LONG.spans_s, "")
    assert Tear(Letters(), KNOWN, templates=TEMPLATES[::-1]).score([turned], SPACE) == pytest.approx(plain, abs=1e-4)


def test_a_text_that_all_share_pulls_classes_together():
    """Adding one text to every class raises the least cosine between class vectors."""
    u = [text_vectors(RANDOM.standard_normal((2, 3, 8))) for _ in range(4)]
    shared = unit(RANDOM.standard_normal((1, 8)))
    apart = np.stack([class_vector(one) for one in u])
    pulled = np.stack([class_vector(np.concatenate([one, shared])) for one in u])
    assert (pulled @ shared[0] > apart @ shared[0]).all()
    assert np.linalg.norm(pulled, axis=1) == pytest.approx(np.ones(4))


def test_classes_one_by_one_equal_classes_together():
    """An action's score does not depend on what else is asked for, nor a video's on its neighbours."""
    together = Tear(Letters(), KNOWN).score(INPUTS, SPACE)
    for place, name in enumerate(SPACE.names):
        assert Tear(Letters(), KNOWN).score(INPUTS, ClassSpace((name,)))[:, 0] == pytest.approx(
            together[:, place], abs=1e-4
        )
    assert Tear(Letters(), KNOWN).score(INPUTS[2:3], SPACE) == pytest.approx(together[2:3], abs=1e-4)


def test_another_list_costs_only_what_is_new():
    """Texts that were encoded before are not encoded again."""
    encoder = Letters()
    first = Tear(encoder, KNOWN).score(INPUTS, SPACE)
    calls = encoder.calls
    again = Tear(encoder, KNOWN)  # nothing but the disk in common with the first
    assert (again.score(INPUTS, ClassSpace(("jump", "run"))) == first[:, [1, 0]]).all()
    assert encoder.calls == calls
    again.score(INPUTS, ClassSpace(("jump", "wave")))
    assert encoder.calls == calls + len(TEMPLATES)
    Tear(encoder, KNOWN, templates=("{}",)).score(INPUTS, ClassSpace(("jump",)))
    assert encoder.calls == calls + len(TEMPLATES) + 4


def test_weights_choose_among_kinds():
    """A kind of weight 0 is as good as absent."""
    without = Tear(Letters(), KNOWN, kinds=("steps", "description", "objects")).score(INPUTS, SPACE)
    weighted = Tear(Letters(), KNOWN, weights={"context": 0.0}).score(INPUTS, SPACE)
    assert weighted == pytest.approx(without, abs=1e-4)


def best_by_trying(similarity):
    frames, steps = similarity.shape
    return max(
        sum(similarity[a:b, k].sum() for k, (a, b) in enumerate(itertools.pairwise((0, *cut, frames))))
        for cut in itertools.combinations(range(1, frames), steps - 1)
    )


@pytest.mark.parametrize(("frames", "steps"), [(3, 3), (6, 2), (8, 3), (9, 4)])
def test_steps_are_given_to_frames_as_well_as_can_be(frames, steps):
    """The dynamic programme finds the sum that trying all assignments in order finds."""
    for seed in range(20):
        similarity = np.random.default_rng(seed).standard_normal((frames, steps))
        borders = align(similarity)
        assert borders[0] == 0 and borders[-1] == frames and (np.diff(borders) > 0).all()
        total = sum(similarity[a:b, k].sum() for k, (a, b) in enumerate(itertools.pairwise(borders)))
        assert total == pytest.approx(best_by_trying(similarity))


def test_structured_prefers_the_right_order():
    """Of two actions with the same steps in opposite order the video's wins; the ensemble cannot tell them apart."""
    first, second = np.eye(26)[[0, 1]]
    track = Track(np.stack([first] * 3 + [second] * 3), np.stack([np.arange(6.0), np.arange(1.0, 7)], 1), "")
    known = Descriptions({"x": [Text("steps", "a"), Text("steps", "b")], "y": [Text("steps", "b"), Text("steps", "a")]})

    class Exact:
        fingerprint = "exact"

        def encode_texts(self, texts):
            return np.stack([np.eye(26)[ord(text[-1]) - 97] for text in texts])

    space = ClassSpace(("x", "y"))
    settings = {"templates": ("{}",), "conditioning": False}
    ensemble = Tear(Exact(), known, aggregation="ensemble", **settings).score([track], space)[0]
    structured = Tear(Exact(), known, aggregation="structured", **settings).score([track], space)[0]
    assert ensemble[0] == pytest.approx(ensemble[1])
    assert structured[0] > structured[1] + 10


def test_tracks_of_another_encoder_are_refused():
    """Vectors of two encoders are never compared."""
    track = Track(LONG.vectors, LONG.spans_s, "another")
    with pytest.raises(UsageError, match="made by the encoder another"):
        Tear(Letters(), KNOWN).score([track], SPACE)


def test_settings_that_contradict_are_refused():
    """A template without a slot, and a switch of another mode, are errors."""
    with pytest.raises(UsageError, match="needs one slot"):
        Tear(Letters(), KNOWN, templates=("a photo",))
    with pytest.raises(UsageError, match="is of the ensemble"):
        Tear(Letters(), KNOWN, compat="skip-first-descriptor")
