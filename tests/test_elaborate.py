"""Elaborative Rehearsal: its equations by hand, its text encoders against others, and the whole on a made-up world."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="Elaborate learns with PyTorch")
pytest.importorskip("transformers", reason="Elaborate reads texts with a BERT of transformers")

from gerund.encoders.networks.bert import Bert  # noqa: E402
from gerund.encoders.table import VectorTable  # noqa: E402
from gerund.errors import AssetError, UsageError  # noqa: E402
from gerund.examples import Examples, Inputs  # noqa: E402
from gerund.methods.recognizers.elaborate.layers import (  # noqa: E402
    BertBackbone,
    ElaborateNetwork,
    SharedText,
    TextEncoder,
    VideoEncoder,
    Views,
    WordBackbone,
    concept_weights,
    device_of,
)
from gerund.methods.recognizers.elaborate.method import Elaborate  # noqa: E402
from gerund.methods.recognizers.elaborate.rehearsal import (  # noqa: E402
    ObjectTexts,
    class_loss,
    rehearsal_loss,
    shared_concepts,
    stream_scores,
)
from gerund.methods.training.saved import load, save  # noqa: E402
from gerund.text.classes import ClassSpace  # noqa: E402
from gerund.text.objects import Concepts  # noqa: E402
from gerund.types import Track  # noqa: E402

VERBS = ("gaf", "lub", "mip", "ros", "tud", "ven")
NOUNS = ("bax", "dop", "fik", "hul", "jem", "kor")
FILLERS = ("a", "thing", "with", "which", "one", "does", "of", ":")
POOLINGS = ("first", "avg", "max", "last", "attn")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small compute faster with one thread than with several that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """The folder of a tiny random BERT of three layers that knows the words above."""
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLERS, *VERBS, *NOUNS]
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=40,
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config)
    torch.nn.init.normal_(model.embeddings.word_embeddings.weight)  # words that differ more than their places do
    folder = tmp_path_factory.mktemp("bert")
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


# Texts


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("first", (0, 0.447214, 0.894427)),
        ("avg", (0.424264, 0.565685, 0.707107)),
        ("max", (0.491539, 0.573462, 0.655386)),
        ("last", (0.491539, 0.573462, 0.655386)),
    ],
)
def test_pooling_gives_the_released_codes_numbers(pooling, expected):
    """Four tokens (3t, 3t+1, 3t+2), the last one masked, become the vectors that the released code gives."""
    tokens = torch.arange(12.0).reshape(1, 4, 3)
    mask = torch.tensor([[True, True, True, False]])
    encoder = TextEncoder(3, 3, pooling=pooling).eval()
    np.testing.assert_allclose(encoder(tokens, mask)[0], expected, atol=1e-6)
    assert not list(encoder.parameters()), "with equal lengths there is no linear layer"


def test_attention_pooling_is_its_equation():
    """Weights are the softmax of w2 relu(W1 x + b1) + b2 over the unmasked tokens; a linear layer follows."""
    torch.manual_seed(1)
    encoder = TextEncoder(6, 4, pooling="attn").eval()
    tokens, mask = torch.randn(2, 5, 6), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()
    found = encoder(tokens, mask).detach().numpy()
    weights = {name: value.detach().numpy().astype(float) for name, value in encoder.state_dict().items()}
    assert weights["attention.0.weight"].shape == (3, 6)
    for row, length in enumerate((3, 5)):
        x = tokens[row, :length].numpy().astype(float)
        hidden = np.maximum(x @ weights["attention.0.weight"].T + weights["attention.0.bias"], 0)
        e = np.exp(hidden @ weights["attention.3.weight"][0] + weights["attention.3.bias"])
        vector = weights["linear.weight"] @ (e / e.sum() @ x) + weights["linear.bias"]
        np.testing.assert_allclose(found[row], vector / np.linalg.norm(vector), atol=1e-6)


TABLE = VectorTable(
    ("used", "one", "ball", "n't", "do", "near"), np.random.default_rng(3).normal(size=(6, 8)).astype("f4")
)


@pytest.mark.parametrize("recurrent", ["", "rnn", "gru", "lstm"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_text_does_not_feel_its_neighbours(pooling, recurrent):
    """Padding with place 0, which is a real word of the table, changes no text's vector, whatever the pooling."""
    torch.manual_seed(2)
    backbone = WordBackbone(TABLE, recurrent=recurrent, dim_recurrent=5)
    text = SharedText(backbone, TextEncoder(backbone.dim, 4, pooling=pooling)).eval()
    texts = ["ball", "used one ball near", "one", "one one used", "ball"]
    with torch.no_grad():
        together = text(texts)
        alone = torch.cat([text([single]) for single in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.norm(dim=1), 1, atol=1e-6)
    assert (together[0] - together[2]).abs().max() > 1e-3


def test_words_are_those_of_the_table():
    """Case and marks do not matter, *don't* is two words, unknown words are left out, long texts are cut."""
    backbone = WordBackbone(TABLE, max_tokens=4)
    assert backbone.tokenise(["Ball: don't!", "near-one (unheard)"]) == [[2, 4, 3], [5, 1]]
    assert backbone.tokenise(["one " * 9]) == [[1] * 4]


def test_a_text_without_a_known_word_is_refused():
    """Where the table has no word of a text, that is an error that shows the text, not a mean over nothing."""
    with pytest.raises(UsageError, match="none of 'yarn spinning'"):
        WordBackbone(TABLE).tokenise(["one", "yarn spinning"])


def test_recurrent_directions_are_averaged():
    """Over one token the vector is the mean of the states of both directions, so its length is that of one."""
    torch.manual_seed(4)
    backbone = WordBackbone(TABLE, recurrent="rnn", dim_recurrent=5).eval()
    layer = backbone.recurrent
    x = torch.tensor(TABLE.vectors[2])
    ahead = torch.tanh(layer.weight_ih_l0 @ x + layer.bias_ih_l0 + layer.bias_hh_l0)
    back = torch.tanh(layer.weight_ih_l0_reverse @ x + layer.bias_ih_l0_reverse + layer.bias_hh_l0_reverse)
    found = backbone(torch.tensor([[2]]), torch.tensor([[True]]))[0, 0]
    np.testing.assert_allclose(found.detach(), ((ahead + back) / 2).detach(), atol=1e-6)


def test_bert_gives_the_hidden_states_of_gerunds_own(bert):
    """Mean-pooled hidden states, at unit length, are those of gerund's BERT graph, whatever stands beside a text."""
    texts = ["gaf bax", "a thing with which one does gaf of bax", "kor"]
    backbone = BertBackbone(bert, trains_from="encoder.layer.2")
    with torch.no_grad():
        found = SharedText(backbone, TextEncoder(32, 32)).eval()(texts)
    expected = Bert(bert)(texts)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_long_texts_are_cut_before_their_end_mark(bert):
    """A text of more tokens than allowed keeps its first ones and the end mark."""
    backbone = BertBackbone(bert, trains_from=None, max_tokens=5)
    long, short = backbone.tokenise(["gaf bax gaf bax gaf", "gaf bax"])
    assert long[:3] == short[:3]
    assert (len(long), long[-1]) == (5, short[-1])


@pytest.mark.parametrize(("trains_from", "first"), [("encoder.layer.2", 2), ("encoder.layer.1", 1), ("", -1)])
def test_only_the_upper_layers_of_bert_learn(bert, trains_from, first):
    """Parameters before the named one get no gradient; all from there on do."""
    backbone = BertBackbone(bert, trains_from=trains_from)
    text = SharedText(backbone, TextEncoder(32, 6))
    (text(["gaf bax", "of one"]) @ torch.randn(6, 2)).square().sum().backward()
    for name, parameter in backbone.bert.named_parameters():
        layer = int(name.split(".")[2]) if name.startswith("encoder.layer") else -1
        assert (parameter.grad is not None) == (layer >= first), name
        assert parameter.requires_grad == (layer >= first), name


def test_freezing_says_when_it_cannot(bert, tmp_path):
    """None freezes everything; a prefix that nothing has, and a folder without a BERT, are errors that say so."""
    assert not any(parameter.requires_grad for parameter in BertBackbone(bert, trains_from=None).parameters())
    with pytest.raises(UsageError, match=r"encoder\.layer\.10"):
        BertBackbone(bert)
    with pytest.raises(AssetError, match="cannot be read as the sizes of a BERT"):
        BertBackbone(tmp_path)
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((bert / file).read_bytes())
    with pytest.raises(AssetError, match=r"neither tokenizer\.json"):
        BertBackbone(tmp_path)
    (tmp_path / "vocab.txt").write_text((bert / "vocab.txt").read_text() + "more\n")
    with pytest.raises(AssetError, match="do not belong together"):
        BertBackbone(tmp_path)


def test_a_class_with_several_texts_lies_between_them():
    """The vector of a class is the mean of its texts' at unit length; with one text it is that text's."""
    torch.manual_seed(5)
    text = SharedText(WordBackbone(TABLE), TextEncoder(8, 4)).eval()
    with torch.no_grad():
        one, two, three = text(["one", "ball", "near used"])
        found = text.classes([("one", "ball"), ("near used",)])
    np.testing.assert_allclose(found[0], (one + two) / (one + two).norm(), atol=1e-6)
    np.testing.assert_allclose(found[1], three, atol=1e-6)


# Objects


def test_repeated_objects_weigh_less():
    """Of two equal objects and one apart, r is 1/2, 1/2 and 1, so the weights are the softmax of 5, 5 and 10."""
    x, y = [1.0, 0.0], [0.0, 1.0]
    e = np.exp([5.0, 5.0, 10.0])
    np.testing.assert_allclose(concept_weights(torch.tensor([[x, x, y]]))[0], e / e.sum(), atol=1e-6)
    np.testing.assert_allclose(concept_weights(torch.tensor([[x, y, [-1.0, 0.0]]]))[0], 1 / 3, atol=1e-6)
    assert concept_weights(torch.tensor([[x]])).item() == 1


class Lookup(torch.nn.Module):
    """Texts to the vectors of a table."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def forward(self, texts):
        return torch.stack([self.table[text] for text in texts])


def unit_rows(count, dim, seed):
    """Random rows of length 1."""
    rows = torch.tensor(np.random.default_rng(seed).normal(size=(count, dim)).astype("f4"))
    return rows / rows.norm(dim=1, keepdim=True)


def test_separate_objects_score_as_their_weighted_sum():
    """Scoring the weighted sum of a video's objects equals weighting the scores of each, summed by hand."""
    vectors, classes = unit_rows(6, 5, 0), unit_rows(4, 5, 1)
    network = ElaborateNetwork(Lookup(dict(zip("abcdef", vectors, strict=True))), None)
    views = network(torch.zeros(2, 0), [list("abc"), list("def")])
    (found,) = stream_scores(views, classes, clamp=True)
    for row in range(2):
        v = vectors[3 * row : 3 * row + 3].numpy().astype(float)
        r = [1 / sum(max(0.0, v[k] @ v[q]) for q in range(3)) for k in range(3)]
        share = np.exp(10 * np.array(r)) / np.exp(10 * np.array(r)).sum()
        for place in range(4):
            expected = sum(share[k] * (v[k] @ classes[place].numpy()) for k in range(3))
            assert found[row, place].item() == pytest.approx(expected, abs=1e-5)


def test_a_video_is_described_by_its_best_objects():
    """The texts of the first five objects are joined by spaces, or stand alone; names and elaborations differ."""
    objects = np.array([[5, 0, 1, 2, 3, 4]])
    read, recalled = tuple("abcdef"), tuple("ABCDEF")
    assert ObjectTexts(read, recalled).sentences(objects) == [["f a b c d"]]
    assert ObjectTexts(read, recalled, 2, separate=True).sentences(objects) == [["f", "a"]]
    assert ObjectTexts(read, recalled, 2, 3).concepts(objects, torch.Generator())[0] == ["F", "A", "B"]


def test_random_concepts_are_never_a_videos_own():
    """Concepts drawn beside a video's are not on its list of 20, and its positives are its best five."""
    names = tuple(f"object {place}" for place in range(26))
    spoken = ObjectTexts(names, names, num_random=300)
    objects = np.arange(20)[None]
    concepts, positives = spoken.concepts(objects, torch.Generator().manual_seed(0))
    assert [text for text, own in zip(concepts, positives[0], strict=True) if own] == list(names[:5])
    assert set(concepts) == {*names[:5], *names[20:]}


@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5), min_size=1, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_rehearsal_does_not_depend_on_order_or_repetition(mine, data):
    """Permuting videos or concepts, or naming a concept twice, leaves the loss of rehearsal as it was."""
    table = dict(zip("abcdefg", unit_rows(7, 4, 2), strict=True))
    videos = unit_rows(len(mine), 4, 3)

    def loss(rows, texts_of):
        concepts, positives = shared_concepts(texts_of)
        order = data.draw(st.permutations(range(len(concepts))))
        scores = videos[rows] @ torch.stack([table[concepts[place]] for place in order]).T
        return rehearsal_loss(scores, torch.tensor(positives)[:, order]).item()

    rows = data.draw(st.permutations(range(len(mine))))
    once = loss(list(range(len(mine))), mine)
    again = loss(rows, [data.draw(st.permutations(mine[row] + mine[row][:1])) for row in rows])
    assert again == pytest.approx(once, abs=1e-5)


