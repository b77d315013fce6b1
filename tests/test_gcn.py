"""GCN: the graph and a layer against worked numbers and real word vectors, and what rows must be able to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.recognizers.gcn import Gcn, graph_layer, knn_graph, run_layers
from gerund.text.classes import ClassSpace
from hidden_map import hidden_map, shuffled

torch = pytest.importorskip("torch")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
GLOVE = DATA / "features" / "k620_classname_glove42b.npy"
ROWS = DATA / "features" / "k400_tsm_fc_weight.npy"
SPLIT = DATA / "splits" / "kinetics600_zsl220_elaborative_rehearsal.json"
needs_data = pytest.mark.skipif(not GLOVE.exists(), reason=f"the shared word vectors are not here ({GLOVE})")

POINTS = np.array([[1, 0], [2, 0.2], [0, 1], [0.1, 1], [-1, 0.1], [1, 1.2]])
UNIT = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
SMALL = {"hidden": (32,), "epochs": 150, "choose_every": 50}


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


@pytest.fixture(scope="module")
def fitted(world):
    return Gcn(world.texts, world.rows, **SMALL).fit(world.train, everything(world))


def everything(world):
    return ClassSpace(world.seen.names + world.unseen.names)


def test_graph_of_six_points():
    """Nearest neighbours by cosine with k = 2, itself included; joined if either picks the other; rows sum to 1."""
    joined = ["110000", "110000", "001110", "001101", "001010", "000101"]
    pattern = np.array([[int(mark) for mark in row] for row in joined])
    np.testing.assert_allclose(knn_graph(UNIT, 2), pattern / pattern.sum(1, keepdims=True), rtol=1e-6)


def test_a_layer_on_six_points():
    """One layer with its leaky ReLU: what the released code printed."""
    weight, bias = np.array([[1, -1], [0.5, 2]]), np.array([0.1, -0.2])
    found = graph_layer(knn_graph(UNIT, 2).astype(np.float64), UNIT, weight, bias, np.diag([1.0, -1.0]))
    expected = [
        [2.047767, 0.398263],
        [2.042804, 0.298759],
        [-0.179338, 0.047105],
        [-0.095004, 0.770417],
        [-0.388462, 0.551241],
        [0.228399, 0.979959],
    ]
    np.testing.assert_allclose(np.where(found > 0, found, 0.2 * found), expected, atol=1e-6)


def test_twins_keep_their_own_loop():
    """Classes with equal texts are joined, and each is still its own neighbour."""
    graph = knn_graph(np.tile(UNIT[:1], (4, 1)), 2)
    assert (np.diag(graph) > 0).all()


@needs_data
def test_graph_of_kinetics():
    """GloVe's vectors of 620 class names: 4,418 joints, degrees 5 to 31 with a mean of 7.13, and every class itself."""
    vectors = np.load(GLOVE)
    graph = knn_graph(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 5)
    degrees = (graph > 0).sum(1)
    assert degrees.sum() == 4418 and (degrees.min(), degrees.max()) == (5, 31)
    assert f"{degrees.mean():.2f}" == "7.13" and (np.diag(graph) > 0).sum() == 620
    np.testing.assert_allclose(graph.sum(1), 1, rtol=1e-6)
    assert ((graph > 0) == (graph > 0).T).all()


@needs_data
def test_rows_of_a_real_classifier_are_learned():
    """Rows of TSM's 400 Kinetics classes out of GloVe's names: the loss falls, and rows come near to the real ones."""
    classes = ClassSpace(tuple(json.loads(SPLIT.read_text())["classes_620"]))
    rows = VectorTable(classes.names[:400], np.load(ROWS))
    nothing = Examples(Inputs.of(np.zeros((400, 1), np.float32)), np.arange(400))
    settings = {"hidden": (64,), "dropout": 0, "lr": 0.01, "epochs": 40, "choose_every": 40}
    method = Gcn(VectorTable(classes.names, np.load(GLOVE)), rows, **settings).fit(nothing, classes)
    assert method.losses_[-1] < 0.5 * method.losses_[0]
    found, wanted = method.rows_for(ClassSpace(classes.names[:400])), rows.encode_classes(ClassSpace(rows.names))
    nearest = (found @ (wanted / np.linalg.norm(wanted, axis=1, keepdims=True)).T).argmax(1)
    assert (nearest == np.arange(400)).mean() > 0.5
    np.testing.assert_allclose(np.linalg.norm(method.rows_for(classes), axis=1), 1, rtol=1e-5)


