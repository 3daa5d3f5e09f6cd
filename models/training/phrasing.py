"""How a user says things: exchanges, the held-out split, and natural noise in questions."""

import dataclasses
import hashlib
import random

HELD_OUT_PERCENT = 8


@dataclasses.dataclass
class Exchange:
    """One question of the user and one answer of the assistant."""

    user: str
    answer: str
    short: str | None = None
    skill: str = ""
    keys: tuple = ()
    accepted: tuple = ()


@dataclasses.dataclass
class Context:
    """What a skill may look at: the random source, the split, and the chat so far."""

    random: random.Random
    held_out: bool = False
    typos: bool = True
    profile: str = "full"
    assistant_name: str | None = None
    memory: dict = dataclasses.field(default_factory=dict)
    history: list = dataclasses.field(default_factory=list)

    def allows(self, key):
        return is_held_out(key) == self.held_out

    def draw(self, make):
        """Calls make() until its first value, the combination's key, is in our split."""
        for _ in range(20000):
            result = make()
            if self.allows(result[0]):
                return result
        raise RuntimeError(f"no combination for this split in {make}")


def is_held_out(key):
    """Decides by a stable hash alone, so training and evaluation can never disagree."""
    digest = hashlib.blake2b(key.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") % 100 < HELD_OUT_PERCENT


def with_article(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def sentence_case(text):
    return text[:1].upper() + text[1:]


def join_words(words):
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


_PREFIXES = (
    "please, ",
    "hey, ",
    "ok, ",
    "so ",
    "and ",
    "now ",
    "well, ",
    "can you tell me: ",
    "tell me: ",
    "I want to know: ",
    "quick question: ",
    "question: ",
    "hi, ",
    "hello, ",
    "one more: ",
    "next question: ",
    "please tell me: ",
    "do you know: ",
)
_SUFFIXES = (" please", ", please", " thanks")


def _with_typo(rng, template):
    """Swaps, drops or doubles one letter of the template, never inside a {slot}."""
    positions = []
    depth = 0
    for index, char in enumerate(template):
        depth += (char == "{") - (char == "}")
        if depth == 0 and char.isalpha() and index + 1 < len(template) and template[index + 1].isalpha():
            positions.append(index)
    if len(positions) < 8:
        return template
    at = rng.choice(positions)
    kind = rng.random()
    if kind < 0.4:
        return template[:at] + template[at + 1] + template[at] + template[at + 2 :]
    if kind < 0.8:
        return template[:at] + template[at + 1 :]
    return template[:at] + template[at] + template[at:]


def phrase(context, template, decorate=True, **slots):
    """Fills a question template and makes it look typed by a person."""
    rng = context.random
    chance = rng.random
    if context.typos and chance() < 0.07:
        template = _with_typo(rng, template)
    if "hat is" in template and chance() < 0.3:
        template = template.replace("What is", "What's").replace("what is", "what's")
    text = template.format(**slots) if slots else template
    if decorate:
        if chance() < 0.06:
            text = rng.choice(_PREFIXES) + text[:1].lower() + text[1:]
        if chance() < 0.04 and text[-1] in ".?":
            text = text[:-1] + rng.choice(_SUFFIXES) + text[-1]
    style = chance()
    if style < 0.22:
        text = text.lower()
    elif style < 0.25:
        text = text.upper()
    if text[-1] in ".?!":
        ending = chance()
        if ending < 0.3:
            text = text[:-1]
        elif ending < 0.33:
            text += text[-1]
        elif ending < 0.35:
            text = text[:-1] + " " + text[-1]
    return text


_ONSETS = (
    "b bl br d dr f fl g gl gr h j k kl kr l m n p pl pr qu r s sh sk sl sn st t th tr v w z " "zh x y"
).split()
_VOWELS = "a e i o u a e i o ai ee oo ou ia".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "m", "k", "t", "x", "nd", "rk", "ng", "ph"]

_UNWANTED = ("sex", "fuk", "fag", "nig", "tit", "dik", "shit", "nazi", "slut", "rape")


def made_up_word(rng, syllables=None):
    """A word that does not exist, to teach the model what it does not know."""
    count = syllables or rng.choice((1, 2, 2, 3))
    while True:
        parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(count)]
        word = "".join(parts) + rng.choice(_CODAS)
        if not any(unwanted in word for unwanted in _UNWANTED):
            return word


def fixed_dialogue(context, skill, dialogues):
    """One exchange from a table of fixed questions and answers."""
    rng = context.random
    questions, answers, short = rng.choice(dialogues)
    return Exchange(
        phrase(context, rng.choice(questions)), rng.choice(answers), short, skill, accepted=answers
    )