def test_objects_must_be_there_and_fit_the_vocabulary():
    """Missing objects, too few of them, or numbers beyond the vocabulary are errors that say how to get them."""
    spoken = ObjectTexts(tuple("abcdefgh"), tuple("abcdefgh"))
    tracks = np.zeros((2, 3), np.float32)
    given = Inputs.of(tracks)
    with pytest.raises(UsageError, match=r"none.*--objects FILE.*streams='video'"):
        spoken.objects_of(given)
    with pytest.raises(UsageError, match="4 of each, not 5"):
        spoken.objects_of(Inputs(given, np.zeros((2, 4), np.int64)))
    with pytest.raises(UsageError, match="0 to 8 in a vocabulary of 8"):
        spoken.objects_of(Inputs(given, np.array([[0, 1, 2, 3, 8]] * 2)))


# Scores and losses


def test_rehearsal_loss_gives_the_released_codes_number():
    """Two videos, three concepts and three true pairs cost 6.898867 as in the released code."""
    scores = torch.tensor([[1.0, 0, -1], [0.5, 0.5, 0]])
    positives = torch.tensor([[1, 0, 1], [0, 1, 0]]).bool()
    assert rehearsal_loss(scores, positives).item() == pytest.approx(6.898867, abs=1e-5)


def test_fused_scores_and_their_losses_by_hand():
    """Scores (.5, .2) and (-.1, .3) fuse to (.5, .5); the three losses are .693147, .048587 and 4.018150."""
    views = Views(torch.tensor([[0.5, 0.2]]), torch.tensor([[-0.1, 0.3]]))
    streams = stream_scores(views, torch.eye(2), clamp=True)
    np.testing.assert_allclose(streams[0], [[0.5, 0.5]], atol=1e-6)
    losses = [class_loss(scores, torch.tensor([0])).item() for scores in streams]
    np.testing.assert_allclose(losses, [0.693147, 0.048587, 4.018150], atol=1e-5)
    assert sum(losses) == pytest.approx(4.759884, abs=1e-5)
    open_ended = stream_scores(views, torch.eye(2), clamp=False)[0]
    np.testing.assert_allclose(open_ended, [[0.4, 0.5]], atol=1e-6)
    assert open_ended.argmax() == 1, "without the clamp the answer flips"


