"""Engines: every operation against numpy, whole networks against each other, the one switch, and exported files."""

from __future__ import annotations

import ast
import json
import math
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import gerund.api
import gerund.encoders.graph
from gerund.api import Model
from gerund.cli import app
from gerund.encoders import engines, sentence
from gerund.encoders.engines import Setup, agreement, choose, compare, compile_graph, export, sample_inputs
from gerund.encoders.graph import Graph
from gerund.encoders.networks import i3d
from gerund.errors import UsageError
from stub import ColourEncoder, write_colours
from test_i3d import tiny_weights as tiny_i3d_weights
from test_sentence import tiny_weights as tiny_bert_weights

NEEDS = {"openvino": "openvino", "onnx": "onnxruntime", "torch": "torch"}
ENGINES = tuple(NEEDS)
every_engine = pytest.mark.parametrize("engine", ENGINES)


def make(graph, engine, **options):
    """An engine on the processor, or a skip that names the library it misses."""
    pytest.importorskip(NEEDS[engine])
    return compile_graph(graph, engine=engine, device="cpu", **{"precision": "fp32", **options})


def windows(x, kernel, stride, before, after, fill):
    """All windows of ``[B, C, ...]`` under explicit padding: ``[B, C, places..., kernel...]``."""
    axes = tuple(range(2, x.ndim))
    padded = np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True)], constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=axes)
    return view[(slice(None), slice(None), *(slice(None, None, step) for step in stride))]


def convolve(x, weight, *, stride, before, after, groups):
    """Convolution, group by group, over any number of axes."""
    spatial = weight.ndim - 2
    parts = []
    for part, rows in zip(np.split(x, groups, axis=1), np.split(weight, groups), strict=True):
        view = windows(part, weight.shape[2:], stride, before, after, 0)
        summed = np.tensordot(view, rows, ([1, *range(-spatial, 0)], [1, *range(2, rows.ndim)]))
        parts.append(np.moveaxis(summed, -1, 1))
    return np.concatenate(parts, axis=1)


def attend(query, key, value, mask=None, *, causal=False):
    """Scaled dot-product attention, written out."""
    scores = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
    if mask is not None:
        scores = np.where(mask[:, None, None] == 1, scores, -np.inf)
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:])) == 1, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ value


