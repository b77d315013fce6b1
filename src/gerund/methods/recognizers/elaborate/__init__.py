"""Elaborative Rehearsal: the method, its networks, its losses."""

from gerund.methods.card import MethodCard

_HOME = "gerund.methods.recognizers.elaborate.method:Elaborate"  # a name, for importing it needs PyTorch
_SOURCE = "Chen and Huang, Elaborative Rehearsal for Zero-shot Action Recognition, ICCV 2021"
_OBJECTS = "the objects in each video (--objects FILE)"
_TORCH = "PyTorch, and a BERT or word vectors"

CARDS = (
    MethodCard(
        "elaborate",
        _HOME,
        "Elaborative Rehearsal on videos and their objects",
        learns="a text encoder, and networks from features and objects to it",
        source=_SOURCE,
        needs=(_OBJECTS, _TORCH),
    ),
    MethodCard(
        "elaborate-video",
        _HOME,
        "the video stream of Elaborative Rehearsal alone (VSE)",
        learns="a text encoder, and a network from features to it",
        source=_SOURCE,
        needs=(_TORCH,),
        settings=(("streams", "video"), ("video_dropout", 0.5)),
        paper=(("which", "vse"),),
    ),
    MethodCard(
        "elaborate-objects",
        _HOME,
        "the object stream of Elaborative Rehearsal alone",
        learns="a text encoder that objects and classes share",
        source=_SOURCE,
        needs=(_OBJECTS, _TORCH),
        settings=(("streams", "objects"),),
        paper=(("which", "objects"),),
    ),
)