def test_without_objects_the_full_model_ranks_like_its_video_stream():
    """An object stream of zeros adds nothing to the scores that answer."""
    video, classes = unit_rows(5, 4, 0), unit_rows(7, 4, 1)
    fused, alone, _ = stream_scores(Views(video, torch.zeros(5, 4)), classes, clamp=True)
    np.testing.assert_array_equal(fused, alone)


def two_layers(x, weights, name):
    """Linear, ReLU, linear."""
    hidden = np.maximum(weights[f"{name}.0.weight"] @ x + weights[f"{name}.0.bias"], 0)
    return weights[f"{name}.3.weight"] @ hidden + weights[f"{name}.3.bias"]


@pytest.mark.parametrize("fusion", [0, 1, 2, 3])
def test_streams_meet_as_their_equations_say(fusion):
    """Gates are sigmoids of both ungated streams on each one's channels; the mix is one vector; all have length 1."""
    torch.manual_seed(6)
    objects = unit_rows(3, 4, 7)
    table = Lookup(dict(zip("abc", objects, strict=True)))
    network = ElaborateNetwork(table, VideoEncoder(9, 4), dim_embed=4, fusion=fusion).eval()
    features = torch.randn(3, 9)
    with torch.no_grad():
        views = network(features, [["a"], ["b"], ["c"]])
    w = {name: value.numpy().astype(float) for name, value in network.state_dict().items()}
    for row in range(3):
        a = w["video.linear.weight"] @ features[row].numpy() + w["video.linear.bias"]
        a, o = a / np.linalg.norm(a), objects[row].numpy()
        both = np.concatenate([a, o])
        expected = [a, o, None]
        if fusion == 2:
            expected[2] = two_layers(both, w, "mix")
        if fusion == 3:
            expected[0] = a / (1 + np.exp(-two_layers(both, w, "video_gate")))
            expected[1] = o / (1 + np.exp(-two_layers(both, w, "object_gate")))
        for view, vector in zip(views, expected, strict=True):
            assert (view is None) == (vector is None)
            if view is not None:
                np.testing.assert_allclose(view[row], vector / np.linalg.norm(vector), atol=1e-5)


