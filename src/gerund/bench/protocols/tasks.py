"""From a protocol and the lists of its data sets to the videos of one split: who trains, who is asked, among what."""

from __future__ import annotations

from dataclasses import dataclass

from gerund.bench.datasets.listing import ListedVideo, Listing, draw
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.errors import UsageError


@dataclass(frozen=True)
class Exam:
    """One exam: a set of videos and the classes to answer among.

    Attributes:
        name: what its figures are called; ``""`` where a split has one exam only.
        videos: the videos asked about.
        candidates: the classes to answer among, seen ones first.
    """

    name: str
    videos: tuple[ListedVideo, ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class SplitVideos:
    """One split with its videos.

    Attributes:
        split: the classes.
        train: videos of seen classes.
        exams: what is asked: one, or base and novel.
        validation: videos of classes that are neither seen nor tested.
    """

    split: Split
    train: tuple[ListedVideo, ...]
    exams: tuple[Exam, ...]
    validation: tuple[ListedVideo, ...]

    @property
    def test(self) -> tuple[ListedVideo, ...]:
        """All videos asked about."""
        return tuple(video for exam in self.exams for video in exam.videos)


def tasks(benchmark: Benchmark, train: Listing, test: Listing) -> list[SplitVideos]:
    """The splits of a benchmark with their videos.

    Args:
        benchmark: the protocol.
        train: videos of the data set that is trained on.
        test: videos of the data set that is asked about; the same listing where it is the same data set.

    Raises:
        UsageError: a listing is of another data set, or a split has no test video, or one that is trained on.
    """
    for listing, wanted in ((train, benchmark.train_on), (test, benchmark.test_on)):
        if listing.dataset != wanted:
            raise UsageError(f"{benchmark.name} needs the lists of {wanted}, got those of {listing.dataset}")
    make = _localization if benchmark.task == "localization" else _recognition
    excluded = set(benchmark.excluded)
    train, test = (listing.only(lambda video: video.video not in excluded) for listing in (train, test))
    found = [make(benchmark, split, train, test) for split in benchmark.splits]
    for task in found:
        both = {video.video for video in task.train} & {video.video for video in task.test}
        if both:
            raise UsageError(
                f"{benchmark.name} split {task.split.name}: {len(both)} videos are trained on and tested, such as "
                f"{min(both)}; check the lists"
            )
        if not task.test:
            raise UsageError(f"{benchmark.name} split {task.split.name}: the lists hold no video of its test classes")
    return found


def _recognition(benchmark: Benchmark, split: Split, train: Listing, test: Listing) -> SplitVideos:
    seen, unseen, validation = set(split.seen), set(split.unseen), set(split.validation)
    same_data = benchmark.train_on == benchmark.test_on
    in_subset = [video for video in test if benchmark.test_subset in ("", video.subset)]
    on_list = [video for video in in_subset if not split.test_list or split.test_list in video.lists]
    seen_tested = tuple(video for video in on_list if video.label in seen) if benchmark.asks_seen else ()
    withheld = {video.video for video in seen_tested} if same_data else set()
    trained = tuple(
        video
        for video in train
        if video.label in seen
        and benchmark.train_subset in ("", video.subset)
        and (not split.train_list or split.train_list in video.lists)
        and video.video not in withheld
    )
    if benchmark.shots:
        trained = draw(trained, benchmark.shots, split.name)
    held = tuple(v for v in test if v.label in validation and (v.subset == "validation" or not benchmark.test_subset))
    if benchmark.task == "recognition":
        asked = tuple(video for video in on_list if video.label in unseen)
        return SplitVideos(split, trained, (Exam("", asked, split.unseen),), held)
    if benchmark.task == "closed-set":
        return SplitVideos(split, trained, (Exam("", seen_tested, split.seen),), held)
    if benchmark.task == "generalised":  # no video of an unseen class was trained on, so all of them can be asked
        asked = seen_tested + tuple(video for video in in_subset if video.label in unseen)
        return SplitVideos(split, trained, (Exam("", asked, split.seen + split.unseen),), held)
    novel = tuple(video for video in on_list if video.label in unseen)
    return SplitVideos(
        split, trained, (Exam("base", seen_tested, split.seen), Exam("novel", novel, split.unseen)), held
    )


def _localization(benchmark: Benchmark, split: Split, train: Listing, test: Listing) -> SplitVideos:
    in_subset = (video for video in test if benchmark.test_subset in ("", video.subset))
    tested = tuple(video for video in in_subset if benchmark.truth(video, split.unseen))
    trained: tuple[ListedVideo, ...] = ()
    if split.seen:
        in_subset = (video for video in train if benchmark.train_subset in ("", video.subset))
        trained = tuple(video for video in in_subset if benchmark.truth(video, split.seen))
    return SplitVideos(split, trained, (Exam("", tested, split.unseen),), ())
