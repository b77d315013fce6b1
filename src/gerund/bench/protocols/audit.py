"""What may have leaked in a protocol: classes that were trained on under another name, and videos on both sides.

Nothing here is a verdict. Names are compared as words, so synonyms are missed and two senses of a word are one; a
protocol with findings can be run, but its figures are partly about classes that are not new. Every report therefore has
figures on the overlap-free classes beside the usual ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.tasks import SplitVideos, tasks
from gerund.errors import UsageError
from gerund.text.names import VOCABULARIES, read_vocabulary
from gerund.text.similar import Embed, Match, near_names, same_names

SEEN = "the seen classes"
GIVEN = "the given classes"

KNOWN_TOGETHER: Mapping[str, tuple[tuple[str, str], ...]] = {"thumos14": (("CliffDiving", "Diving"),)}
"""Classes of a data set that are always annotated together, for audits without its annotations.

Source: counted in the THUMOS14 annotations: each of the 143 CliffDiving segments of the validation videos and of the
217 of the test videos is annotated a second time as Diving, with the same times.
"""

_NEARLY_ALWAYS = 0.95


@dataclass(frozen=True)
class Duplicate:
    """Segments that carry two labels at the same times.

    Attributes:
        label: one class.
        other: the class that they are annotated with too.
        subset: of the videos.
        together: how many segments of `label` have both.
        total: how many segments `label` has.
    """

    label: str
    other: str
    subset: str
    together: int
    total: int


@dataclass(frozen=True)
class Overlap:
    """What the unseen classes of a split share with classes that something was trained on.

    Attributes:
        trained_on: `SEEN`, a vocabulary, or what the caller named.
        same: unseen classes with one of these that means the same.
        near: unseen classes with one of these that comes near, for a person to judge.
    """

    trained_on: str
    same: tuple[Match, ...]
    near: tuple[Match, ...]


@dataclass(frozen=True)
class VideoFindings:
    """What the videos of one split share.

    Attributes:
        num_train: training videos.
        num_test: test videos.
        problem: why the split cannot be run, such as videos on both sides; ``""`` where nothing is wrong.
        shared_footage: films or uploads that both training and test clips were cut from, as far as ids tell.
        test_from_shared: test videos cut from these.
        unseen_inside: training videos that also hold segments of unseen classes.
        as_background: these segments; a localizer learns that nothing happens there.
        as_seen: those of them that have a seen label at the same times, so that they are trained on after all.
    """

    num_train: int = 0
    num_test: int = 0
    problem: str = ""
    shared_footage: int = 0
    test_from_shared: int = 0
    unseen_inside: int = 0
    as_background: int = 0
    as_seen: int = 0


@dataclass(frozen=True)
class SplitAudit:
    """The findings on one split.

    Attributes:
        split: its name.
        num_seen: classes with training examples.
        num_unseen: classes without.
        overlaps: with the split's own seen classes, then with everything else that was trained on.
        divided: unseen classes with the seen class that their segments are always annotated with too.
        overlap_free: unseen classes with no name among the trained ones and no such seen class.
        far: those of them that come near none either.
        videos: None where not all lists of videos were given.
    """

    split: str
    num_seen: int
    num_unseen: int
    overlaps: tuple[Overlap, ...]
    divided: tuple[tuple[str, str], ...]
    overlap_free: tuple[str, ...]
    far: tuple[str, ...]
    videos: VideoFindings | None = None


@dataclass(frozen=True)
class Audit:
    """The findings on a protocol.

    Attributes:
        benchmark: its name.
        sha256: its hash.
        trained_on: what was trained on besides the seen classes: name and number of classes.
        splits: one for each.
        together: pairs of classes that are always annotated together.
        duplicates: all segments with two labels, counted.
    """

    benchmark: str
    sha256: str
    trained_on: Mapping[str, int]
    splits: tuple[SplitAudit, ...]
    together: tuple[tuple[str, str], ...] = ()
    duplicates: tuple[Duplicate, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, ready for JSON."""
        return asdict(self)


