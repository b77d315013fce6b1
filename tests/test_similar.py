"""Names that mean the same action: pairs known by hand, the real vocabularies, and what must hold for any name."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.text import similar
from gerund.text.classes import VOCABULARIES, read_vocabulary
from gerund.text.similar import near_names, same_names, stem


def kind(name, other):
    found = same_names([name], [other])
    return found[0].kind if found else None


@pytest.mark.parametrize(
    "forms",
    [
        "run running runs",
        "bike biking bikes",
        "juggle juggling juggles",
        "shave shaving shaves",
        "dance dancing dances",
        "press pressing presses",
        "kiss kissing kisses",
        "carry carrying carries",
        "canoe canoeing canoes",
        "ski skiing skis",
        "tie tying ties",
        "push pushing pushes",
        "knife knives",
        "hug hugging hugs",
        "type typing types",
    ],
)
def test_forms_of_a_word_share_a_stem(forms):
    """Gerund, third person and plural have one stem, with doubled consonants and silent e."""
    assert len({stem(word) for word in forms.split()}) == 1


def test_words_that_look_like_forms_keep_their_own_stem():
    """Neither a verb that ends in -ing nor a noun that ends in -s is cut to nothing or to another word."""
    words = ["swing", "sing", "king", "string", "spring", "tennis", "grass", "bus", "cross", "ping"]
    assert [stem(word) for word in words[:5]] == words[:5]
    assert len({stem(word) for word in words}) == len(words)


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("HandstandPushups", "handstand push-ups", "name"),
        ("TaiChi", "tai chi", "name"),
        ("pullup", "pull ups", "words"),
        ("PushUps", "push up", "words"),
        ("SitUp", "situp", "name"),
        ("Shotput", "shot put", "name"),
        ("SkateBoarding", "skateboarding", "name"),
        ("brush_hair", "brushing hair", "words"),
        ("ride_bike", "riding a bike", "words"),
        ("ThrowDiscus", "throwing discus", "words"),
        ("CliffDiving", "diving cliff", "words"),
        ("Skijet", "jetskiing", "words"),
        ("BlowDryHair", "blowdrying hair", "words"),
        ("dyeing hair", "dying hair", "words"),
        ("HeadMassage", "massaging person's head", "words"),
        ("Hurling", "hurling (sport)", "alternative"),
        ("Kayaking", "canoeing or kayaking", "alternative"),
        ("catch_frisbee", "catching or throwing frisbee", "alternative"),
        ("shaving beard", "trim/shave beard", "alternative"),
        ("Hammering", "hammer throw", None),
        ("sit", "situp", None),
        ("push", "push up", None),
        ("eat", "tea", None),
        ("Playing guitar", "guitar", None),
        ("high jump", "long jump", None),
        ("passing American football (in game)", "passing American football (not in game)", None),
    ],
)
def test_sameness_of_pairs_known_by_hand(name, other, expected):
    """Each pair is the same in the way a person would say, in both directions; false friends are not."""
    assert kind(name, other) == kind(other, name) == expected


UCF101_IN_KINETICS400 = """Archery BabyCrawling BasketballDunk BenchPress Bowling BrushingTeeth CleanAndJerk HammerThrow
    HighJump HulaHoop JavelinThrow JugglingBalls Knitting LongJump MoppingFloor PlayingCello PlayingFlute PlayingGuitar
    PlayingPiano PlayingViolin PoleVault PullUps PushUps Shotput SkyDiving TaiChi ThrowDiscus"""


def test_ucf101_against_kinetics400():
    """The 27 classes known to have a Kinetics-400 name up to stem and word order are found, and no false friend."""
    known = UCF101_IN_KINETICS400.split()
    found = {match.name for match in same_names(read_vocabulary("ucf101"), read_vocabulary("kinetics400"))}
    assert len(known) == 27
    assert set(known) <= found
    assert len(found) == 40
    assert not found & {"Hammering", "Swing", "Basketball", "CricketBowling", "TennisSwing", "Diving", "Surfing"}


def test_ucf101_near_kinetics400():
    """With near names at least 52 classes are touched, with Hammering and hammer throw among the pairs to judge."""
    names, others = read_vocabulary("ucf101"), read_vocabulary("kinetics400")
    near = {(match.name, match.other) for match in near_names(names, others)}
    assert len({name for name, _ in near} | {match.name for match in same_names(names, others)}) >= 52
    assert {("Hammering", "hammer throw"), ("WallPushups", "push up"), ("Haircut", "getting a haircut")} <= near


def test_hmdb51_against_kinetics400():
    """The nine classes known to be identical are found; verbs that only begin a longer name are not."""
    found = {match.name for match in same_names(read_vocabulary("hmdb51"), read_vocabulary("kinetics400"))}
    known = {"brush_hair", "cartwheel", "drink", "laugh", "ride_bike", "shake_hands", "situp", "smoke", "somersault"}
    assert known <= found
    assert found - known == {"clap", "hug", "kiss", "pullup", "punch", "pushup", "ride_horse"}


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_no_two_classes_of_one_list_are_the_same(vocabulary):
    """Every class of a list is the same as itself and as no other class of it."""
    names = read_vocabulary(vocabulary)
    assert [(match.name, match.other) for match in same_names(names, names)] == [(name, name) for name in names]


def test_near_scores_are_the_shared_part_of_words():
    """Two of three words shared is 2/3; words contained in the other's count however few; prepositions do not count."""
    near = {
        (m.name, m.other): m.score for m in near_names(["hand washing clothes"], ["washing hands", "folding clothes"])
    }
    assert near == {("hand washing clothes", "washing hands"): pytest.approx(2 / 3, abs=1e-4)}
    assert near_names(["putting on shoes"], ["putting on lipstick"]) == ()
    assert [m.score for m in near_names(["archery"], ["indoor archery on a big horse"])] == [0.25]