def gelu(x):
    """A number times the normal distribution function of x."""
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh(x):
    """The approximation of Hendrycks and Gimpel, 2016."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def read_twice(graph, x):
    """A product that is read with its bias and without."""
    product = graph.linear(x, MATRIX)
    return (product + BIAS[:5]) * product


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


X = normal(0, 2, 3, 4)
IDS = np.array([[2, 0, 1], [4, 4, 3]])
MASK = np.array([[1, 1, 1, 1, 0], [1, 0, 0, 0, 0]])
QUERY, KEY, VALUE = normal(1, 2, 3, 5, 4), normal(2, 2, 3, 5, 4), normal(3, 2, 3, 5, 4)
PLANE, CLIP, LINE = normal(4, 2, 4, 7, 6), normal(5, 1, 2, 4, 6, 5), normal(6, 2, 3, 9)
DENSE, THICK, THIN = normal(7, 6, 4, 3, 2), normal(8, 3, 2, 3, 3, 1), normal(9, 5, 3, 4)
GROUPED, BIAS = normal(10, 8, 1, 3, 3), normal(11, 6)
MATRIX, TABLE, VECTOR = normal(12, 5, 4), normal(13, 6, 4), normal(14, 4)
SQUARE = normal(15, 4, 4)
UINT8 = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) * 10
PADS_2D = {"stride": (2, 1), "before": (1, 0), "after": (0, 1)}
PADS_3D = {"stride": (1, 2, 2), "before": (0, 1, 0), "after": (2, 1, 0)}
PADS_1D = {"stride": (2,), "before": (2,), "after": (2,)}
EVEN = {"stride": (1, 1), "before": (1, 1), "after": (1, 1)}

CASES = {
    "input, constant, add": (lambda g, x: x + VECTOR, (X,), X + VECTOR),
    "add tensors": (lambda g, x, y: x + y, (X, X[:, :1]), X + X[:, :1]),
    "subtract": (lambda g, x: x - 2.5, (X,), X - np.float32(2.5)),
    "multiply": (lambda g, x: x * VECTOR * 3, (X,), X * VECTOR * 3),
    "multiply, add a row": (lambda g, x: x * VECTOR + VECTOR[None], (X[0],), X[0] * VECTOR + VECTOR),
    "matmul": (lambda g, x: x @ MATRIX.T.copy(), (X,), X @ MATRIX.T),
    "matmul of tensors": (lambda g, x, y: x @ y, (QUERY, KEY.swapaxes(2, 3)), QUERY @ KEY.swapaxes(2, 3)),
    "matmul, transpose": (lambda g, x: g.linear(x, MATRIX), (X,), X @ MATRIX.T),
    "matmul of tensors, transpose": (
        lambda g, x, y: g.record("matmul", x, y, transpose=True),
        (QUERY, KEY),
        QUERY @ KEY.swapaxes(2, 3),
    ),
    "linear with bias": (lambda g, x: g.linear(x, MATRIX, BIAS[:5]), (X,), X @ MATRIX.T + BIAS[:5]),
    "linear, read twice": (
        read_twice,
        (X,),
        (X @ MATRIX.T + BIAS[:5]) * (X @ MATRIX.T),
    ),
    "matmul, square, add": (lambda g, x: x @ SQUARE + VECTOR, (X,), X @ SQUARE + VECTOR),
    "to_float": (lambda g, x: g.to_float(x) * (2 / 255) - 1.0, (UINT8,), UINT8 * np.float32(2 / 255) - 1),
    "to_float of int64": (lambda g, x: g.to_float(x), (IDS,), IDS.astype(np.float32)),
    "convolution, 1-D": (
        lambda g, x: g.convolution(x, THIN, **PADS_1D),
        (LINE,),
        convolve(LINE, THIN, **PADS_1D, groups=1),
    ),
    "convolution, 2-D, bias": (
        lambda g, x: g.convolution(x, DENSE, BIAS, **PADS_2D),
        (PLANE,),
        convolve(PLANE, DENSE, **PADS_2D, groups=1) + BIAS[:, None, None],
    ),
    "convolution, 3-D": (
        lambda g, x: g.convolution(x, THICK, **PADS_3D),
        (CLIP,),
        convolve(CLIP, THICK, **PADS_3D, groups=1),
    ),
    "convolution to one channel, add of many": (
        lambda g, x: g.convolution(x, DENSE[:1], **EVEN) + BIAS[:4, None, None][None],
        (PLANE,),
        convolve(PLANE, DENSE[:1], **EVEN, groups=1) + BIAS[:4, None, None],
    ),
    "convolution, groups": (
        lambda g, x: g.convolution(x, GROUPED, **EVEN, groups=4),
        (PLANE,),
        convolve(PLANE, GROUPED, **EVEN, groups=4),
    ),
    "max_pool, 2-D": (
        lambda g, x: g.max_pool(x, (3, 2), *PADS_2D.values()),
        (PLANE - 9,),
        windows(PLANE - 9, (3, 2), *PADS_2D.values(), -np.inf).max(axis=(-1, -2)),
    ),
    "max_pool, 3-D": (
        lambda g, x: g.max_pool(x, (3, 3, 2), *PADS_3D.values()),
        (CLIP - 9,),
        windows(CLIP - 9, (3, 3, 2), *PADS_3D.values(), -np.inf).max(axis=(-1, -2, -3)),
    ),
    "max_pool, 1-D": (
        lambda g, x: g.max_pool(x, (2,), (1,), (1,), (1,)),
        (LINE - 9,),
        windows(LINE - 9, (2,), (1,), (1,), (1,), -np.inf).max(axis=-1),
    ),
    "pad": (lambda g, x: g.pad(x, (0, 1, 0), (0, 2, 3)), (X,), np.pad(X, [(0, 0), (1, 2), (0, 3)])),
    "standardise": (
        lambda g, x: g.record("standardise", x, eps=0.1),
        (X,),
        (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + np.float32(0.1)),
    ),
    "layer_norm": (
        lambda g, x: g.layer_norm(x, VECTOR, -VECTOR, 1e-5),
        (X * 100 + 50,),
        (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-9) * VECTOR - VECTOR,
    ),
    "relu": (lambda g, x: g.relu(x), (X,), np.maximum(X, 0)),
    "clamp": (lambda g, x: g.clamp(x, -0.5, 0.25), (X,), np.clip(X, -0.5, 0.25)),
    "swish": (lambda g, x: g.swish(x, 1.702), (X,), X / (1 + np.exp(-1.702 * X))),
    "gelu": (lambda g, x: g.gelu(x), (X,), gelu(X)),
    "gelu, tanh": (lambda g, x: g.gelu(x, tanh=True), (X,), gelu_tanh(X)),
    "attention": (
        lambda g, q, k, v: g.attention(q, k, v),
        (QUERY[:, :, :2], KEY, VALUE),
        attend(QUERY[:, :, :2], KEY, VALUE),
    ),
    "attention, mask": (
        lambda g, q, k, v, m: g.attention(q, k, v, mask=m),
        (QUERY, KEY, VALUE, MASK),
        attend(QUERY, KEY, VALUE, MASK),
    ),
    "attention, causal": (
        lambda g, q, k, v: g.attention(q, k, v, causal=True),
        (QUERY, KEY, VALUE),
        attend(QUERY, KEY, VALUE, causal=True),
    ),
    "attention, mask and causal": (
        lambda g, q, k, v, m: g.attention(q, k, v, mask=m, causal=True),
        (QUERY, KEY, VALUE, MASK),
        attend(QUERY, KEY, VALUE, MASK, causal=True),
    ),
    "softmax": (lambda g, x: g.softmax(x, 1), (X,), np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)),
    "softmax, last": (lambda g, x: g.softmax(x, -1), (X,), np.exp(X) / np.exp(X).sum(axis=-1, keepdims=True)),
    "gather": (lambda g, ids: g.gather(TABLE, ids), (IDS,), TABLE[IDS]),
    "gather, constant places": (lambda g, x: g.gather(x, np.array([[2, 0]])), (TABLE,), TABLE[[[2, 0]]]),
    "gather from a tensor": (lambda g, x, ids: g.gather(x, ids), (TABLE, IDS), TABLE[IDS]),
    "positions": (lambda g, ids: g.gather(TABLE, ids) + g.positions(TABLE, ids), (IDS,), TABLE[IDS] + TABLE[:3]),
    "reshape": (lambda g, x: g.reshape(x, [0, -1, 2]), (X,), X.reshape(2, -1, 2)),
    "reshape to more": (lambda g, x: g.reshape(x, [0, 0, 2, 2]), (X,), X.reshape(2, 3, 2, 2)),
    "transpose": (lambda g, x: g.transpose(x, [2, 0, 1]), (X,), X.transpose(2, 0, 1)),
    "concat": (lambda g, x: g.concat([x, x * 2, x], 1), (X,), np.concatenate([X, X * 2, X], 1)),
    "slice": (lambda g, x: g.slice(x, 1, 1, 99), (X,), X[:, 1:]),
    "slice, step": (lambda g, x: g.slice(x, 2, 1, 4, 2), (X,), X[:, :, 1:4:2]),
    "slice, from the end": (lambda g, x: g.slice(x, -1, -2, 99), (X,), X[..., -2:]),
    "slice, last axis, backwards": (lambda g, x: g.slice(x, 2, 3, 0, -1), (X,), X[..., 3:0:-1]),
    "mean": (lambda g, x: g.mean(x, [0, 2]), (X,), X.mean(axis=(0, 2))),
    "sum": (lambda g, x: g.sum(x, [1]), (X,), X.sum(axis=1)),
    "unit": (lambda g, x: g.unit(x), (X,), X / np.linalg.norm(X, axis=-1, keepdims=True)),
    "unit of zero": (lambda g, x: g.unit(x * 0.0), (X,), X * 0),
}
"""Name (its first word is the operation): how it is written, what goes in, what numpy makes of it."""


def graph_of(write, inputs):
    """One operation as a graph whose first axis is open."""
    graph = Graph("one")
    given = [graph.input(f"x{i}", [-1, *x.shape[1:]], x.dtype.name) for i, x in enumerate(inputs)]
    graph.output("y", write(graph, *given))
    return graph


def recorded_operations():
    """Every name that a method of Graph passes to `record`, read from its source."""
    tree = ast.parse(Path(gerund.encoders.graph.__file__).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return {
        node.args[0].value for node in calls if node.func.attr == "record" and isinstance(node.args[0], ast.Constant)
    }


@every_engine
def test_tables_say_every_operation(engine):
    """Each engine knows exactly the operations that a graph can record, and each has a case here."""
    pytest.importorskip(NEEDS[engine])
    from importlib import import_module

    table = import_module(f"gerund.encoders.engines.{engine}")._OPERATIONS
    assert table.keys() == recorded_operations()
    written = {node.op for write, inputs, _ in CASES.values() for node in graph_of(write, inputs).nodes}
    assert written == recorded_operations()


@every_engine
@pytest.mark.parametrize("case", CASES)
def test_operations_equal_numpy(engine, case):
    """An operation gives what numpy gives."""
    write, inputs, expected = CASES[case]
    result = make(graph_of(write, inputs), engine)(*inputs)
    assert result.dtype == np.float32
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=2e-5, rtol=1e-5)


@every_engine
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_convolutions_of_any_shape(engine, data):
    """Convolution and pooling agree with numpy for every kernel, stride and padding."""
    draw = data.draw
    spatial = draw(st.integers(1, 3))
    kernel, stride, before, after = (
        tuple(draw(st.lists(st.integers(*bounds), min_size=spatial, max_size=spatial)))
        for bounds in ((1, 3), (1, 3), (0, 2), (0, 2))
    )
    groups = draw(st.sampled_from([1, 2]))
    size = [draw(st.integers(k, 6)) for k in kernel]
    x, weight = normal(spatial, 2, 4, *size), normal(groups, 6, 4 // groups, *kernel)
    where = {"stride": stride, "before": before, "after": after}
    graph = graph_of(lambda g, x: g.convolution(x, weight, **where, groups=groups), (x,))
    expected = convolve(x, weight, **where, groups=groups)
    np.testing.assert_allclose(make(graph, engine)(x), expected, atol=2e-5, rtol=1e-5)
    before, after = (tuple(min(p, k - 1) for p, k in zip(pads, kernel, strict=True)) for pads in (before, after))
    graph = graph_of(lambda g, x: g.max_pool(x, kernel, stride, before, after), (x,))
    expected = windows(x, kernel, stride, before, after, -np.inf).max(axis=tuple(range(-spatial, 0)))
    np.testing.assert_allclose(make(graph, engine)(x), expected, atol=1e-6)


@pytest.fixture(scope="module")
def tiny_i3d():
    """A tiny I3D and frames for it."""
    graph = i3d.build(tiny_i3d_weights(np.random.default_rng(0)))
    return graph, sample_inputs(graph, np.random.default_rng(1), batch=3)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keeps what is calibrated here out of the user's cache."""
    monkeypatch.setenv("GERUND_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tiny_bert():
    """A tiny BERT with padded sentences for it."""
    graph = sentence.build(tiny_bert_weights(np.random.default_rng(0)))
    return graph, sample_inputs(graph, np.random.default_rng(1), batch=5, length=11)


@pytest.mark.parametrize("engine", ["onnx", "torch"])
@pytest.mark.parametrize("network", ["tiny_i3d", "tiny_bert"])
def test_engines_agree(engine, network, request):
    """Whole networks give the same on every engine, to 1e-5 of numbers below 1."""
    graph, inputs = request.getfixturevalue(network)
    expected = make(graph, "openvino")(*inputs)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(make(graph, engine)(*inputs), expected, atol=1e-5)


@every_engine
@pytest.mark.parametrize("network", ["tiny_i3d", "tiny_bert"])
def test_batch_order_and_threads_do_not_matter(engine, network, request):
    """A row has one result, alone or beside others, in any order, on any number of threads."""
    graph, inputs = request.getfixturevalue(network)
    one, two = make(graph, engine, threads=1), make(graph, engine, threads=2)
    together = one(*inputs)
    np.testing.assert_allclose(two(*inputs), together, atol=1e-6)
    np.testing.assert_allclose(one(*(x[::-1].copy() for x in inputs))[::-1], together, atol=1e-6)
    for row in range(len(together)):
        np.testing.assert_allclose(one(*(x[row : row + 1] for x in inputs)), together[row : row + 1], atol=1e-6)


@every_engine
def test_results_are_ones_own(engine):
    """A later call does not change an earlier result, and read-only and strided inputs are taken as they are."""
    run = make(graph_of(lambda g, x: x * 2, (X,)), engine)
    fixed = X.copy()
    fixed.flags.writeable = False
    first = run(fixed)
    run(X[::-1].copy())
    np.testing.assert_array_equal(first, X * 2)
    np.testing.assert_array_equal(run(np.asfortranarray(X)), X * 2)
    assert first.flags.writeable


@every_engine
def test_threads_get_their_own_results(engine, tiny_bert):
    """Several threads that run one engine at once each get what it gives for their own input."""
    graph, inputs = tiny_bert
    run = make(graph, engine)
    texts = [tuple(x[row : row + 1] for x in inputs) for row in range(3)]
    expected, met = [run(*mine) for mine in texts], []

    def ask(place):
        for _ in range(40):
            try:
                met.append(bool(np.allclose(run(*texts[place]), expected[place], atol=1e-4)))
            except Exception as error:
                met.append(error)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not np.allclose(expected[0], expected[1], atol=1e-3)
    assert met == [True] * 120


def test_torch_settings_are_put_back(tiny_bert):
    """Threads and the float32 switch are the same after a call as before it."""
    torch = pytest.importorskip("torch")
    graph, inputs = tiny_bert
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    make(graph, "torch", threads=before[0] + 1)(*inputs)
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before


def test_torch_module_moves_casts_and_trains(tiny_bert):
    """The module's float arrays are parameters: a step down the gradient lowers the loss and leaves the graph alone."""
    torch = pytest.importorskip("torch")
    from gerund.encoders.engines.torch import GraphModule

    graph, inputs = tiny_bert
    before = agreement.fingerprint(graph)
    given = [torch.from_numpy(x) for x in inputs]
    module = GraphModule(graph)
    wanted = module(*given).detach().flip(0)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        loss = (module(*given) - wanted).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert agreement.fingerprint(graph) == before
    again = GraphModule(graph)
    again.load_state_dict(module.state_dict())
    exact = module(*given).detach()
    torch.testing.assert_close(again(*given), exact)
    again.to(torch.bfloat16)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.bfloat16}
    rounded = again(*given).detach().float()
    assert compare([rounded.numpy()], [exact.numpy()], "").cosine_min > 0.999
    assert not torch.equal(rounded, exact)


