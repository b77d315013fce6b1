"""Which scripts a text encoder can read, told by its vocabulary."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from gerund.assets import find_asset, is_here, verified
from gerund.encoders.contrastive import ContrastiveEncoder
from gerund.encoders.scripts import _WORDS_OF_A_SCRIPT, _as_text, unreadable
from gerund.encoders.sentence import read_tokenizer
from gerund.encoders.tokenizer import TextTokens
from gerund.text.classes import ClassSpace

needs_minilm = pytest.mark.skipif(not is_here(find_asset("minilm-tokenizer")), reason="MiniLM's vocabulary is not here")
needs_clip = pytest.mark.skipif(not is_here(find_asset("clip-vocabulary")), reason="CLIP's vocabulary is not here")


def word_pieces(words):
    """A WordPiece tokenizer of Latin letters and these words."""
    letters = [mark + chr(c) for c in range(97, 123) for mark in ("", "##")]
    pieces = dict.fromkeys(["[UNK]", *letters, *words])
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def greek(count):
    return [chr(0x3B1 + place // 20) + chr(0x3B1 + place % 20) for place in range(count)]


def not_asked():
    raise AssertionError("the vocabulary was read")


NAMES = ClassSpace(("weaving", "αβ", "弹吉他"))


def test_a_script_is_known_from_a_hundred_words_on():
    """One word fewer and names in it are spelled letter by letter, which is not reading."""
    assert unreadable(NAMES, lambda: word_pieces(greek(_WORDS_OF_A_SCRIPT))) == ["弹吉他"]
    assert unreadable(NAMES, lambda: word_pieces(greek(_WORDS_OF_A_SCRIPT - 1))) == ["αβ", "弹吉他"]


def test_single_letters_are_no_words():
    """A vocabulary with every character of a script still has no words of it."""
    characters = [chr(0x4E00 + place) for place in range(500)]
    assert unreadable(ClassSpace(("一丁",)), lambda: word_pieces(characters)) == ["一丁"]


def test_letters_stand_for_bytes_as_gpt2_has_them():
    """What the published pre-tokenizer makes of a letter of one to four bytes is read back as that letter."""
    letters = [
        chr(code) for code in (*range(1, 0x800), *range(0x800, 0xD800, 0xFFF), *range(0x10000, 0x110000, 0xFFFF))
    ]
    written = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert [_as_text(written.pre_tokenize_str(letter)[0][0]) for letter in letters] == letters


def test_pieces_of_bytes_count_as_the_letters_they_spell():
    """A vocabulary over bytes that has words of a script can read it, as one that was trained in Korean."""
    from tokenizers import trainers

    words = [chr(0xAC00 + place) + chr(0xAC00 + 3 * place) for place in range(200)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        words * 3, trainers.BpeTrainer(vocab_size=3000, initial_alphabet=alphabet, show_progress=False)
    )
    assert unreadable(ClassSpace((words[0], "弹吉他")), lambda: tokenizer) == ["弹吉他"]


def test_plain_names_ask_nothing_of_the_vocabulary():
    """Latin letters with any accent are read, and cost no look at the vocabulary."""
    latin = ("pousser à l’épaule", "łódź", "chơi đàn", "straße 12", "12", "café, thé")
    assert unreadable(ClassSpace(latin), not_asked) == []


def test_half_of_the_words_decide():
    """A foreign word among three is read around; one of two is what the name is about."""
    found = unreadable(
        ClassSpace(("playing 麻将", "playing 麻将 outside", "麻将 cards", "12 麻将")), lambda: word_pieces([])
    )
    assert found == ["playing 麻将", "麻将 cards", "12 麻将"]


def test_texts_decide_not_the_name():
    """A class with one text that can be read is read; sentences around a name tell nothing of it."""
    space = ClassSpace(
        ("弹吉他", "打鼓", "游泳"),
        (("playing guitar", "弹吉他"), ("打鼓", "敲鼓"), ("a video of a person 游泳", "a photo of a person 游泳")),
        as_given=True,
    )
    assert unreadable(space, lambda: word_pieces([])) == ["打鼓", "游泳"]


def test_signs_alone():
    """A name without letters is read only where the vocabulary has something of it."""
    assert unreadable(ClassSpace(("✈", "☂")), lambda: word_pieces(["☂"])) == ["✈"]


@needs_minilm
def test_the_default_vocabulary():
    """MiniLM reads Latin letters alone: seven other scripts it spells or misses."""
    foreign = ("弹吉他", "игра на гитаре", "παίζω κιθάρα", "لعب كرة القدم", "ギターを弾く", "기타 연주", "गिटार बजाना")
    tokenizer = read_tokenizer(verified(find_asset("minilm-tokenizer")))
    assert unreadable(ClassSpace((*foreign, "Gitarre spielen")), lambda: tokenizer) == list(foreign)


@needs_clip
def test_the_vocabulary_of_clip():
    """CLIP spells all but Latin letters by bytes; emoji, which its captions had, it reads."""
    tokens = TextTokens(verified(find_asset("clip-vocabulary")), context=77, vocabulary=49408, padded=False)
    encoder = ContrastiveEncoder.__new__(ContrastiveEncoder)
    encoder._tokens = tokens
    assert encoder.unreadable(ClassSpace(("弹吉他", "игра", "기타 연주", "🏀", "waving"))) == [
        "弹吉他",
        "игра",
        "기타 연주",
    ]
