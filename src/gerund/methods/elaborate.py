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

from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.bilinear import LOSSES
from gerund.methods.fitting import Group, History, Progress, fit_network, learned, load_learned
from gerund.methods.layers import (
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
from gerund.methods.processes import find_device
from gerund.methods.rehearsal import ObjectTexts, class_loss, rehearsal_loss, stream_scores
from gerund.methods.schedule import Schedule
from gerund.text.classes import ClassSpace
from gerund.text.definitions import with_definitions
from gerund.text.objects import Concepts
from gerund.types import FloatArray, IntArray

Which = Literal["full", "vse", "vse-words", "objects"]

_NOT_ON_THE_CARD = ("bert", "words", "concepts", "epochs", "device", "checkpoint_steps", "folder", "progress", "compat")
"""Settings that a run folder need not remember: they do not change a step, or their content is hashed instead."""


@dataclass(eq=False)
class Elaborate:
    """Elaborative Rehearsal on features of videos and lists of their objects.

    Args:
        streams: ``"video"`` scores features alone (the paper's VSE), ``"objects"`` the objects alone, ``"both"`` is the
            full model.
        text: ``"bert"``, or ``"words"`` for a frozen table of word vectors.
        bert: folder of a BERT with its vocabulary, or its repository on the model hub.
        bert_trains_from: its parameters before the first that begins so are frozen; ``""`` trains all, None none.
        words: the table for ``text="words"``: its words, lower case ``[V]``, and their vectors ``[V, D]``.
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
        seed: decides all randomness.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        amp: train in bfloat16 where that is safe.
        keep: ``"all"`` keeps the weights of every epoch for `choose`, ``"last"`` none.
        checkpoint_steps: write a checkpoint every so many steps, beside that of every epoch; 0 for none.
        folder: where the run is written, and goes on from if it was killed.
        progress: told how far training is.
        compat: ``"early-fusion"`` answers as the released evaluation of class splits 1 and 2 does, by mistake: with the
            sum of both vectors, so that objects may also speak against a class.

    Attributes:
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
    words: tuple[Sequence[str], FloatArray] | None = None
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
    seed: int = 2020
    device: str = "auto"
    amp: bool = False
    keep: Literal["all", "last"] = "all"
    checkpoint_steps: int = 0
    folder: Path | None = None
    progress: Progress | None = None
    compat: Literal["", "early-fusion"] = ""
    network_: ElaborateNetwork | None = field(init=False, repr=False, default=None)
    history_: History | None = field(init=False, repr=False, default=None)
    _classes: tuple[object, Tensor] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.streams not in ("video", "objects", "both") or self.text not in ("bert", "words"):
            raise UsageError(
                f"streams is 'video', 'objects' or 'both' and text 'bert' or 'words', got {self.streams!r} and "
                f"{self.text!r}"
            )
        if self.fusion not in (0, 1, 2, 3):
            raise UsageError(f"fusion is 0, 1, 2 or 3, got {self.fusion}")
        if self.text == "words" and self.words is None:
            raise UsageError("text='words' needs words=(list of words, their vectors), such as GloVe's")
        if self.loss not in ("ce", "l2", *LOSSES) or (self.loss == "l2" and self.streams == "both"):
            raise UsageError(
                f"loss is 'ce', {', '.join(map(repr, LOSSES))}, or 'l2' for one stream; got {self.loss!r} for "
                f"streams={self.streams!r}"
            )
        if self.compat not in ("", "early-fusion") or (self.compat and (self.streams != "both" or self.fusion == 2)):
            raise UsageError(
                f"compat is '' or, with streams='both' and fusion 0, 1 or 3, 'early-fusion'; got {self.compat!r}"
            )

    @classmethod
    def paper(cls, which: Which = "full", **settings: Any) -> Self:
        """The published settings, those for Kinetics; the counts of steps belong to its 212,577 videos.

        Args:
            which: ``"full"`` for the whole model, ``"vse"`` for features alone with BERT, ``"vse-words"`` with word
                vectors (give `words`), ``"objects"`` for the object stream with rehearsal.
            settings: instead of the published ones.

        Source: the released configurations.
        """
        given: dict[str, Any] = {"warmup_steps": 1700, "period_steps": 17_000}
        if which == "vse":
            given |= {"streams": "video", "video_dropout": 0.5, "bert_weight_decay": 1e-4}
        elif which == "vse-words":
            given |= {"streams": "video", "video_dropout": 0.5, "text": "words", "epochs": 30}
            given |= {"warmup_steps": 2000, "period_steps": 50_000}
        elif which == "objects":
            given |= {"streams": "objects", "bert_weight_decay": 1e-4}
        elif which != "full":
            raise UsageError(f"the published models are full, vse, vse-words and objects, got {which!r}")
        return cls(**given | settings)

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns from labelled features, and the objects beside them where a stream looks at objects.

        Raises:
            UsageError: there are no examples, or a stream lacks its objects.
            AssetError: BERT or the object vocabulary cannot be had.
        """
        if examples is None or not len(examples):
            raise UsageError("Elaborate learns from labelled videos of seen classes, and there are none")
        features, labels = examples.inputs.vectors, examples.labels
        texts = self._texts_of(classes)
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
            epochs=self.epochs,
            batch=self.batch,
            schedule=self._schedule(len(examples)),
            groups={"text.backbone": Group(weight_decay=self.bert_weight_decay)} if self.text == "bert" else None,
            weight_decay=self.weight_decay,
            seed=self.seed,
            device=self.device,
            amp=self.amp,
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
            UsageError: it has learned nothing yet, a stream lacks its objects, or the features are others.
        """
        network = self._fitted()
        objects = self._objects(inputs)
        if network.video is not None and len(inputs) and inputs.vectors.shape[1] != network.video.dim_input:
            raise UsageError(
                f"the features have {inputs.vectors.shape[1]} numbers, and this Elaborate learned from features of "
                f"{network.video.dim_input}; score with features of the same encoder"
            )
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
        if not len(held_out):
            raise UsageError("choosing an epoch needs labelled videos of held-out classes, and there are none")
        if self.history_ is None or not self.history_.snapshots:
            raise UsageError("there are no epochs to choose from; call fit with keep='all' first")
        shares = {}
        for number in sorted(self.history_.snapshots):
            self._take(self.history_, number)
            shares[number] = float((self.score(held_out.inputs, classes).argmax(1) == held_out.labels).mean())
        self._take(self.history_, max(shares, key=lambda number: shares[number]))
        return self

    def state(self) -> dict[str, npt.NDArray[np.float32]]:
        """What was learned, float32 arrays by name; what is frozen is not in it."""
        return {name: tensor.cpu().numpy() for name, tensor in learned(self._fitted()).items()}

    def restore(self, state: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Takes up what `state` gave.

        Raises:
            UsageError: it is that of a model with other settings.
        """
        first = state.get("video.linear.weight", np.zeros((0, 0), np.float32))
        network = self._build(first.shape[1]).to(find_device(self.device))
        load_learned(network, {name: torch.from_numpy(array.copy()) for name, array in state.items()})
        self.network_, self._classes = network, None

    def _build(self, dim_features: int) -> ElaborateNetwork:
        backbone: WordBackbone | BertBackbone
        if self.text == "bert":
            backbone = BertBackbone(self.bert, trains_from=self.bert_trains_from, max_tokens=self.max_tokens)
        else:
            backbone = WordBackbone(*(self.words or ()), max_tokens=self.max_tokens, recurrent=self.recurrent)
        pooling = self.pooling or ("avg" if self.text == "bert" else "attn")
        text = SharedText(backbone, TextEncoder(backbone.dim, self.dim, pooling=pooling, dropout=self.text_dropout))
        if self.streams == "objects":
            return ElaborateNetwork(text, None, dim_embed=self.dim)
        video = VideoEncoder(dim_features, self.dim, dropout=self.video_dropout)
        return ElaborateNetwork(text, video, dim_embed=self.dim, fusion=self.fusion if self.streams == "both" else 0)

    def _texts_of(self, classes: ClassSpace) -> tuple[tuple[str, ...], ...]:
        return (with_definitions(classes) if self.definitions else classes).texts

    @cached_property
    def _spoken(self) -> ObjectTexts | None:
        """What is said of objects; None where no stream looks at them."""
        if self.streams == "video":
            return None
        concepts = Concepts.imagenet21k() if self.concepts is None else self.concepts
        read, recalled = (concepts.texts if gloss else concepts.names for gloss in self.glosses)
        return ObjectTexts(
            read, recalled, self.top_objects, self.rehearsed_objects, self.random_concepts, self.separate_objects
        )

    def _objects(self, inputs: Inputs) -> IntArray:
        return self._spoken.objects_of(inputs) if self._spoken else np.zeros((len(inputs), 0), np.int64)

    def _views(self, network: ElaborateNetwork, features: FloatArray, objects: IntArray) -> Views:
        sentences = self._spoken.sentences(objects) if self._spoken else [[] for _ in objects]
        views: Views = network(torch.from_numpy(features).to(device_of(network)), sentences)
        return views

    def _loss(
        self,
        network: ElaborateNetwork,
        views: Views,
        texts: Sequence[Sequence[str]],
        labels: IntArray,
        objects: IntArray,
        generator: torch.Generator,
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
        return Schedule(
            self.lr,
            warmup_steps=steps // 10 if self.warmup_steps is None else self.warmup_steps,
            period_steps=steps if self.period_steps is None else self.period_steps,
            batch=self.batch,
        )

    def _card(self, network: ElaborateNetwork, examples: Examples, *words: object) -> dict[str, object]:
        """What a run folder remembers beside the loop's own settings; data and weights to begin with in one hash."""
        names = [f.name for f in fields(self) if f.init and f.name not in _NOT_ON_THE_CARD]
        arrays = [examples.inputs.vectors, examples.labels]
        arrays += [] if examples.inputs.objects is None else [examples.inputs.objects]
        arrays += [tensor.detach().numpy() for tensor in (*network.parameters(), *network.buffers())]
        digest = hashlib.sha256(repr((words, self._spoken, self.words and list(self.words[0]))).encode())
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
        settings: dict[str, object] = {name: getattr(self, name) for name in names}
        return {"method": "Elaborate", **settings, "data": digest.hexdigest()}

    def _class_vectors(self, network: ElaborateNetwork, classes: ClassSpace) -> Tensor:
        """Unit vectors of classes ``[C, E]``; those of the last question are kept for the next."""
        texts = self._texts_of(classes)
        if self._classes is None or self._classes[0] != texts:
            self._classes = texts, network.text.classes(texts)
        return self._classes[1]

    def _fitted(self) -> ElaborateNetwork:
        if self.network_ is None:
            raise UsageError("Elaborate has learned nothing yet; call fit, or restore what was saved")
        return self.network_

    def _take(self, history: History, number: int) -> None:
        """Puts the weights of an epoch into the network."""
        load_learned(self._fitted(), history.weights(number))
        self._classes = None