def perceptron():
    """Three layers of 64 with ReLU, and normal inputs."""
    rng = np.random.default_rng(0)
    graph = Graph("perceptron")
    x = graph.input("x", [-1, 64], "float32")
    for _ in range(3):
        x = graph.relu(graph.linear(x, (rng.normal(size=(64, 64)) / 8).astype("f4"), normal(1, 64)))
    graph.output("y", x)
    return graph


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_int8_reports_its_agreement(engine):
    """int8 says how near it is to float32, and that is what comes out on inputs of one's own too."""
    pytest.importorskip("nncf") if engine == "openvino" else None
    graph = perceptron()
    run = make(graph, engine, precision="int8")
    assert run.precision == "int8"
    assert 0.95 <= run.agreement.cosine_min <= run.agreement.cosine_mean < 1
    assert run.agreement.data == "random"
    x = normal(5, 16, 64)
    measured = compare([run(x)], [make(graph, engine)(x)], "mine")
    assert measured.cosine_min >= 0.95
    assert measured.max_error > 0


def test_an_int8_network_is_calibrated_once(monkeypatch):
    """The second time it is read from the cache and gives the same; other calibration inputs make another network."""
    pytest.importorskip("nncf")
    from gerund.encoders.engines import openvino

    calls = []
    original = openvino.quantised
    monkeypatch.setattr(openvino, "quantised", lambda *given: (calls.append(1), original(*given))[1])
    x = normal(5, 16, 64)
    first = make(perceptron(), "openvino", precision="int8")(x)
    again = make(perceptron(), "openvino", precision="int8")(x)
    assert len(calls) == 1
    np.testing.assert_array_equal(first, again)
    make(perceptron(), "openvino", precision="int8", calibration=[(x,)])
    assert len(calls) == 2