def test_layers_are_pytorchs():
    """NumPy's numbers are those of Linear layers on mixed nodes, plus H U, with LeakyReLU before all but the first."""
    random = torch.Generator().manual_seed(0)
    graph = torch.from_numpy(knn_graph(UNIT, 2))
    hidden = nodes = torch.from_numpy(UNIT).float()
    weights = {}
    for number, (dim, out) in enumerate([(2, 5), (5, 4), (4, 3)]):
        linear, own = torch.nn.Linear(dim, out), torch.randn(dim, out, generator=random)
        weights |= {f"layer{number}.weight": linear.weight, f"layer{number}.bias": linear.bias}
        weights[f"layer{number}.own"] = own
        hidden = torch.nn.functional.leaky_relu(hidden, 0.2) if number else hidden
        hidden = graph @ linear(hidden) + hidden @ own
    torch.testing.assert_close(run_layers(weights, graph, nodes), hidden)
    arrays = {name: tensor.detach().numpy() for name, tensor in weights.items()}
    np.testing.assert_allclose(
        run_layers(arrays, graph.numpy(), nodes.numpy()), hidden.detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_training_begins_with_the_loss_of_the_formula(world):
    """One step with a rate of almost 0 and no dropout: mean squared error of unit rows, of seen classes alone."""
    method = Gcn(world.texts, world.rows, hidden=(8, 6), dropout=0, epochs=1, lr=1e-12)
    method.fit(world.train, everything(world))
    wanted = world.rows.encode_classes(world.seen)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    expected = ((method.rows_for(world.seen) - wanted) ** 2).mean()
    assert method.losses_ == [pytest.approx(float(expected), rel=1e-4)]


def test_unseen_classes_are_recognised(world, fitted):
    """Ten times better than chance, on videos of classes of which it knew the name only."""
    assert world.accuracy(fitted) >= 10 / len(world.unseen)
    rows = fitted.rows_for(world.unseen)
    np.testing.assert_allclose(
        fitted.score(world.test.inputs, world.unseen), world.test.inputs.vectors @ rows.T, rtol=1e-4, atol=1e-5
    )


def test_new_classes_join_the_graph(world):
    """Fitted without the unseen names, it answers for them: the layers on a graph with these nodes at the end."""
    method = Gcn(world.texts, world.rows, **SMALL).fit(world.train, world.seen)
    vectors = world.texts.encode_classes(everything(world))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = run_layers(method.weights_, knn_graph(vectors, 5), vectors)[len(world.seen) :]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(method.rows_for(world.unseen), expected, rtol=1e-3, atol=1e-5)
    assert world.accuracy(method) >= 10 / len(world.unseen)


def test_the_order_of_classes_means_nothing(world, fitted):
    """Asked in another order the same rows come in that order, for known and for new classes."""
    order = np.random.default_rng(1).permutation(len(world.unseen))
    classes, _ = shuffled(world.unseen, world.test, order)
    np.testing.assert_array_equal(fitted.rows_for(classes), fitted.rows_for(world.unseen)[order])
    inductive = Gcn(world.texts, world.rows, **SMALL).fit(world.train, world.seen)
    rows = inductive.rows_for(world.unseen)
    np.testing.assert_allclose(inductive.rows_for(classes), rows[order], rtol=1e-3, atol=1e-5)


def test_an_epoch_is_chosen_by_held_out_classes(world, fitted):
    """Every candidate is asked; the rows are those of the first that answers best."""
    right = {}
    for number in fitted._history.snapshots:
        fitted.take_checkpoint(number)
        right[number] = world.accuracy(fitted), fitted.rows_for(world.unseen)
    best = max(right.values(), key=lambda pair: pair[0])
    fitted.choose(world.test, world.unseen)
    assert list(right) == [50, 100, 150]
    assert not np.array_equal(right[50][1], right[100][1])
    np.testing.assert_array_equal(fitted.rows_for(world.unseen), best[1])


def test_without_rows_the_class_means_are_learned(world):
    """No rows are the same as a table of each seen class's mean video."""
    short = {**SMALL, "epochs": 3}
    given = Gcn(world.texts, world.rows, **short).fit(world.train, everything(world))
    own = Gcn(world.texts, **short).fit(world.train, everything(world))
    np.testing.assert_allclose(own.rows_for(world.unseen), given.rows_for(world.unseen), rtol=1e-4, atol=1e-6)


def test_papers_settings_and_refusals(world):
    """Six layers and 200 steps; it says that it knows the unseen names; nothing is scored before it has learned."""
    method = Gcn.paper(world.texts, world.rows)
    assert method.class_names_at_fit and (*method.hidden,) == (512, 1024, 1024, 1024, 1024)
    assert (method.epochs, method.lr, method.weight_decay, method.choose_every) == (200, 1e-3, 1e-6, 10)
    assert (method.neighbours, method.dropout, method.period_steps) == (5, 0.5, 200)
    with pytest.raises(UsageError, match="learned nothing"):
        method.score(world.test.inputs, world.unseen)