# The method


def make_world(seed=0, videos=6, noise=0.3):
    """Classes "verb noun", every verb and noun with a direction in features and an object; three more objects vary.

    Returns examples and classes, of seen classes and of unseen ones; a quarter of the combinations is unseen.
    """
    random = np.random.default_rng(seed)
    of_verb, of_noun = random.normal(size=(6, 16)), random.normal(size=(6, 16))
    pairs = [(verb, noun) for verb in range(6) for noun in range(6)]
    sides = []
    for unseen in (False, True):
        chosen = [(v, n) for v, n in pairs if ((v + n) % 4 == 3) == unseen]
        features, objects, labels = [], [], []
        for label, (v, n) in enumerate(chosen):
            for _ in range(videos):
                features.append(of_verb[v] + of_noun[n] + noise * random.normal(size=16))
                objects.append([n, 6 + v, *random.permutation(np.arange(12, 19))])
                labels.append(label)
        classes = ClassSpace(tuple(f"{VERBS[v]} {NOUNS[n]}" for v, n in chosen))
        inputs = Inputs(Inputs.of(np.array(features, np.float32)), np.array(objects))
        sides.append((Examples(inputs, np.array(labels)), classes))
    return sides


CONCEPTS = Concepts(NOUNS + VERBS + FILLERS[:7], tuple(f"a thing with {word}" for word in NOUNS + VERBS) + ("",) * 7)
QUICK = {
    "bert_trains_from": "encoder.layer.1",
    "dim": 24,
    "batch": 16,
    "lr": 3e-3,
    "text_dropout": 0.1,
    "concepts": CONCEPTS,
    "device": "cpu",
}