def test_int8_takes_calibration_inputs(tiny_bert, capfd):
    """Calibrated on inputs that are given, it says so, and says nothing else anywhere."""
    pytest.importorskip("nncf")
    graph, inputs = tiny_bert
    run = make(graph, "openvino", precision="int8", calibration=[inputs, tuple(x[:2] for x in inputs)])
    assert run.agreement.data == "calibration"
    assert run.agreement.num_vectors == 7
    assert run.agreement.cosine_min > 0.95
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("engine", ["openvino", "torch"])
@pytest.mark.parametrize("cosine", [0.9991, 0.9989])
def test_auto_falls_back_where_16_bits_disagree(engine, cosine, monkeypatch, tiny_bert):
    """bfloat16 is taken at a cosine of 0.999 and not below; the outcome is remembered."""
    pytest.importorskip(NEEDS[engine])
    monkeypatch.setattr(engines, "_decided", {})
    monkeypatch.setattr(engines, "_has_bf16", lambda _: True)
    counted = []

    def pretend(results, references, data):
        counted.append(data)
        return agreement.Agreement(1.0, cosine, 0.0, 0.0, 1.0, 1, data)

    monkeypatch.setattr(engines, "compare", pretend)
    for _ in range(2):
        run = make(tiny_bert[0], engine, precision="auto")
        assert run.precision == ("bf16" if cosine > 0.999 else "fp32")
        assert (run.agreement is not None) == (cosine > 0.999)
    assert counted == ["random"]
    assert make(tiny_bert[0], engine, precision="auto", checked=True).precision == "bf16"
    assert counted == ["random"]