def test_same_names_are_not_near():
    """A pair that is the same is not listed as near again."""
    assert near_names(["PushUps"], ["push up", "wall push up"])[0].other == "wall push up"
    assert len(near_names(["PushUps"], ["push up", "wall push up"])) == 1


def test_meaning_adds_pairs_that_words_do_not_give():
    """An encoder adds the pairs above its threshold that are neither same nor near, with their cosines."""
    space = {"jump rope": [1, 0], "skipping rope": [0.8, 0.6], "rope": [1, 0], "chess": [0, 1]}

    def embed(texts):
        return np.array([space[text] for text in texts], np.float32)

    found = near_names(["JumpRope"], ["skipping rope", "chess", "rope"], embed=embed, cosine_at_least=0.7)
    assert [(m.other, m.kind, m.score) for m in found] == [("rope", "near", 0.5), ("skipping rope", "meaning", 0.8)]


WORDS = "riding a bike or horse (indoor) PushUps pull ups kick/ball on the Brush_hair"
NAMES = st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=12).map(" ".join) | st.text(max_size=20)


@given(NAMES, NAMES)
def test_sameness_goes_both_ways(name, other):
    """Whatever the two names, they are the same or near in both directions or in none, and near is never same."""
    assert kind(name, other) == kind(other, name)
    near, back = near_names([name], [other]), near_names([other], [name])
    assert [m.score for m in near] == [m.score for m in back]
    assert not (near and kind(name, other))


@given(NAMES)
def test_every_name_with_letters_is_itself(name):
    """A name is the same as itself, in capitals or not, unless it has no letter or digit."""
    expected = "name" if any(character.isalnum() for character in name) else None
    assert kind(name, name) == expected


def test_many_choices_stay_few(monkeypatch):
    """A name with any number of choices is compared through a bounded number of texts, and is still itself."""
    looked_at = []
    search = similar._CHOICE.search
    monkeypatch.setattr(similar, "_CHOICE", SimpleNamespace(search=lambda text: looked_at.append(text) or search(text)))
    for count in (14, 200):
        looked_at.clear()
        name = " ".join(f"word{number}a/word{number}b" for number in range(count))
        assert kind(name, name.upper()) == "name" and len(looked_at) <= 2 * similar._MOST_CHOICES
    assert len(similar._choices("/".join(f"w{number}" for number in range(1000)))) == similar._MOST_CHOICES


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_no_real_name_reaches_the_bound(vocabulary):
    """Names of the real lists stand for all of their choices."""
    assert max(len(similar._choices(name)) for name in read_vocabulary(vocabulary)) < similar._MOST_CHOICES / 4
