"""Byte-level byte-pair encoding with the pre-tokenizer of Qwen2, in plain Python."""

import collections
import json

import regex

END_OF_TEXT, IM_START, IM_END = SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# Digits stay single tokens, so sums can be learned.
_SPLIT = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_MARKERS = regex.compile("|".join(map(regex.escape, SPECIALS)))


def _byte_characters():
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {
        **{byte: chr(byte) for byte in printable},
        **{byte: chr(256 + index) for index, byte in enumerate(others)},
    }


_TO_CHARACTER = _byte_characters()
_TO_BYTE = {character: byte for byte, character in _TO_CHARACTER.items()}


def _words(text):
    return ("".join(map(_TO_CHARACTER.__getitem__, word.encode("utf-8"))) for word in _SPLIT.findall(text))


def _merge(parts, pair):
    merged, index = [], 0
    while index < len(parts):
        if index + 1 < len(parts) and (parts[index], parts[index + 1]) == pair:
            merged.append(parts[index] + parts[index + 1])
            index += 2
        else:
            merged.append(parts[index])
            index += 1
    return merged


def train(texts, size):
    """Learns merges from texts until the vocabulary, with the specials, has the wanted size."""
    counts = collections.Counter(
        word for text in texts for part in _MARKERS.split(text) for word in _words(part)
    )
    words = [[list(word), count] for word, count in sorted(counts.items())]
    pairs, places = collections.Counter(), collections.defaultdict(set)
    for index, (parts, count) in enumerate(words):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += count
            places[pair].add(index)
    merges = []
    while len(merges) < size - 256 - len(SPECIALS):
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for index in list(places[best]):
            parts, count = words[index]
            for pair in zip(parts, parts[1:]):
                pairs[pair] -= count
                places[pair].discard(index)
            words[index][0] = parts = _merge(parts, best)
            for pair in zip(parts, parts[1:]):
                pairs[pair] += count
                places[pair].add(index)
        del pairs[best]
    return Tokenizer([*sorted(_TO_BYTE), *(left + right for left, right in merges), *SPECIALS], merges)


class Tokenizer:
    def __init__(self, tokens, merges):
        self.tokens, self.merges = list(tokens), [tuple(merge) for merge in merges]
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        assert len(self.ids) == len(self.tokens)
        self._ranks = {merge: rank for rank, merge in enumerate(self.merges)}
        self._cache = {}
        self.end_of_text, self.im_start, self.im_end = (self.ids[special] for special in SPECIALS)

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"tokens": self.tokens, "merges": self.merges}, file)

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        return cls(content["tokens"], content["merges"])

    def _encode_word(self, word):
        parts = list(word)
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            parts = _merge(parts, best)
        return [self.ids[part] for part in parts]

    def encode_plain(self, text):
        """Token ids of text without special tokens."""
        ids = []
        for word in _words(text):
            found = self._cache.get(word)
            if found is None:
                found = self._encode_word(word)
                if len(self._cache) < 200000:
                    self._cache[word] = found
            ids += found
        return ids

    def encode(self, text):
        """Token ids; the special tokens are recognised in the text."""
        ids, at = [], 0
        for match in _MARKERS.finditer(text):
            ids += self.encode_plain(text[at : match.start()])
            ids.append(self.ids[match.group()])
            at = match.end()
        return ids + self.encode_plain(text[at:])

    def decode(self, ids):
        """Text of token ids; special tokens are left out."""
        text = "".join(self.tokens[index] for index in ids if self.tokens[index] not in SPECIALS)
        return bytes(_TO_BYTE[character] for character in text).decode("utf-8", errors="replace")