def test_auto_agrees_with_fp32(tiny_i3d, tiny_bert):
    """Whatever auto takes here, its vectors have a cosine of at least 0.999 to those of float32."""
    for graph, inputs in (tiny_i3d, tiny_bert):
        run = make(graph, "openvino", precision="auto")
        assert compare([run(*inputs)], [make(graph, "openvino")(*inputs)], "").cosine_min >= 0.999


NONE_OF = {
    "torch": ("torch",),
    "onnx": ("onnx", "onnxruntime"),
    "int8": ("nncf",),
}


@pytest.mark.parametrize(
    ("missing", "wanted", "message"),
    [
        ("torch", {"engine": "torch"}, r"pip install 'gerund\[torch\]'"),
        ("torch", {"device": "cuda"}, r"pip install 'gerund\[torch\]'"),
        ("onnx", {"engine": "onnx"}, r"pip install 'gerund\[onnx\]'"),
        ("int8", {"engine": "openvino", "precision": "int8"}, r"pip install 'gerund\[int8\]'"),
    ],
)
def test_a_missing_library_is_named(missing, wanted, message, monkeypatch):
    """Where a library is not installed the message is the command that installs it."""
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name in NONE_OF[missing] else find_spec(name))
    with pytest.raises(UsageError, match=message):
        choose(**wanted)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"engine": "openvino", "device": "cuda"}, "engine 'torch' with device 'cuda'"),
        ({"engine": "onnx", "device": "cuda"}, "engine 'torch' with device 'cuda'"),
        ({"engine": "torch", "device": "cuda"}, "device 'cpu'"),
        ({"device": "cuda"}, "device 'cpu'"),
        ({"engine": "onnx", "precision": "bf16"}, "engine 'openvino' for bf16"),
        ({"engine": "torch", "precision": "int8"}, "'openvino' or 'onnx'"),
        ({"precision": "fp16"}, "'bf16', 'fp32' or 'auto'"),
        ({"engine": "onnx", "precision": "fp16"}, "'bf16', 'fp32' or 'auto'"),
        ({"engine": "openvino", "precision": "bf16"}, "'fp32' or 'auto'"),
        ({"engine": "torch", "precision": "bf16"}, "'fp32' or 'auto'"),
        ({"engine": "tensorflow"}, "auto, torch, openvino, onnx"),
        ({"precision": "fp8"}, "fp32"),
        ({"device": "tpu"}, "cpu"),
    ],
)
def test_impossible_combinations(wanted, message, monkeypatch):
    """What cannot be had is refused in words that say what can be."""
    monkeypatch.setattr(engines, "find_spec", lambda _: True)
    monkeypatch.setattr(engines, "_cuda_is_there", lambda: False)
    monkeypatch.setattr(engines, "_has_bf16", lambda _: False)
    with pytest.raises(UsageError, match=message):
        choose(**wanted)