def accuracy(method, examples, classes):
    """Share of the examples whose best class is the right one."""
    return (method.score(examples.inputs, classes).argmax(1) == examples.labels).mean()


@pytest.fixture(scope="module")
def fitted(bert):
    """The full model after some epochs on the made-up world."""
    (seen, seen_classes), _ = make_world()
    return Elaborate(bert=bert, epochs=10, **QUICK).fit(seen, seen_classes)


def test_the_full_model_learns_words_that_carry_over(fitted):
    """The loss falls by some half, and most videos of unseen classes are named right, chance being 1 in 8."""
    losses = [epoch.loss for epoch in fitted.history_.epochs]
    assert losses[-1] < 0.6 * losses[0]
    _, (unseen, classes) = make_world()
    assert accuracy(fitted, unseen, classes) > 0.8
    assert len(classes) == 8


def test_scores_follow_the_classes_and_the_videos(fitted):
    """Another order of classes or videos gives the same scores in that order; no video feels the others."""
    _, (unseen, classes) = make_world()
    scores = fitted.score(unseen.inputs, classes)
    assert scores.dtype == np.float32
    order = np.random.default_rng(0).permutation(len(classes))
    turned = ClassSpace(tuple(classes.names[place] for place in order))
    np.testing.assert_allclose(fitted.score(unseen.inputs, turned), scores[:, order], atol=1e-5)
    rows = [5, 40, 0]
    np.testing.assert_allclose(fitted.score(unseen.inputs.take(rows), classes), scores[rows], atol=1e-5)
    assert fitted.score(unseen.inputs.take([]), classes).shape == (0, 8)


class TwoViews(torch.nn.Module):
    """A network that sees (.5, .2) in every video and (-.1, .3) in its objects, with two classes along the axes."""

    def __init__(self):
        super().__init__()
        self.video = VideoEncoder(3, 2)
        self.text = SimpleNamespace(classes=lambda texts: torch.eye(2))

    def forward(self, features, sentences):
        return Views(torch.tensor([[0.5, 0.2]]), torch.tensor([[-0.1, 0.3]]))


@pytest.mark.parametrize(
    ("switch", "expected"),
    [({}, [0.5, 0.5]), ({"compat": "early-fusion"}, [0.4, 0.5]), ({"clamp": False}, [0.4, 0.5])],
)
def test_early_fusion_is_a_switch(switch, expected):
    """Objects never speak against a class, but in the released evaluation of two splits, where the answer flips."""
    inputs = Inputs(Inputs.of(np.zeros((1, 3), np.float32)), np.zeros((1, 5), np.int64))
    method = Elaborate(concepts=CONCEPTS, **switch)
    method.network_ = TwoViews()
    np.testing.assert_allclose(method.score(inputs, ClassSpace(("one", "two"))), [expected], atol=1e-6)


@pytest.mark.parametrize("definitions", [True, False])
def test_classes_are_elaborated_by_their_definitions(definitions):
    """A class known to gerund becomes "name: definition" unless that is switched off or it came with its own texts."""
    inputs = Inputs(Inputs.of(np.zeros((1, 3), np.float32)), np.zeros((1, 5), np.int64))
    method = Elaborate(concepts=CONCEPTS, definitions=definitions)
    method.network_ = TwoViews()
    asked = []
    method.network_.text.classes = lambda texts: asked.extend(texts) or torch.eye(2)
    method.score(inputs, ClassSpace(("archery", "zumba"), (("archery",), ("my own words",))))
    assert asked[1] == ("my own words",)
    assert asked[0][0].startswith("archery: ") == definitions
    assert (asked[0] == ("archery",)) == (not definitions)
    method.score(inputs, ClassSpace(("archery", "zumba"), (("archery",), ("zumba",)), as_given=True))
    assert asked[2:] == [("archery",), ("zumba",)]


def cross_entropy(scores, label):
    """Minus the log of the softmax of scores over 0.1."""
    logits = scores.astype(float) / 0.1
    return np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label]


