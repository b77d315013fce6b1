"""Which texts a text encoder can read: those in scripts that its vocabulary has words of."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gerund.text.classes import ClassSpace
from gerund.text.descriptions.choosing import TEMPLATES

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_LATIN_END = 0x250
"""All letters before this are Latin."""

_WORDS_OF_A_SCRIPT = 100
"""A vocabulary with fewer pieces of two letters or more spells a script letter by letter, or byte by byte. MiniLM's has
8 of Cyrillic and none of Han, CLIP's 15 of Hangul and 9 of Cyrillic; of Latin they have 27,000 and 46,000."""


def unreadable(classes: ClassSpace, tokenizer: Callable[[], Tokenizer]) -> list[str]:
    """Names of the classes none of whose texts the encoder can read.

    A text cannot be read when at least half of its words have letters of a script that the vocabulary has no words of,
    or when nothing in it is known at all. Sentences around a name (`TEMPLATES`) do not count.

    Args:
        classes: names with their texts, as they were given.
        tokenizer: gives the vocabulary; called only where a text is not plainly Latin.
    """
    doubtful = {text: bare for of in classes.texts for text in of if _is_doubtful(bare := _without_sentence(text))}
    if not doubtful:
        return []
    loaded = tokenizer()
    wanted = {script for text in doubtful.values() for script in map(script_of, text) if script}
    known = {
        script for script, count in words_of_scripts(loaded.get_vocab(), wanted).items() if count >= _WORDS_OF_A_SCRIPT
    }
    unread = {text for text, bare in doubtful.items() if _is_unread(bare, known, loaded)}
    return [name for name, of in zip(classes.names, classes.texts, strict=True) if unread.issuperset(of)]


def words_of_scripts(vocabulary: Iterable[str], scripts: set[str]) -> Counter[str]:
    """How many pieces of at least two letters a vocabulary has in each of some scripts."""
    found: Counter[str] = Counter()
    for piece in vocabulary:
        if not piece.isascii():
            letters = [script for script in map(script_of, _as_text(piece)) if script]
            if len(letters) > 1 and letters[0] in scripts:
                found[letters[0]] += 1
    return found


def script_of(letter: str) -> str:
    """The script of a letter by the first word of its name; empty for Latin letters and for all that is no letter.

    Example:
        >>> script_of("弹"), script_of("Ж"), script_of("ł"), script_of("1")
        ('CJK', 'CYRILLIC', '', '')
    """
    if ord(letter) < _LATIN_END or unicodedata.category(letter) not in ("Lu", "Ll", "Lt", "Lo"):
        return ""
    script = unicodedata.name(letter, "unknown").split(" ")[0].split("-")[0]
    return "" if script == "LATIN" else script


def _is_doubtful(text: str) -> bool:
    return any(map(script_of, text)) or not any(character.isalnum() for character in text)


def _is_unread(text: str, known: set[str], tokenizer: Tokenizer) -> bool:
    words = [[script_of(letter) for letter in word] for word in text.split() if any(map(str.isalpha, word))]
    if words:
        return 2 * sum(any(script and script not in known for script in word) for word in words) >= len(words)
    tokens = tokenizer.encode(text, add_special_tokens=False).tokens
    return all(token == getattr(tokenizer.model, "unk_token", None) for token in tokens)


def _without_sentence(text: str) -> str:
    """What a sentence of `TEMPLATES` is about; other texts as they are."""
    heads = (template.removesuffix("{}") for template in TEMPLATES)
    return next((text.removeprefix(head) for head in heads if head and text.startswith(head)), text)


def _as_text(piece: str) -> str:
    """A piece of a vocabulary, where that is one of bytes written as letters, as what the bytes mean."""
    piece = piece.removesuffix("</w>")
    try:
        return bytes(_BYTE_OF[letter] for letter in piece).decode()
    except (KeyError, UnicodeDecodeError):
        return piece


def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte: itself where it can be printed, else the next one after the bytes.

    Source: the byte-level vocabulary of GPT-2 (Radford et al., 2019), which CLIP and others took over.
    """
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {chr(0x100 + place): byte for place, byte in enumerate(others)}


_BYTE_OF = _byte_letters()