@pytest.mark.parametrize(
    ("gpu", "bf16", "wanted", "expected"),
    [
        (False, True, {}, ("openvino", "bf16", "cpu")),
        (False, False, {}, ("openvino", "fp32", "cpu")),
        (True, True, {}, ("torch", "bf16", "cuda")),
        (True, False, {}, ("torch", "fp16", "cuda")),
        (True, True, {"device": "cpu"}, ("openvino", "bf16", "cpu")),
        (True, True, {"engine": "openvino"}, ("openvino", "bf16", "cpu")),
        (True, True, {"engine": "torch"}, ("torch", "bf16", "cuda")),
        (True, True, {"engine": "torch", "device": "cpu"}, ("torch", "bf16", "cpu")),
        (True, True, {"precision": "fp32"}, ("torch", "fp32", "cuda")),
        (True, True, {"precision": "fp16"}, ("torch", "fp16", "cuda")),
        (True, True, {"engine": "onnx"}, ("onnx", "fp32", "cpu")),
        (False, True, {"engine": "onnx", "precision": "int8"}, ("onnx", "int8", "cpu")),
        (False, True, {"precision": "int8"}, ("openvino", "int8", "cpu")),
    ],
)
def test_what_auto_means(gpu, bf16, wanted, expected, monkeypatch):
    """The default is PyTorch on a CUDA device, else OpenVINO; 16 bits where they are native."""
    monkeypatch.setattr(engines, "find_spec", lambda _: True)
    monkeypatch.setattr(engines, "_machine_has_gpu", lambda: gpu)
    monkeypatch.setattr(engines, "_cuda_is_there", lambda: gpu)
    monkeypatch.setattr(engines, "_has_bf16", lambda _: bf16)
    assert choose(**wanted) == Setup(*expected)


def test_int8_without_matrix_products_is_refused(tiny_i3d):
    """ONNX Runtime would leave a network of convolutions as it is; that is said, not done."""
    with pytest.raises(UsageError, match="'openvino' for int8"):
        make(tiny_i3d[0], "onnx", precision="int8")


def test_calibration_is_for_int8():
    """Calibration inputs with another precision, or none at all, are refused."""
    with pytest.raises(UsageError, match="int8"):
        compile_graph(perceptron(), precision="fp32", calibration=[(X,)])
    pytest.importorskip("nncf")
    with pytest.raises(UsageError, match="empty"):
        compile_graph(perceptron(), precision="int8", device="cpu", calibration=[])


def test_sample_inputs_fit_the_graph():
    """Token numbers lie in the table, masks begin with 1, no sequence is longer than there are positions."""
    graph = sentence.build(tiny_bert_weights(np.random.default_rng(0), words=7))
    ids, mask = sample_inputs(graph, np.random.default_rng(0), batch=9, length=100)
    assert ids.shape == mask.shape == (9, 32)
    assert set(np.unique(ids)) == set(range(7))
    assert (mask[:, 0] == 1).all()
    assert (np.diff(mask, axis=1) <= 0).all()
    assert mask.min() == 0
    _, masks = sample_inputs(graph, np.random.default_rng(1), batch=200, length=4)
    assert set(masks.sum(axis=1).tolist()) == {1, 2, 3, 4}, "sentences of every length, the longest too"
    (frames,) = sample_inputs(i3d.build(tiny_i3d_weights(np.random.default_rng(0))), np.random.default_rng(0))
    assert frames.shape == (1, 8, 224, 224, 3)
    assert frames.dtype == np.uint8
    blocks = frames[0, 0, ..., 0].reshape(14, 16, 14, 16).mean(axis=(1, 3))
    assert blocks.std() > 15  # white noise of this strength would have a sixteenth of its 60


