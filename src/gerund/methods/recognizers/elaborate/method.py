"""Elaborative Rehearsal: classes and the objects of a video are elaborated by definitions, and the objects rehearsed.

A class is the text "name: definition". A video is seen twice: by its spatio-temporal features, and by the definitions
of the objects that a picture network finds in it. All texts go through one encoder, and both views are scored against
the classes by inner products. While learning, a video must also tell its own objects from those of other videos, which
teaches the text encoder far more words than the class texts hold.

Source: Chen and Huang, "Elaborative Rehearsal for Zero-shot Action Recognition", ICCV 2021, with the settings of the
code they released. Deviations: BERT's pooler, which nothing uses, is left out; fusion type 2 is trained, where the
released configuration has no optimiser entry for it and stops; word vectors are padded behind their mask only.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gerund.assets import hub_folder
from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.recognizers.bilinear import LOSSES
from gerund.methods.recognizers.elaborate.layers import (
    MINILM,
    BertBackbone,
    ElaborateNetwork,
    Pooling,
    Recurrent,
    SharedText,
    TextEncoder,
    VideoEncoder,
    Views,
    WordBackbone,
    device_of,
)
from gerund.methods.recognizers.elaborate.rehearsal import (
    ObjectTexts,
    class_loss,
    no_objects,
    rehearsal_loss,
    stream_scores,
)
from gerund.methods.recognizers.elaborate.settings import NOT_ON_THE_CARD, published, require_together
from gerund.methods.training.fitting import Group, History, StepProgress, fit_network, learned, load_learned
from gerund.methods.training.parameters import SPARE_VECTORS
from gerund.methods.training.processes import find_device
from gerund.methods.training.schedule import Schedule
from gerund.text.classes import ClassSpace
from gerund.text.descriptions import with_definitions
from gerund.text.objects import Concepts, find_concepts
from gerund.types import FloatArray, IntArray

Texts = tuple[tuple[str, ...], ...]

_BUILT_ON = "built_on"
_BERT_LAYERS = "text.backbone.bert.encoder.layer.*"


@dataclass(eq=False)
class Elaborate:
    """Elaborative Rehearsal on features of videos and lists of their objects.

    Args:
        streams: ``"video"`` scores features alone (the paper's VSE), ``"objects"`` the objects alone, ``"both"`` is the
            full model.
        text: ``"bert"``, or ``"words"`` for a frozen table of word vectors.
        bert: folder of a BERT with its vocabulary, its repository on the model hub, or ``"minilm"`` for the six-layer
            BERT that gerund reads sentences with; reports say so.
        bert_trains_from: its parameters before the first that begins so are frozen; ``""`` trains all, None none. The
            default leaves the last two layers to be trained, also of MiniLM.
        words: the table of word vectors for ``text="words"``, a row for each word and mark in lower case.
        recurrent: a layer over the word vectors, both ways, averaged; ``""`` for none.
        max_tokens: longer texts are cut.
        concepts: the object vocabulary; None takes the 21,843 classes of ImageNet-21k.
        definitions: classes that come with nothing but their name get gerund's definition.
        dim: length of the vectors that are compared.
        pooling: of a text's tokens; ``""`` is ``"avg"`` for BERT and ``"attn"`` for words.
        text_dropout: on tokens.
        video_dropout: on features.
        fusion: how the streams meet: 0 and 1 add their scores, 2 mixes them to one vector, 3 gates their channels.
        clamp: objects speak for a class, never against it.
        top_objects: how many objects of a video are read.
        separate_objects: encode them one by one, and let those count less that repeat others, instead of joining them
            to one text.
        glosses: for the objects that are read, and those that are rehearsed, whether their gloss follows their words.
        rehearsed_objects: how many objects of a video it must find again.
        random_concepts: how many concepts drawn at random are added for each video as negatives.
        rehearsal: weight of that loss; 0 leaves it out.
        loss: ``"ce"`` is cross-entropy of every stream's scores; ``"l2"``, for one stream, is the squared distance to
            the class; ``"devise"``, ``"ale"`` and ``"sje"`` rank the scores that answer. Only with the first are
            objects rehearsed.
        temperature: divides scores in cross-entropy.
        margin: of the ranking losses.
        epochs: passes over the examples.
        batch: videos a step.
        lr: highest learning rate, of Adam.
        warmup_steps: None is a tenth of all steps.
        period_steps: the step at which the rate is 0; None is the last.
        weight_decay: of the heads.
        bert_weight_decay: of BERT.
        decay_vectors: False spares vectors, such as biases, and norms.
        seed: decides all randomness.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        amp: train in 16 bits where that is safe.
        half: which ones: ``"bf16"``, or on CUDA ``"fp16"``, as published.
        accumulate: compute each batch in so many parts, for less memory; objects are then rehearsed among those of a
            part.
        recompute: compute the activations of BERT's layers again instead of keeping them, for less memory.
        keep: ``"all"`` keeps the weights of every epoch to choose from, ``"last"`` none.
        checkpoint_steps: write a checkpoint every so many steps, beside that of every epoch; 0 for none.
        folder: where the run is written, and goes on from if it was killed.
        progress: told how far training is.
        compat: ``"early-fusion"`` answers as the released evaluation of class splits 1 and 2 does, by mistake: with the
            sum of both vectors, so that objects may also speak against a class.

    Attributes:
        stop_epoch: `fit` ends after this epoch of its schedule; None for all of them.
        network_: what was learned.
        history_: how training went.

    Raises:
        UsageError: settings that do not go together.
    """

    takes: ClassVar[str] = "vector"

    streams: Literal["video", "objects", "both"] = "both"
    text: Literal["bert", "words"] = "bert"
    bert: str | Path = "google-bert/bert-base-uncased"
    bert_trains_from: str | None = "encoder.layer.10"
    words: VectorTable | None = None
    recurrent: Recurrent = ""
    max_tokens: int = 100
    concepts: Concepts | None = None
    definitions: bool = True
    dim: int = 512
    pooling: Pooling | Literal[""] = ""
    text_dropout: float = 0.5
    video_dropout: float = 0.0
    fusion: int = 3
    clamp: bool = True
    top_objects: int = 5
    separate_objects: bool = False
    glosses: tuple[bool, bool] = (True, True)
    rehearsed_objects: int = 5
    random_concepts: int = 0
    rehearsal: float = 1.0
    loss: Literal["ce", "l2", "devise", "ale", "sje"] = "ce"
    temperature: float = 0.1
    margin: float = 0.1
    epochs: int = 10
    batch: int = 128
    lr: float = 1e-4
    warmup_steps: int | None = None
    period_steps: int | None = None
    weight_decay: float = 1e-4
    bert_weight_decay: float = 0.0
    decay_vectors: bool = True
    seed: int = 2020
    device: str = "auto"
    amp: bool = False
    half: Literal["bf16", "fp16"] = "bf16"
    accumulate: int = 1
    recompute: bool = False
    keep: Literal["all", "last"] = "all"
    checkpoint_steps: int = 0
    folder: Path | None = None
    progress: StepProgress | None = None
    compat: Literal["", "early-fusion"] = ""
    stop_epoch: int | None = field(init=False, repr=False, default=None)
    network_: ElaborateNetwork | None = field(init=False, repr=False, default=None)
    history_: History | None = field(init=False, repr=False, default=None)
    _classes: tuple[object, Tensor] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self.bert = str(self.bert)
        if self.bert == MINILM and self.bert_trains_from == type(self).bert_trains_from:
            self.bert_trains_from = "encoder.layer.4"
        require_together(
            streams=self.streams,
            text=self.text,
            words=self.words,
            recompute=self.recompute,
            fusion=self.fusion,
            loss=self.loss,
            compat=self.compat,
        )

    @classmethod
    def paper(cls, which: str = "full", **settings: Any) -> Self:
        """The published settings, those for Kinetics; with fewer videos training ends before the rate has come down.

        Args:
            which: ``"full"`` for the whole model, ``"vse"`` for features alone with BERT, ``"vse-words"`` with word
                vectors (give `words`; the same as ``"vse"`` with ``text="words"``), ``"objects"`` for the object stream
                with rehearsal.
            settings: instead of the published ones.

        Source: the released configurations.
        """
        return cls(**published(which, settings))

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns from labelled features, and the objects beside them where a stream looks at objects.

        Raises:
            UsageError: there are no examples, or a stream lacks its objects.
            AssetError: BERT or the object vocabulary cannot be had.
        """
        if examples is None or not len(examples):
            raise UsageError("Elaborate learns from labelled videos of seen classes, and there are none")
        features, labels = examples.inputs.vectors, examples.labels
        texts = self.texts_for(classes)
        objects = self._objects(examples.inputs)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self._build(features.shape[1])

        def loss(places: Tensor, generator: torch.Generator) -> Tensor:
            rows = places.numpy()
            views = self._views(network, features[rows], objects[rows])
            return self._loss(network, views, texts, labels[rows], objects[rows], generator)

        self.history_ = fit_network(
            network,
            loss,
            len(examples),
            epochs=self.epochs if self.stop_epoch is None else self.stop_epoch,
            batch=self.batch,
            schedule=self._schedule(len(examples)),
            groups={"text.backbone": Group(weight_decay=self.bert_weight_decay)} if self.text == "bert" else None,
            weight_decay=self.weight_decay,
            rules=() if self.decay_vectors else (SPARE_VECTORS,),
            seed=self.seed,
            device=self.device,
            amp=self.amp,
            half=self.half,
            accumulate=self.accumulate,
            recompute=(_BERT_LAYERS,) if self.recompute else (),
            folder=self.folder,
            settings=self._card(network, examples, texts) if self.folder else None,
            checkpoint_steps=self.checkpoint_steps,
            progress=self.progress,
            keep=self.keep,
        )
        self.network_, self._classes = network, None
        return self

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Scores ``[N, C]``: inner products of the streams with the classes, added; higher is better.

        Raises:
            UsageError: it has learned nothing yet, a stream lacks its objects, or the features are of another length.
        """
        network = self._fitted()
        objects = self._objects(inputs)
        parts = [np.zeros((0, len(classes)), np.float32)]
        network.eval()
        with torch.inference_mode():
            texts = self._class_vectors(network, classes)
            for start in range(0, len(inputs), self.batch):
                rows = slice(start, start + self.batch)
                views = self._views(network, inputs.vectors[rows], objects[rows])
                answer = stream_scores(views, texts, clamp=self.clamp and not self.compat)[0]
                parts.append(answer.float().cpu().numpy())
        return np.concatenate(parts)

    def choose(self, held_out: Examples, classes: ClassSpace) -> Self:
        """Takes the weights of the epoch that answers best for held-out examples; the earliest of equals.

        Raises:
            UsageError: there are no held-out examples, or no epochs to choose from.
        """
        if not (numbers := self.checkpoints()) or not len(held_out):
            raise UsageError(
                "choosing needs epochs, so call fit with keep='all' first, and labelled videos of held-out classes, of "
                f"which there are {len(held_out)}"
            )
        shares = {}
        for number in numbers:
            self.take_checkpoint(number)
            shares[number] = float((self.score(held_out.inputs, classes).argmax(1) == held_out.labels).mean())
        return self.take_checkpoint(max(shares, key=lambda number: shares[number]))

    def checkpoints(self) -> Sequence[int]:
        """Numbers of the epochs that can be taken, in order; none of what was loaded, nor with ``keep="last"``."""
        return () if self.history_ is None else sorted(self.history_.snapshots)

    def take_checkpoint(self, number: int) -> Self:
        """Answers from now on with what was learned when so many epochs were done.

        Raises:
            UsageError: that epoch was not kept.
        """
        if self.history_ is None:
            raise UsageError("there is nothing to take: call fit with keep='all' first")
        load_learned(self._fitted(), self.history_.weights(number))
        self._classes = None
        return self

    def state(self) -> dict[str, np.ndarray]:
        """What was learned, by name, and a hash of what is frozen; empty before `fit`."""
        if self.network_ is None:
            return {}
        arrays = {name: tensor.cpu().numpy() for name, tensor in learned(self.network_).items()}
        return {**arrays, _BUILT_ON: self._built_on(self.network_)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave.

        Raises:
            UsageError: it was learned with another BERT, word table or object vocabulary, or with other settings.
            AssetError: its BERT is one of the model hub, not the default one, and not here.
        """
        if self.text == "bert" and self.bert not in (MINILM, type(self).bert) and not Path(self.bert).is_dir():
            hub_folder(str(self.bert), fetch=False)  # what a saved method names is looked for here, not on the network
        first = state.get("video.linear.weight", np.zeros((0, 0), np.float32))
        network = self._build(first.shape[1])
        if not np.array_equal(state.get(_BUILT_ON, ()), self._built_on(network)):
            raise UsageError(
                "this was learned with another BERT (bert=...), other frozen layers, another word table (words=...) or "
                "another object vocabulary (concepts=...); give the ones it was trained with"
            )
        load_learned(network, {name: torch.tensor(array) for name, array in state.items() if name != _BUILT_ON})
        self.network_, self._classes = network.to(find_device(self.device)), None

    def _build(self, dim_features: int) -> ElaborateNetwork:
        backbone: WordBackbone | BertBackbone
        if self.text == "words" and self.words:
            backbone = WordBackbone(self.words, max_tokens=self.max_tokens, recurrent=self.recurrent)
        else:
            backbone = BertBackbone(self.bert, trains_from=self.bert_trains_from, max_tokens=self.max_tokens)
        pooling = self.pooling or ("avg" if self.text == "bert" else "attn")
        text = SharedText(backbone, TextEncoder(backbone.dim, self.dim, pooling=pooling, dropout=self.text_dropout))
        video = None if self.streams == "objects" else VideoEncoder(dim_features, self.dim, dropout=self.video_dropout)
        return ElaborateNetwork(text, video, dim_embed=self.dim, fusion=self.fusion if self.streams == "both" else 0)

    def texts_for(self, classes: ClassSpace) -> Texts:
        """The texts that stand for the classes."""
        return (with_definitions(classes) if self.definitions and not classes.as_given else classes).texts

    @property
    def vocabulary(self) -> Concepts | None:
        """What the numbers of its objects stand for; None where no stream looks at objects.

        Raises:
            AssetError: it cannot be had.
        """
        return None if self.streams == "video" else self._concepts

    def remarks(self) -> list[str]:
        """What a reader of its results should know."""
        if self.text == "bert" and self.bert == MINILM:
            return ["texts are read by MiniLM (all-MiniLM-L6-v2) in BERT's place, so this is not the published model"]
        return []

    @cached_property
    def _concepts(self) -> Concepts:
        return find_concepts("imagenet21k") if self.concepts is None else self.concepts

    @cached_property
    def _spoken(self) -> ObjectTexts | None:
        """What is said of objects; None where no stream looks at them."""
        if self.streams == "video":
            return None
        read, recalled = (self._concepts.texts if gloss else self._concepts.names for gloss in self.glosses)
        return ObjectTexts(
            read, recalled, self.top_objects, self.rehearsed_objects, self.random_concepts, self.separate_objects
        )

    def _objects(self, inputs: Inputs) -> IntArray:
        if inputs.objects is None and self.streams != "video":  # before the vocabulary is fetched
            raise no_objects("there are none")
        return self._spoken.objects_of(inputs) if self._spoken else np.zeros((len(inputs), 0), np.int64)

    def _views(self, network: ElaborateNetwork, features: FloatArray, objects: IntArray) -> Views:
        sentences = self._spoken.sentences(objects) if self._spoken else [[] for _ in objects]
        views: Views = network(torch.from_numpy(features).to(device_of(network)), sentences)
        return views

    def _loss(
        self, network: ElaborateNetwork, views: Views, texts: Texts, labels: IntArray, objects: IntArray, generator: Any
    ) -> Tensor:
        """What a batch of videos costs, its mean."""
        classes = network.text.classes(texts)
        wanted = torch.from_numpy(labels).to(classes.device)
        if self.loss == "l2":
            view = views.video if views.objects is None else views.objects
            return torch.nn.functional.mse_loss(view, classes[wanted])
        answers = stream_scores(views, classes, clamp=self.clamp)
        if self.loss != "ce":
            return LOSSES[self.loss](answers[0], wanted, self.margin)
        total = sum(class_loss(scores, wanted, self.temperature) for scores in answers)
        if self._spoken and self.rehearsal:
            concepts, mine = self._spoken.concepts(objects, generator)
            positives = torch.from_numpy(mine).to(classes.device)
            for scores in stream_scores(views, network.text(concepts), clamp=False):
                total += self.rehearsal * rehearsal_loss(scores, positives, self.temperature)
        return total

    def _schedule(self, num_examples: int) -> Schedule:
        steps = self.epochs * math.ceil(num_examples / self.batch)
        warmup_steps = steps // 10 if self.warmup_steps is None else self.warmup_steps
        return Schedule(self.lr, warmup_steps, self.period_steps or steps, self.batch)

    def _built_on(self, network: ElaborateNetwork) -> npt.NDArray[np.uint8]:
        """A hash of what is not learned, uint8 ``[32]``: frozen layers, words and their vectors, texts of objects."""
        digest = hashlib.sha256(repr((self._spoken, self.words and self.words.fingerprint)).encode())
        for parameter in network.text.backbone.parameters():
            if not parameter.requires_grad:
                digest.update(parameter.detach().cpu().numpy().data)
        return np.frombuffer(digest.digest(), np.uint8)

    def _card(self, network: ElaborateNetwork, examples: Examples, texts: object) -> dict[str, object]:
        """What a run folder remembers beside the loop's own settings; data and weights to begin with in hashes."""
        digest = hashlib.sha256(repr(texts).encode())
        data = [examples.inputs.vectors, examples.labels, examples.inputs.objects]
        for array in (*data, *(parameter.detach().numpy() for parameter in network.parameters())):
            digest.update(b"" if array is None else np.ascontiguousarray(array).data)
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name not in NOT_ON_THE_CARD}
        built_on = self._built_on(network).tobytes().hex()
        return {"method": "Elaborate", **settings, "data": digest.hexdigest(), _BUILT_ON: built_on}

    def _class_vectors(self, network: ElaborateNetwork, classes: ClassSpace) -> Tensor:
        """Unit vectors of classes ``[C, E]``; those of the last question are kept for the next."""
        texts = self.texts_for(classes)
        if self._classes is None or self._classes[0] != texts:
            self._classes = texts, network.text.classes(texts)
        return self._classes[1]

    def _fitted(self) -> ElaborateNetwork:
        if self.network_ is None:
            raise UsageError("Elaborate has learned nothing yet; call fit, or restore what was saved")
        return self.network_