def test_the_loss_of_a_batch_is_the_sum_of_its_six_parts(fitted):
    """Three cross-entropies, the fused one clamped, and three rehearsals, the fused one not, written out by hand."""
    (seen, classes), _ = make_world()
    rows = [0, 7, 33]
    network, objects = fitted.network_.eval(), seen.inputs.objects[rows]
    texts_of = [[CONCEPTS.texts[place] for place in row[:5]] for row in objects]
    with torch.no_grad():
        views = network(torch.tensor(seen.inputs.vectors[rows]), [[" ".join(texts)] for texts in texts_of])
        concepts = sorted({text for texts in texts_of for text in texts})
        views = Views(views.video, -views.objects)  # so that the clamp has something to cut
        c, e = network.text.classes(classes.texts).numpy(), network.text(concepts).numpy()
        loss = fitted._loss(network, views, classes.texts, seen.labels[rows], objects, torch.Generator()).item()
    a, o = views.video.numpy(), views.objects.numpy()
    assert (o @ c.T < 0).any() and (o @ e.T < 0).any()
    expected = 0.0
    for scores in (a @ c.T + np.maximum(o @ c.T, 0), a @ c.T, o @ c.T):
        expected += np.mean([cross_entropy(scores[row], seen.labels[place]) for row, place in enumerate(rows)])
    for scores in (a @ e.T + o @ e.T, a @ e.T, o @ e.T):
        pairs = [(row, concepts.index(text)) for row, texts in enumerate(texts_of) for text in texts]
        expected += np.mean([cross_entropy(scores[row], concept) for row, concept in pairs])
    assert loss == pytest.approx(expected, rel=1e-5)


class Killed(Exception):
    """Stands for the end of the process."""


def test_a_killed_run_goes_on_as_if_nothing_had_happened(bert, tmp_path):
    """Killed between two checkpoints and started again, the weights come out equal to the last bit, dropout and all."""
    (seen, classes), _ = make_world()
    made = {**QUICK, "bert": bert, "epochs": 3, "random_concepts": 2, "checkpoint_steps": 2}
    whole = Elaborate(**made).fit(seen, classes)
    calls = []

    def die(step, total, loss):
        calls.append(step)
        if step >= 8:
            raise Killed

    with pytest.raises(Killed):
        Elaborate(**made, folder=tmp_path, progress=die).fit(seen, classes)
    assert 0 < max(calls) < 18
    torch.manual_seed(1)
    resumed = Elaborate(**made, folder=tmp_path).fit(seen, classes)
    state = whole.state()
    assert set(resumed.state()) == set(state)
    for name, array in resumed.state().items():
        np.testing.assert_array_equal(array, state[name], err_msg=name)
    with pytest.raises(UsageError, match="data was"):
        Elaborate(**made, folder=tmp_path).fit(seen.take(range(len(seen))[::-1]), classes)


def test_what_was_learned_can_be_saved(fitted, bert, tmp_path):
    """Saved and loaded again it gives the same scores; frozen layers are not saved, but must be the same."""
    _, (unseen, classes) = make_world()
    frozen = ("text.backbone.bert.embeddings", "text.backbone.bert.encoder.layer.0")
    assert not any(name.startswith(frozen) for name in fitted.state())
    assert any(name.startswith("text.backbone.bert.encoder.layer.1") for name in fitted.state())
    save(fitted, tmp_path)
    expected = fitted.score(unseen.inputs, classes)
    other = load(tmp_path, concepts=CONCEPTS, device="cpu")
    np.testing.assert_array_equal(other.score(unseen.inputs, classes), expected)
    for changed in ({"concepts": Concepts(CONCEPTS.names, ("",) * 19)}, {"bert_trains_from": "encoder.layer.2"}):
        with pytest.raises(UsageError, match=r"another BERT.*concepts"):
            Elaborate(**{**QUICK, "bert": bert, **changed}).restore(fitted.state())
    with pytest.raises(UsageError, match="fingerprint"):
        load(tmp_path, concepts=Concepts(CONCEPTS.names, ("",) * 19))


def test_choosing_takes_the_best_epoch_and_may_be_repeated(bert):
    """The epoch kept is the first that names most held-out videos right, whatever was chosen before."""
    (seen, seen_classes), (unseen, classes) = make_world(noise=1.0)
    method = Elaborate(bert=bert, epochs=4, **QUICK).fit(seen, seen_classes)
    last = method.state()
    shares = []
    for number in range(1, 5):
        method.take_checkpoint(number)
        shares.append(accuracy(method, unseen, classes))
    best = int(np.argmax(shares)) + 1
    assert method.choose(unseen, classes) is method
    for name, tensor in method.history_.weights(best).items():
        np.testing.assert_array_equal(method.state()[name], tensor.numpy())
    other = Elaborate(bert=bert, **QUICK)
    other.restore(method.state())
    np.testing.assert_array_equal(other.score(unseen.inputs, classes), method.score(unseen.inputs, classes))
    method.choose(seen, seen_classes)
    assert accuracy(method.choose(unseen, classes), unseen, classes) == max(shares)
    assert any((last[name] != tensor.numpy()).any() for name, tensor in method.history_.weights(1).items())


