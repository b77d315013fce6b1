"""DeViSE, ALE and SJE: their losses against worked numbers and loops, and what the map must be able to learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.recognizers.bilinear import LOSSES, Bilinear, ale_loss, devise_loss, hinges, sje_loss
from gerund.text.classes import ClassSpace
from hidden_map import hidden_map, shuffled

torch = pytest.importorskip("torch")

SCORES = torch.tensor([[0.50, 0.45, 0.30, 0.62], [0.10, 0.20, 0.15, -0.30], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2])

some_scores = arrays.arrays(np.float64, (5, 7), elements=st.floats(-2, 2, width=32))
some_labels = arrays.arrays(np.int64, 5, elements=st.integers(0, 6))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def world():
    return hidden_map()


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (devise_loss(SCORES, LABELS), "0.206667"),
        (devise_loss(SCORES, LABELS, mean=True), "0.068889"),
        (ale_loss(SCORES, LABELS), "0.145278"),
        (sje_loss(SCORES, LABELS), "0.123333"),
        (sje_loss(SCORES, LABELS, top=2), "0.173333"),
    ],
    ids=["sum", "mean", "weighted", "max", "top2"],
)
def test_losses_are_those_of_the_released_code(loss, expected):
    """Three videos, four classes, margin 0.1: what the released code printed."""
    assert f"{loss:.6f}" == expected


def test_hinges_by_hand():
    """The right class costs nothing, a far one nothing, a tie the margin."""
    expected = [[0, 0.05, 0, 0.22], [0, 0, 0.05, 0], [0.1, 0.1, 0, 0.1]]
    np.testing.assert_allclose(hinges(SCORES, LABELS).numpy(), expected, atol=1e-12)


@given(some_scores, some_labels, st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_losses_are_what_loops_give_and_none_exceeds_devises(scores, labels, margin):
    """Written out video by video and class by class; ALE and SJE are never above DeViSE, and none is negative."""
    devise = ale = sje = 0.0
    for row, label in zip(scores, labels, strict=True):
        found = [max(0.0, margin + s - row[label]) for place, s in enumerate(row) if place != label]
        rank = sum(h > 0 for h in found)
        devise += sum(found) / len(scores)
        sje += max(found) / len(scores)
        ale += sum(1 / i for i in range(1, rank + 1)) / max(rank, 1) * sum(found) / len(scores)
    tensors = torch.from_numpy(scores), torch.from_numpy(labels)
    got = [float(loss(*tensors, margin)) for loss in (devise_loss, ale_loss, sje_loss)]
    np.testing.assert_allclose(got, [devise, ale, sje], rtol=1e-6, atol=1e-9)
    assert 0 <= got[1] <= got[0] + 1e-9 and 0 <= got[2] <= got[0] + 1e-9


@pytest.mark.parametrize("loss", LOSSES)
def test_training_begins_with_the_loss_of_the_formula(world, loss):
    """One step with a rate of almost 0 and no dropout: the loss is that of (W x) . t / |t|, computed here."""
    method = Bilinear(world.texts, loss, dropout=0, epochs=1, batch=10_000, lr=1e-12).fit(world.train, world.seen)
    texts = world.texts.encode_classes(world.seen)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    scores = np.einsum("nv,tv,ct->nc", world.train.inputs.vectors, method.weights_["weight"], texts)
    expected = LOSSES[loss](torch.from_numpy(scores), torch.from_numpy(world.train.labels))
    assert method.losses_ == [pytest.approx(float(expected), rel=1e-4)]
    np.testing.assert_allclose(method.score(world.train.inputs, world.seen), scores, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_separable_classes_are_learned_without_loss(loss):
    """Videos on the axes of space and texts likewise: every loss falls to exactly 0."""
    classes, axes = ClassSpace(("a", "b", "c")), np.eye(3, dtype=np.float32)
    examples = Examples(Inputs.of(np.repeat(axes, 4, 0)), np.repeat(np.arange(3), 4))
    method = Bilinear(VectorTable(classes.names, axes), loss, dropout=0, lr=0.05, epochs=60).fit(examples, classes)
    assert method.losses_[0] > 0 and method.losses_[-1] == 0
    assert (method.score(examples.inputs, classes).argmax(1) == examples.labels).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_unseen_classes_are_recognised(world, loss):
    """Ten times better than chance, on videos of classes that it never met, through the hidden map."""
    assert world.accuracy(Bilinear(world.texts, loss, lr=0.01).fit(world.train, world.seen)) >= 10 / len(world.unseen)


def test_the_order_of_classes_means_nothing(world):
    """Asked in another order the same scores come in that order; learned in another order the map is the same."""
    settings = {"dropout": 0.0, "epochs": 3}
    method = Bilinear(world.texts, "sje", **settings).fit(world.train, world.seen)
    order = np.random.default_rng(1).permutation(len(world.seen))
    classes, examples = shuffled(world.seen, world.train, order)
    scores = method.score(world.test.inputs, world.seen)
    np.testing.assert_allclose(method.score(world.test.inputs, classes), scores[:, order], rtol=1e-5, atol=1e-5)
    other = Bilinear(world.texts, "sje", **settings).fit(examples, classes)
    np.testing.assert_allclose(other.weights_["weight"], method.weights_["weight"], rtol=1e-3, atol=1e-5)


def test_an_epoch_is_chosen_by_held_out_classes(world):
    """Of all candidates the one that names most held-out videos right; another set may choose another one later."""
    method = Bilinear(world.texts, epochs=9, choose_every=4, lr=0.01).fit(world.train, world.seen)
    by_epoch = {}
    for epochs in (4, 8, 9):
        steps = 9 * -(-len(world.train) // 128)
        short = Bilinear(world.texts, epochs=epochs, choose_every=4, lr=0.01, period_steps=steps)
        by_epoch[epochs] = short.fit(world.train, world.seen)
    held_out = world.test.take(np.arange(0, len(world.test), 2))
    right = {n: float((m.score(held_out.inputs, world.unseen).argmax(1) == held_out.labels).mean())
             for n, m in by_epoch.items()}  # fmt: skip
    best = max(right, key=lambda number: right[number])
    assert method.choose(held_out, world.unseen) is method
    np.testing.assert_array_equal(method.weights_["weight"], by_epoch[best].weights_["weight"])
    untrained_wins = Examples(held_out.inputs, by_epoch[4].score(held_out.inputs, world.unseen).argmax(1))
    method.choose(untrained_wins, world.unseen)
    np.testing.assert_array_equal(method.weights_["weight"], by_epoch[4].weights_["weight"])


def test_a_folder_takes_up_a_run_and_refuses_other_data(world, tmp_path):
    """The same data go on from the folder; other labels or another margin do not belong there."""
    whole = Bilinear(world.texts, epochs=4).fit(world.train, world.seen)
    Bilinear(world.texts, epochs=2, period_steps=24, folder=tmp_path).fit(world.train, world.seen)
    longer = Bilinear(world.texts, epochs=4, period_steps=24, folder=tmp_path).fit(world.train, world.seen)
    np.testing.assert_array_equal(longer.weights_["weight"], whole.weights_["weight"])
    other = Examples(world.train.inputs, np.roll(world.train.labels, 1))
    with pytest.raises(UsageError, match="labels was"):
        Bilinear(world.texts, epochs=4, period_steps=24, folder=tmp_path).fit(other, world.seen)
    with pytest.raises(UsageError, match=r"margin was 0\.1 and is now 0\.2"):
        Bilinear(world.texts, margin=0.2, epochs=4, period_steps=24, folder=tmp_path).fit(world.train, world.seen)


def test_papers_settings():
    """Those of the released configuration, with the rate that its schedule gives halfway through the warm-up."""
    method = Bilinear.paper(VectorTable(["a"], np.ones((1, 2))), "ale", seed=1)
    assert (method.loss, method.margin, method.dropout, method.epochs, method.batch) == ("ale", 0.1, 0.5, 30, 128)
    assert (method.lr, method.warmup_steps, method.period_steps, method.weight_decay) == (1e-4, 2000, 50_000, 0)
    assert (method.clip, method.normalize_texts, method.seed) == (10, True, 1)


def test_nothing_is_answered_before_it_was_learned(world):
    """Asking, choosing or learning from nothing is refused in words."""
    method = Bilinear(world.texts)
    with pytest.raises(UsageError, match="learned nothing"):
        method.score(world.test.inputs, world.unseen)
    with pytest.raises(UsageError, match="call fit first"):
        method.choose(world.test, world.unseen)
    with pytest.raises(UsageError, match="there are none"):
        method.fit(None, world.seen)
    with pytest.raises(UsageError, match="not one of devise, ale, sje"):
        Bilinear(world.texts, "hinge").fit(world.train, world.seen)