def test_sample_pictures_have_contrast_at_every_scale():
    """Means of blocks of 1, 2, 4 ... 32 pixels keep the share of the spread that six octaves of noise leave them."""
    graph = Graph("picture")
    graph.output("y", graph.to_float(graph.input("pictures", [-1, 256, 256, 3], "uint8")))
    (found,) = sample_inputs(graph, np.random.default_rng(0), batch=4)
    assert found.shape == (4, 256, 256, 3)
    assert found.mean() == pytest.approx(115, abs=5)
    for scale in range(6):
        side = 2**scale
        means = found.reshape(4, 256 // side, side, 256 // side, side, 3).mean(axis=(2, 4))
        # octaves as large as the block remain, smaller ones lose a quarter of their variance a step
        variance = 60**2 / 6 * (6 - scale + sum(0.25**step for step in range(1, scale + 1)))
        assert means.std() == pytest.approx(variance**0.5, rel=0.15)


def test_what_is_not_asked_for_is_auto(monkeypatch):
    """Where the processor has bfloat16, a network is computed in it unless something else is said."""
    monkeypatch.setattr(engines, "_has_bf16", lambda _: True)
    monkeypatch.setattr(engines, "_machine_has_gpu", lambda: False)
    monkeypatch.setattr(engines, "_make", lambda graph, setup, threads: setup)
    assert compile_graph(Graph("none"), checked=True) == Setup("openvino", "bf16", "cpu")


def test_compare_by_hand():
    """Right angles are cosine 0, equal zeros 1, what is not finite -1."""
    a, b = np.array([[1, 0], [0, 0], [3, 4]], "f4"), np.array([[0, 2], [0, 0], [3, 4]], "f4")
    found = compare([a], [b], "hand")
    assert (found.cosine_min, found.max_error, found.max_reference, found.num_vectors) == (0, 2, 4, 3)
    assert found.cosine_mean == pytest.approx(2 / 3)
    assert found.mean_error == pytest.approx(3 / 6)
    assert compare([a * np.nan], [b], "hand").cosine_min == -1
    assert compare([a * np.nan], [b], "hand").max_error == np.inf


def test_fingerprint_sees_every_weight():
    """Graphs have one fingerprint if and only if their operations, settings and arrays are the same."""

    def graph(weight, eps=0.1):
        return graph_of(lambda g, x: g.record("standardise", g.linear(x, weight), eps=eps), (X,))

    other = MATRIX.copy()
    other[4, 3] += 1e-6
    prints = [agreement.fingerprint(g) for g in (graph(MATRIX), graph(MATRIX.copy()), graph(other), graph(MATRIX, 0.2))]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


class TinyEncoder(ColourEncoder):
    """The colour stub with two networks: one that takes its pictures, one that takes texts."""

    name = "tiny"

    def graphs(self):
        graph = Graph("colours")
        x = graph.to_float(graph.input("frames", [-1, -1, 8, 8, 3], "uint8")) * (1 / 255)
        graph.output("vectors", graph.unit(graph.linear(graph.mean(x, [2, 3]), normal(3, 5, 3))))
        return {"colours": graph, "words": sentence.build(tiny_bert_weights(np.random.default_rng(0)))}


FILES = {
    "onnx": {"colours.onnx", "words.onnx", "parity.json"},
    "openvino": {"colours.xml", "colours.bin", "words.xml", "words.bin", "parity.json"},
}


@pytest.fixture
def run(monkeypatch):
    """Types a command to a gerund whose model is the tiny encoder."""
    monkeypatch.setattr(gerund.api, "load", lambda *_, **__: Model(TinyEncoder()))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("format", FILES)
def test_export_writes_reloads_and_matches(format, run, tmp_path):
    """Both networks lie in the folder, compute the same in another program's hands, and the report says so."""
    pytest.importorskip("onnxruntime") if format == "onnx" else None
    video = write_colours(tmp_path / "a.mp4", ["red", "green"])
    out = tmp_path / "out"
    result = run("export", "tiny", out, "--format", format, "--video", video)
    assert result.exit_code == 0, result.output
    assert {file.name for file in out.iterdir()} == FILES[format]
    report = json.loads((out / "parity.json").read_text())
    assert report["good"]
    assert [check["data"] for check in report["networks"]["colours"]["checks"]] == ["random"] * 2 + [str(video)]
    assert {check["data"] for check in report["networks"]["words"]["checks"]} == {"random"}
    assert str(out / "parity.json") in result.stdout
    for name, graph in TinyEncoder().graphs().items():
        inputs = sample_inputs(graph, np.random.default_rng(7), batch=2)
        assert all(check["cosine_min"] > 0.99999 for check in report["networks"][name]["checks"])
        np.testing.assert_allclose(run_file(out, name, format, inputs), make(graph, "openvino")(*inputs), atol=1e-5)


def run_file(folder, name, format, inputs):
    """The first output of an exported file, by its own runtime and nothing of gerund's."""
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
        return session.run(None, {item.name: x for item, x in zip(session.get_inputs(), inputs, strict=True)})[0]
    import openvino

    return openvino.compile_model(folder / f"{name}.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)[0]


@pytest.mark.parametrize("format", FILES)
def test_export_refuses_what_does_not_match(format, run, tmp_path, monkeypatch):
    """A file that computes something else is not kept: status 1, the report, and what was there before stays."""
    pytest.importorskip("onnxruntime") if format == "onnx" else None
    original = getattr(export, f"_write_{format}")

    def perturbed(graph, file, threads):
        ready = original(graph, file, threads)
        return lambda *inputs: ready(*inputs) * (1.01 if graph.name == "colours" else 1)

    monkeypatch.setattr(export, f"_write_{format}", perturbed)
    out = tmp_path / "out"
    out.mkdir()
    (out / "colours.onnx").write_text("the old one")
    result = run("export", "tiny", out, "--format", format)
    assert result.exit_code == 1
    assert "not exported: 'colours' differs by up to 1.0e-02" in result.stderr
    assert {file.name for file in out.iterdir()} == {"colours.onnx", "parity-failed.json"}
    assert (out / "colours.onnx").read_text() == "the old one"
    report = json.loads((out / "parity-failed.json").read_text())
    assert [network["good"] for network in report["networks"].values()] == [False, True]
    assert run("export", "tiny", out, "--format", format, "--tolerance", "0.02").exit_code == 0
    assert {file.name for file in out.iterdir()} == FILES[format] | {"colours.onnx"}


def test_one_bad_run_of_many_is_not_exported(run, tmp_path, monkeypatch):
    """A file that is right on random inputs and wrong on a video is not kept."""
    video = write_colours(tmp_path / "a.mp4", ["red"])
    original = export._write_openvino

    def wrong_on_videos(graph, file, threads):
        ready, asked = original(graph, file, threads), []

        def answer(*inputs):
            asked.append(inputs)
            return ready(*inputs) * (1 if graph.name != "colours" or len(asked) < 3 else 1.01)

        return answer

    monkeypatch.setattr(export, "_write_openvino", wrong_on_videos)
    result = run("export", "tiny", tmp_path / "out", "--format", "openvino", "--video", video)
    assert result.exit_code == 1 and "'colours' differs" in result.stderr
    report = json.loads((tmp_path / "out" / "parity-failed.json").read_text())
    errors = [check["max_error"] for check in report["networks"]["colours"]["checks"]]
    assert max(errors[:2]) < 1e-4 < errors[2] and not report["good"]


def test_export_at_no_tolerance_is_refused(run, tmp_path):
    """Rounding differs between engines, so a tolerance of nothing is never met."""
    if find_spec("onnxruntime") is None and find_spec("torch") is None:
        pytest.skip("no second engine is installed to compare OpenVINO with")
    result = run("export", "tiny", tmp_path, "--format", "openvino", "--tolerance", "0")
    assert result.exit_code == 1


def test_export_needs_networks(tmp_path):
    """An encoder without networks, and a format that is none, are refused."""
    with pytest.raises(UsageError, match="networks"):
        export.export_model(ColourEncoder(), tmp_path, format="openvino")
    with pytest.raises(UsageError, match="onnx, openvino"):
        export.export_model(TinyEncoder(), tmp_path, format="caffe")
    assert list(tmp_path.iterdir()) == []


def test_too_large_a_graph_is_refused_by_onnx(monkeypatch):
    """Weights that one ONNX file cannot hold are refused before anything is written."""
    onnx = pytest.importorskip("gerund.encoders.engines.onnx")
    monkeypatch.setattr(onnx, "_LARGEST_BYTES", 1000)
    with pytest.raises(UsageError, match="openvino"):
        onnx.to_onnx(perceptron())


def test_settings_reach_the_encoder(monkeypatch, tmp_path):
    """Engine, precision and device go from the command line to `load`, and int8's agreement is printed."""
    asked = {}

    class Remarking(Model):
        def remarks(self):
            return ["int8 video network: cosine to fp32 0.99"]

    def load(name, **settings):
        asked.update(settings)
        return Remarking(ColourEncoder())

    monkeypatch.setattr(gerund.api, "load", load)
    video = write_colours(tmp_path / "a.mp4", ["red"])
    words = ["classify", str(video), "--actions", "red,blue", "--engine", "onnx", "--precision", "int8"]
    result = CliRunner().invoke(app, [*words, "--device", "cpu", "--threads", "1"])
    assert result.exit_code == 0
    assert {key: asked[key] for key in ("engine", "precision", "device", "threads")} == {
        "engine": "onnx",
        "precision": "int8",
        "device": "cpu",
        "threads": 1,
    }
    assert "note: int8 video network: cosine to fp32 0.99" in result.stderr


def test_load_refuses_impossible_settings_before_fetching(monkeypatch):
    """What cannot be had is refused before any weights are looked for."""
    monkeypatch.setattr(engines, "_cuda_is_there", lambda: False)
    for wanted in ({"engine": "onnx", "precision": "bf16"}, {"engine": "openvino", "device": "cuda"}):
        with pytest.raises(UsageError):
            gerund.load(**wanted)