def test_what_saves_memory_changes_nothing_else(bert):
    """BERT's layers computed twice give the same weights to the last bit; batches in parts nearly the same."""
    (seen, classes), _ = make_world(videos=1)
    made = {**QUICK, "bert": bert, "streams": "video", "epochs": 2, "text_dropout": 0.0, "lr": 1e-4}
    plain = Elaborate(**made).fit(seen, classes)
    again = Elaborate(**made, recompute=True).fit(seen, classes)
    parts = Elaborate(**made, accumulate=2).fit(seen, classes)
    assert not any("forward" in vars(module) for module in again.network_.modules())
    for name, array in plain.state().items():
        np.testing.assert_array_equal(again.state()[name], array, err_msg=name)
        np.testing.assert_allclose(parts.state()[name], array, atol=1e-3, err_msg=name)
    assert any((parts.state()[name] != array).any() for name, array in plain.state().items())


def test_settings_of_training_reach_the_loop(bert, monkeypatch):
    """What is spared, how batches are computed, in which numbers, and where it ends."""
    (seen, classes), _ = make_world(videos=1)
    asked = {}

    def note(network, loss, num_examples, **settings):
        asked.update(settings)
        raise Killed

    monkeypatch.setattr("gerund.methods.recognizers.elaborate.method.fit_network", note)
    method = Elaborate(
        **{**QUICK, "bert": bert}, decay_vectors=False, accumulate=3, amp=True, half="fp16", recompute=True, epochs=9
    )
    method.stop_epoch = 4
    with pytest.raises(Killed):
        method.fit(seen, classes)
    assert [rule.name for rule in asked["rules"]] == ["vectors and norms"]
    assert (asked["accumulate"], asked["amp"], asked["half"], asked["epochs"]) == (3, True, "fp16", 4)
    assert asked["recompute"] == ("text.backbone.bert.encoder.layer.*",)
    assert asked["schedule"].period_steps == 9 * 2, "the schedule is that of all epochs"
    assert method.checkpoints() == ()
    with pytest.raises(UsageError, match="nothing to take"):
        method.take_checkpoint(1)


VARIANTS = {
    "vse": {"streams": "video"},
    "vse-l2": {"streams": "video", "loss": "l2"},
    "vse-devise": {"streams": "video", "loss": "devise"},
    "objects": {"streams": "objects"},
    "objects-separate": {"streams": "objects", "separate_objects": True, "top_objects": 4},
    "no-glosses": {"streams": "objects", "glosses": (False, False)},
    "added": {"fusion": 0},
    "half": {"amp": True},
    "mixed": {"fusion": 2, "batch": 8, "epochs": 8},
    "sje": {"loss": "sje"},
    "words": {"text": "words", "recurrent": "gru", "pooling": "max"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_learns(bert, name):
    """After a few epochs the loss has fallen and some third of the seen videos is named right, chance being 1 in 28."""
    words = (*FILLERS, "is", *VERBS, *NOUNS)
    table = VectorTable(words, np.random.default_rng(0).normal(size=(len(words), 12)).astype("f4"))
    (seen, classes), _ = make_world(videos=4)
    method = Elaborate(**{**QUICK, "bert": bert, "words": table, "epochs": 5, "keep": "last", **VARIANTS[name]})
    method.fit(seen, classes)
    losses = [epoch.loss for epoch in method.history_.epochs]
    assert losses[-1] < 0.9 * losses[0]
    assert accuracy(method, seen, classes) > 0.3


def test_published_settings():
    """The four published models have their numbers, and a rate that starts at 1e-4 / 128."""
    full, vse, objects = (Elaborate.paper(which) for which in ("full", "vse", "objects"))
    words = Elaborate.paper("vse-words", words=TABLE, seed=1)
    assert [m.streams for m in (full, vse, objects, words)] == ["both", "video", "objects", "video"]
    assert [m.video_dropout for m in (full, vse, words)] == [0.0, 0.5, 0.5]
    assert [m.bert_weight_decay for m in (full, vse, objects)] == [0.0, 1e-4, 1e-4]
    assert [m.epochs for m in (full, vse, objects, words)] == [10, 10, 10, 30]
    assert (full.fusion, full.clamp, full.top_objects, full.rehearsed_objects, full.max_tokens) == (3, True, 5, 5, 100)
    rate = full._schedule(1700 * 128)
    assert rate.lr_at(0) == pytest.approx(7.8125e-7)
    assert rate.lr_at(5000) == pytest.approx(8.2141887e-5)
    assert (words._schedule(1700 * 128).warmup_steps, words._schedule(1700 * 128).period_steps) == (2000, 50_000)
    small = Elaborate(bert="x", epochs=10)._schedule(128 * 30)
    assert (small.warmup_steps, small.period_steps) == (30, 300)


def test_bert_decays_on_its_own_terms(bert, monkeypatch):
    """The heads have the weight decay of the method and BERT its own; word vectors need no such group."""
    (seen, classes), _ = make_world(videos=1)
    asked = {}

    def note(network, loss, num_examples, **settings):
        asked.update(settings, names=dict(network.named_parameters()))
        raise Killed

    monkeypatch.setattr("gerund.methods.recognizers.elaborate.method.fit_network", note)
    with pytest.raises(Killed):
        Elaborate.paper("full", **{**QUICK, "bert": bert}).fit(seen, classes)
    assert (asked["weight_decay"], asked["groups"]["text.backbone"].weight_decay) == (1e-4, 0.0)
    assert all(name.startswith("text.backbone.bert.") == ("bert" in name) for name in asked["names"])
    with pytest.raises(Killed):
        Elaborate.paper(
            "vse-words", **{**QUICK, "words": VectorTable((*VERBS, *NOUNS), np.eye(12, dtype=np.float32))}
        ).fit(seen, classes)
    assert not asked["groups"]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"fusion": 4}, "fusion"),
        ({"streams": "sound"}, "sound"),
        ({"text": "words"}, "GloVe"),
        (
            {"text": "words", "words": VectorTable(("a",), np.ones((1, 2), np.float32)), "recompute": True},
            "layers of BERT",
        ),
        ({"loss": "l2"}, "one stream"),
        ({"loss": "huber"}, "huber"),
        ({"compat": "early-fusion", "fusion": 2}, "early-fusion"),
        ({"compat": "early-fusion", "streams": "video"}, "early-fusion"),
    ],
)
def test_settings_that_cannot_be_right_are_refused(given, match):
    """Each error names what was given."""
    with pytest.raises(UsageError, match=match):
        Elaborate(**given)