def audit(
    benchmark: Benchmark,
    *,
    trained_on: Mapping[str, Sequence[str]] | Sequence[str] = (),
    listing: Listing | None = None,
    train_listing: Listing | None = None,
    embed: Embed | None = None,
    near: bool = True,
) -> Audit:
    """Looks for classes and videos on both sides of a protocol.

    Args:
        benchmark: the protocol.
        trained_on: what the encoder learned from: class names, vocabularies such as ``"kinetics400"``, or names of
            data sets with their classes.
        listing: videos of the data set that is tested; without it only names are compared.
        train_listing: videos of the data set that is trained on, where that is another one; without it no videos are.
        embed: a sentence encoder that adds near pairs by meaning.
        near: look for near names too.
    """
    sources = training_classes(trained_on)
    duplicates = duplicate_annotations(listing) if listing is not None else ()
    together = always_together(duplicates) if listing is not None else KNOWN_TOGETHER.get(benchmark.test_on, ())
    if train_listing is None and benchmark.train_on in ("", benchmark.test_on):
        train_listing = listing
    lists = (listing, train_listing) if listing is not None and train_listing is not None else None
    overlaps = {SEEN: _Overlaps(benchmark, [name for split in benchmark.splits for name in split.seen], embed, near)}
    overlaps |= {source: _Overlaps(benchmark, names, embed, near) for source, names in sources.items()}
    names = [name for classes in sources.values() for name in classes]
    found = []
    for split in benchmark.splits:
        mine = tuple(overlaps[source].of(source, split) for source in overlaps)
        free = overlap_free(split, names, duplicates=together)
        close = {match.name for overlap in mine for match in overlap.near}
        found.append(
            SplitAudit(
                split=split.name,
                num_seen=len(split.seen),
                num_unseen=len(split.unseen),
                overlaps=mine,
                divided=_divided(split, together),
                overlap_free=free,
                far=tuple(name for name in free if name not in close),
                videos=None if lists is None else _videos(benchmark, split, *lists),
            )
        )
    sizes = {source: len(classes) for source, classes in sources.items()}
    return Audit(benchmark.name, benchmark.sha256, sizes, tuple(found), together, duplicates)


def overlap_free(
    split: Split, trained_on: Iterable[str] = (), *, duplicates: Iterable[tuple[str, str]] = ()
) -> tuple[str, ...]:
    """The unseen classes that nothing was trained on under another name, in the split's order.

    Args:
        split: the classes; its seen ones count as trained on.
        trained_on: more class names, or vocabularies such as ``"kinetics400"``.
        duplicates: pairs of classes that are always annotated together, see `always_together`; an unseen class whose
            partner is seen was trained on under that name.

    Example:
        >>> split = Split("0", seen=("Diving", "Bowling"), unseen=("CliffDiving", "Archery", "ride_bike", "YoYo"))
        >>> overlap_free(split, ["archery", "riding a bike"], duplicates=[("CliffDiving", "Diving")])
        ('YoYo',)
    """
    sources = training_classes(trained_on if isinstance(trained_on, str) else tuple(trained_on))
    names = [name for classes in sources.values() for name in classes]
    taken = {match.name for match in same_names(split.unseen, (*split.seen, *names))}
    taken |= {unseen for unseen, _ in _divided(split, duplicates)}
    return tuple(name for name in split.unseen if name not in taken)


