"""DEM: distances to mapped texts, and that the map can be learned."""

from __future__ import annotations

import numpy as np
import pytest

from gerund.errors import UsageError
from gerund.methods.recognizers.dem import Dem, squared_distances, visual_prototypes
from hidden_map import hidden_map, shuffled

torch = pytest.importorskip("torch")


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


def test_prototypes_by_hand():
    """Two layers with nothing below 0 after each: worked on paper."""
    first, second = np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, -0.5]])
    assert visual_prototypes(np.array([[3.0, 1.0], [-1.0, -2.0]]), first, second).tolist() == [[8, 0, 0], [1, 0, 0]]


def test_prototypes_are_pytorchs_layers():
    """NumPy's numbers and gradients' numbers come from one formula; it is that of Linear, ReLU, Linear, ReLU."""
    network = torch.nn.Sequential(
        torch.nn.Linear(5, 7, bias=False), torch.nn.ReLU(), torch.nn.Linear(7, 4, bias=False), torch.nn.ReLU()
    )
    texts = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    weights = network[0].weight, network[2].weight
    torch.testing.assert_close(visual_prototypes(texts, *weights), network(texts))
    arrays = [tensor.detach().numpy() for tensor in (texts, *weights)]
    np.testing.assert_allclose(visual_prototypes(*arrays), network(texts).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_distances_are_those_of_the_long_way():
    """The expanded square is the sum of squared differences, also far from the origin, and never below 0."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((30, 64)) + 50, random.standard_normal((8, 64)) + 50
    expected = ((x[:, None] - y[None]) ** 2).sum(2)
    np.testing.assert_allclose(squared_distances(x, y), expected, rtol=1e-5)
    assert squared_distances(x, x).min() == 0


def test_training_begins_with_the_loss_of_the_formula(world):
    """One step with a rate of almost 0 and no dropout: the mean squared error over videos and dimensions."""
    method = Dem(world.texts, dropout=0, epochs=1, batch=10_000, lr=1e-12).fit(world.train, world.seen)
    hidden = np.maximum(world.texts.encode_classes(world.seen) @ method.weights_["first.weight"].T, 0)
    prototypes = np.maximum(hidden @ method.weights_["second.weight"].T, 0)
    x = world.train.inputs.vectors
    assert method.losses_ == [pytest.approx(((x - prototypes[world.train.labels]) ** 2).mean(), rel=1e-4)]
    expected = -((x[:, None] - prototypes[None]) ** 2).sum(2)
    np.testing.assert_allclose(method.score(world.train.inputs, world.seen), expected, rtol=1e-4)


def test_unseen_classes_are_recognised(world):
    """Ten times better than chance, on videos of classes that it never met, through the hidden map."""
    assert world.accuracy(Dem(world.texts, epochs=60).fit(world.train, world.seen)) >= 10 / len(world.unseen)


def test_the_order_of_classes_means_nothing(world):
    """Asked in another order the same scores come in that order; learned in another order the layers are the same."""
    method = Dem(world.texts, epochs=2).fit(world.train, world.seen)
    order = np.random.default_rng(1).permutation(len(world.seen))
    classes, examples = shuffled(world.seen, world.train, order)
    scores = method.score(world.test.inputs, world.seen)
    np.testing.assert_allclose(method.score(world.test.inputs, classes), scores[:, order], rtol=1e-5)
    other = Dem(world.texts, epochs=2).fit(examples, classes)
    np.testing.assert_allclose(other.weights_["second.weight"], method.weights_["second.weight"], atol=1e-6)


def test_papers_settings_and_refusals(world):
    """Those of the released configuration; asking before learning is refused."""
    method = Dem.paper(world.texts)
    assert (method.hidden, method.dropout, method.normalize_texts, method.weight_decay) == (512, 0.5, False, 1e-5)
    assert (method.lr, method.warmup_steps, method.period_steps, method.epochs) == (1e-4, 2000, 50_000, 30)
    with pytest.raises(UsageError, match="learned nothing"):
        method.score(world.test.inputs, world.unseen)