def test_what_is_missing_is_said(bert, fitted):
    """No examples, no objects, other features, nothing learned yet, no epochs to choose from: each is told."""
    (seen, classes), _ = make_world()
    bare = Elaborate(bert=bert, **{**QUICK, "keep": "last", "epochs": 1, "streams": "video"})
    with pytest.raises(UsageError, match="there are none"):
        bare.fit(None, classes)
    with pytest.raises(UsageError, match="learned nothing"):
        bare.score(seen.inputs, classes)
    with pytest.raises(UsageError, match="streams='video'"):
        Elaborate(bert=bert, **QUICK).fit(Examples(Inputs.of(seen.inputs.vectors), seen.labels), classes)
    other = Inputs(Inputs.of(np.zeros((1, 5), np.float32)), np.zeros((1, 9), np.int64))
    with pytest.raises(UsageError, match=r"5 numbers.*16"):
        fitted.score(other, classes)
    with pytest.raises(UsageError, match="keep='all'"):
        bare.fit(seen, classes).choose(seen, classes)
    with pytest.raises(UsageError, match="there are 0"):
        fitted.choose(seen.take([]), classes)
    with pytest.raises(UsageError, match="published"):
        Elaborate.paper("everything")


@pytest.mark.parametrize(("num_read", "num_recalled"), [(2, 3), (3, 2)])
def test_a_video_needs_as_many_objects_as_are_read_or_rehearsed(num_read, num_recalled):
    """The larger of the two numbers is needed; more are welcome, and numbers are those of the vocabulary."""
    texts = ObjectTexts(tuple("abcd"), tuple("abcd"), num_read, num_recalled)

    def given(*objects):
        tracks = [Track(np.ones((1, 2), np.float32), np.array([[0.0, 1.0]]), "") for _ in objects]
        return Inputs(tracks, np.array(objects))

    for objects in ([[0, 1, 3]], [[3, 0, 1, 2], [0, 1, 2, 3]]):
        assert texts.objects_of(given(*objects)).tolist() == objects
    with pytest.raises(UsageError, match="there are 2 of each, not 3"):
        texts.objects_of(given([0, 1]))
    for wrong in ([0, 1, 4], [-1, 1, 2]):
        with pytest.raises(UsageError, match=rf"from {min(wrong)} to {max(wrong)} in a vocabulary of 4"):
            texts.objects_of(given([0, 1, 2], wrong))
    with pytest.raises(UsageError, match="there are none"):
        texts.objects_of(Inputs.of(np.ones((1, 2), np.float32)))


def test_inputs_go_where_the_network_lies():
    """Its first parameter's device, or its first buffer's where it has none."""
    network = torch.nn.Linear(2, 3)
    assert device_of(network) == torch.device("cpu")
    assert device_of(network.to("meta")) == torch.device("meta")
    assert device_of(torch.nn.BatchNorm1d(2, affine=False).to("meta")) == torch.device("meta")
