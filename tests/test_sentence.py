"""MiniLM: the graph against a plain numpy BERT, and the released weights against published vectors."""

from __future__ import annotations

import numpy as np
import pytest

from gerund.assets import find_asset, is_here, path_of
from gerund.encoders import sentence
from gerund.encoders.engines import compile_graph
from gerund.errors import UsageError
from oracles import bert_sentence

needs_weights = pytest.mark.skipif(
    not is_here(find_asset("minilm")), reason="MiniLM's weights are not in the cache; run 'gerund models get'"
)


def tiny_weights(rng, dim=24, hidden=36, layers=2, words=50):
    """A BERT with the published tensor names, two layers and 12 heads of 2."""
    weights = {
        "embeddings.word_embeddings.weight": rng.normal(size=(words, dim)),
        "embeddings.position_embeddings.weight": rng.normal(size=(32, dim)),
        "embeddings.token_type_embeddings.weight": rng.normal(size=(2, dim)),
    }

    def linear(name, out, into):
        weights[f"{name}.weight"] = rng.normal(0, into**-0.5, (out, into))
        weights[f"{name}.bias"] = rng.normal(0, 0.1, out)

    def norm(name):
        weights[f"{name}.weight"] = rng.normal(1, 0.1, dim)
        weights[f"{name}.bias"] = rng.normal(0, 0.1, dim)

    norm("embeddings.LayerNorm")
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            linear(f"{name}.attention.self.{part}", dim, dim)
        linear(f"{name}.attention.output.dense", dim, dim)
        norm(f"{name}.attention.output.LayerNorm")
        linear(f"{name}.intermediate.dense", hidden, dim)
        linear(f"{name}.output.dense", dim, hidden)
        norm(f"{name}.output.LayerNorm")
    return {name: value.astype("f4") for name, value in weights.items()}


def test_graph_equals_the_plain_network():
    """A tiny BERT gives the numpy network's vectors, with padding beside shorter sentences and without."""
    rng = np.random.default_rng(0)
    weights = tiny_weights(rng)
    run = compile_graph(sentence.build(weights), precision="fp32")
    lengths = [9, 4, 1]
    ids = rng.integers(0, 50, (3, 9))
    mask = (np.arange(9) < np.array(lengths)[:, None]).astype(np.int64)
    got = run(ids, mask)
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(got[row], bert_sentence(ids[row, :length], weights, heads=12), atol=1e-5)
        np.testing.assert_allclose(
            run(ids[row : row + 1, :length], mask[row : row + 1, :length])[0], got[row], atol=1e-5
        )


@pytest.fixture(scope="module")
def minilm():
    """The released sentence encoder."""
    return sentence.SentenceEncoder(path_of(find_asset("minilm")), path_of(find_asset("minilm-tokenizer")))


@needs_weights
def test_released_weights_give_the_published_vectors(minilm):
    """Three sentences have the published first values and cosines."""
    vectors = minilm(["playing guitar", "a person riding a bicycle", "shoot bow"])
    expected = [
        [0.04012, 0.00249, -0.00679, -0.0189],
        [0.03345, 0.07096, -0.03234, -0.02527],
        [0.05613, -0.01844, 0.01973, 0.02788],
    ]
    np.testing.assert_allclose(vectors[:, :4], expected, atol=1.5e-5)
    cosines = vectors @ vectors.T
    np.testing.assert_allclose([cosines[0, 1], cosines[0, 2], cosines[1, 2]], [0.24935, 0.24755, 0.03099], atol=1e-5)


@needs_weights
def test_vectors_do_not_depend_on_the_batch(minilm):
    """A text has one vector, whatever its neighbours and their order."""
    texts = ["wave", "a person draws a long curved sword out of its sheath", "é", "", "riding a bike " * 20] * 9
    together = minilm(texts)
    alone = np.concatenate([minilm([text]) for text in texts[:5]])
    np.testing.assert_allclose(together[:5], alone, atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@needs_weights
def test_too_long_a_text_is_refused(minilm):
    """A text beyond the model's window is an error that names it, never a silent cut."""
    with pytest.raises(UsageError, match="word word"):
        minilm(["word " * 600])
