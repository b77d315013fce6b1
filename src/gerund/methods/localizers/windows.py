"""Long videos cut into windows of features, and the annotated actions that fall into each.

An action is ``(start_s, end_s, label)``, a window the first and the last of its features, both inclusive.

Source: GAP's released code (ICPR 2024, arXiv 2408.13777) on THUMOS14, where a feature stands for 8 frames.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gerund.errors import UsageError

Action = tuple[float, float, str]
FeatureRange = tuple[int, int]

WINDOW_SIZE = 128
TRAINING_OVERLAP = 0.75
TEST_OVERLAP = 0.25
LEAST_SHARE = 0.75


def keep_actions(actions: Iterable[Action], classes: Collection[str], *, longer_than_s: float) -> list[Action]:
    """The actions of the classes that last long enough, in order of their middle.

    Args:
        actions: annotated ones.
        classes: those that count; the order of a split's list does not matter here.
        longer_than_s: an action of exactly this length is too short. GAP takes the time of one feature on THUMOS14
            (8 frames) and 1 s on ActivityNet.

    Example:
        >>> actions = [(8.0, 9.0, "Diving"), (1.0, 1.2, "Diving"), (2.0, 5.0, "HighJump")]
        >>> keep_actions(actions, ["Diving"], longer_than_s=0.3)
        [(8.0, 9.0, 'Diving')]
    """
    kept = [action for action in actions if action[2] in classes and action[1] - action[0] > longer_than_s]
    return sorted(kept, key=lambda action: action[0] + action[1])


def cut_windows(
    num_features: int, *, training: bool, size: int = WINDOW_SIZE, overlap: float | None = None
) -> list[FeatureRange]:
    """Windows that cover a video, each the first and the last of its features.

    Full windows lie one step apart. What is left at the end gets one more window: in training a full one that ends with
    the video, at test a shorter one.

    Args:
        num_features: length of the video in features.
        training: whether the windows are to learn from or to be asked about.
        size: features of a full window.
        overlap: share of a window that the next one covers too; by default 3/4 in training and 1/4 at test.

    Raises:
        UsageError: a length is not positive, or the overlap leaves no step.

    Example:
        >>> cut_windows(129, training=False), cut_windows(129, training=True), cut_windows(100, training=True)
        ([(0, 127), (96, 128)], [(0, 127), (1, 128)], [(0, 99)])
    """
    share = (TRAINING_OVERLAP if training else TEST_OVERLAP) if overlap is None else overlap
    step = int(size * (1 - share)) if 0 <= share < 1 else 0
    if num_features < 1 or size < 1 or step < 1:
        raise UsageError(f"windows of {size} features with overlap {share} over {num_features} features: impossible")
    if num_features <= size:
        return [(0, num_features - 1)]
    count = (num_features - size) // step + 1
    windows = [(number * step, number * step + size - 1) for number in range(count)]
    if windows[-1][1] + 1 < num_features:
        first = num_features - size if training else count * step
        windows.append((first, num_features - 1))
    return windows


def window_span_s(window: FeatureRange, features_per_s: float, *, compat: str = "") -> tuple[float, float]:
    """The time that a window covers, seconds, half-open.

    Args:
        window: first and last feature.
        features_per_s: rate of the features.
        compat: ``"gap"`` ends the window where its last feature begins, as GAP's released code does; a full window of
            128 features then lasts 127.

    Raises:
        UsageError: `compat` is something else.

    Example:
        >>> window_span_s((8, 15), 4.0), window_span_s((8, 15), 4.0, compat="gap")
        ((2.0, 4.0), (2.0, 3.75))
    """
    if compat not in ("", "gap"):
        raise UsageError(f'compat is "" or "gap", got {compat!r}')
    first, last = window
    return first / features_per_s, (last + (compat == "")) / features_per_s


def place_actions(
    actions: Sequence[Action], span_s: tuple[float, float], *, least_share: float = LEAST_SHARE
) -> list[Action]:
    """The actions that lie well enough inside a window, cut to it and counted from its start.

    An action with less than `least_share` of its length inside is left out, so a learner takes it for background. One
    without length is left out too.

    Example:
        >>> actions = [(1.0, 3.0, "Diving"), (3.0, 7.0, "Diving"), (5.0, 9.0, "Diving")]
        >>> place_actions(actions, (2.0, 6.0), least_share=0.5)
        [(0.0, 1.0, 'Diving'), (1.0, 4.0, 'Diving')]
    """
    start_s, end_s = span_s
    placed = []
    for first_s, last_s, label in actions:
        inside = max(first_s, start_s), min(last_s, end_s)
        length_s = last_s - first_s
        if length_s > 0 and inside[1] > inside[0] and (inside[1] - inside[0]) / length_s >= least_share:
            placed.append((inside[0] - start_s, inside[1] - start_s, label))
    return placed