def training_classes(trained_on: Mapping[str, Sequence[str]] | Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Class names by where they come from; vocabularies are written out, other names stand under `GIVEN`.

    Example:
        >>> {name: len(classes) for name, classes in training_classes(["hmdb51", "yodelling"]).items()}
        {'hmdb51': 51, 'the given classes': 1}
    """
    if isinstance(trained_on, str):
        trained_on = (trained_on,)
    if isinstance(trained_on, Mapping):
        return {source: tuple(names) for source, names in trained_on.items()}
    found = {name: read_vocabulary(name) for name in trained_on if name in VOCABULARIES}
    given = tuple(name for name in trained_on if name not in VOCABULARIES)
    return found | ({GIVEN: given} if given else {})


def duplicate_annotations(listing: Listing) -> tuple[Duplicate, ...]:
    """All pairs of classes with segments at the same times, to the millisecond, in the same video.

    Each pair is there in both directions and for every subset that has its first class, the largest share first.
    """
    total: Counter[tuple[str, str]] = Counter()
    both: Counter[tuple[str, str, str]] = Counter()
    for video in listing:
        for labels in _labels_by_time(video).values():
            total.update((video.subset, label) for label in labels)
            both.update((video.subset, label, other) for label in labels for other in labels if other != label)
    found = [
        Duplicate(label, other, subset, both[subset, label, other], count)
        for label, other in {(label, other) for _, label, other in both}
        for (subset, counted), count in total.items()
        if counted == label
    ]
    return tuple(sorted(found, key=lambda d: (-d.together / d.total, d.label, d.other, d.subset)))


def always_together(
    found: Listing | Iterable[Duplicate], *, at_least: float = _NEARLY_ALWAYS
) -> tuple[tuple[str, str], ...]:
    """Pairs of classes of which the first has nearly all of its segments annotated as the second too.

    Args:
        found: a listing, or its duplicate annotations.
        at_least: share of the segments of the first, over all subsets.

    Returns:
        Pairs in alphabetical order; both ways round where both hold.
    """
    counts: dict[tuple[str, str], list[Duplicate]] = {}
    for item in duplicate_annotations(found) if isinstance(found, Listing) else found:
        counts.setdefault((item.label, item.other), []).append(item)
    shares = {pair: sum(d.together for d in items) / sum(d.total for d in items) for pair, items in counts.items()}
    return tuple(sorted(pair for pair, share in shares.items() if share >= at_least))


def footage(video: ListedVideo) -> str:
    """The film or upload that a clip was cut from, as far as its id tells; else the id.

    UCF101 numbers the clips of a group, HMDB51 puts the class and five properties behind the name of the film, Kinetics
    and Olympic Sports put two times behind that of the upload.

    Example:
        >>> ids = ["v_Archery_g01_c02", "April_09_brush_hair_u_nm_np1_ba_goo_0", "-0ES_MVrg1A_000106_000116"]
        >>> [footage(ListedVideo(video, "brush_hair")) for video in [*ids, "GGSY1Qvo990"]]
        ['v_Archery_g01', 'April_09', '-0ES_MVrg1A', 'GGSY1Qvo990']
    """
    film = rf"(.+)_{re.escape(video.label)}_[a-z]_[cn]m_.+"
    for clip in (film, r"(v_\w+_g\d+)_c\d+", r"(.{11})_\d{5,6}_\d{5,6}"):
        if found := re.fullmatch(clip, video.video):
            return found[1]
    return video.video


class _Overlaps:
    """All matches between unseen classes of any split and trained ones, found once for all splits."""

    def __init__(self, benchmark: Benchmark, names: Iterable[str], embed: Embed | None, near: bool) -> None:
        unseen = tuple(dict.fromkeys(name for split in benchmark.splits for name in split.unseen))
        names = tuple(dict.fromkeys(names))
        self._same = same_names(unseen, names)
        self._near = near_names(unseen, names, embed=embed) if near else ()

    def of(self, source: str, split: Split) -> Overlap:
        """Those of one split."""
        unseen, seen = set(split.unseen), set(split.seen)

        def kept(matches: tuple[Match, ...]) -> tuple[Match, ...]:
            return tuple(m for m in matches if m.name in unseen and (source != SEEN or m.other in seen))

        return Overlap(source, kept(self._same), kept(self._near))


def _divided(split: Split, together: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Unseen and seen class of each pair that a split has on both sides."""
    unseen, seen = set(split.unseen), set(split.seen)
    pairs = [pair for one, other in together for pair in ((one, other), (other, one))]
    return tuple(dict.fromkeys((a, b) for a, b in pairs if a in unseen and b in seen))


def _videos(benchmark: Benchmark, split: Split, listing: Listing, train_listing: Listing) -> VideoFindings:
    try:
        alone = replace(benchmark, splits=(split,), train_on=benchmark.train_on or benchmark.test_on)
        (task,) = tasks(alone, train_listing, listing)
    except UsageError as error:
        return VideoFindings(problem=str(error))
    trained = {footage(video) for video in task.train}
    shared = [place for video in task.test if (place := footage(video)) in trained]
    inside, background, as_seen = _inside(task)
    return VideoFindings(
        num_train=len(task.train),
        num_test=len(task.test),
        shared_footage=len(set(shared)),
        test_from_shared=len(shared),
        unseen_inside=inside,
        as_background=background,
        as_seen=as_seen,
    )


def _inside(task: SplitVideos) -> tuple[int, int, int]:
    """Training videos with segments of unseen classes, these segments, and those of them with a seen label too."""
    unseen, seen = set(task.split.unseen), set(task.split.seen)
    videos = background = as_seen = 0
    for video in task.train:
        held = [labels for labels in _labels_by_time(video).values() if labels & unseen]
        twice = sum(bool(labels & seen) for labels in held)
        videos += bool(held)
        background += len(held) - twice
        as_seen += twice
    return videos, background, as_seen


def _labels_by_time(video: ListedVideo) -> dict[tuple[float, float], set[str]]:
    labels: dict[tuple[float, float], set[str]] = {}
    for start_s, end_s, label in video.segments:
        labels.setdefault((round(start_s, 3), round(end_s, 3)), set()).add(label)
    return labels
