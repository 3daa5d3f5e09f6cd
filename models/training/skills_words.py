"""Spelling, reversing, counting letters, and sorting or reversing lists of words."""

import world
from phrasing import Exchange, join_words, made_up_word, phrase, sentence_case


def _letters(word):
    return "-".join(word)


def _any_word(rng, longest=9):
    """Usually a word of the world, sometimes a name or one that does not exist."""
    while True:
        choice = rng.random()
        if choice < 0.8:
            word = rng.choice(world.SPELLING_WORDS)
        elif choice < 0.87:
            word = rng.choice(world.NAMES).lower()
        else:
            word = made_up_word(rng)
        if 2 <= len(word) <= longest:
            return word


_SPELL = (
    "Spell {w}.",
    "How do you spell {w}?",
    "Can you spell {w}?",
    "Spell the word {w}.",
    "How is {w} spelled?",
    "Please spell {w}.",
    "What are the letters of {w}?",
    'spell "{w}"',
    "Which letters are in {w}?",
)


def spelling(context):
    rng = context.random

    def make():
        template = rng.randrange(len(_SPELL))
        word = _any_word(rng)
        return f"spell:{template}:{word}", template, word

    key, template, word = context.draw(make)
    exchanges = [
        Exchange(
            phrase(context, _SPELL[template], w=_cased(rng, word)),
            f"{word} is spelled {_letters(word)}.",
            None,
            "spelling",
            (key,),
        )
    ]
    choice = rng.random()
    if choice < 0.12:
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        (
                            "How many letters is that?",
                            "How many letters does it have?",
                            "And how many letters?",
                        )
                    ),
                ),
                f"{word} has {len(word)} letters.",
                str(len(word)),
                "spelling_follow_up",
            )
        )
    elif choice < 0.24:
        exchanges.append(
            _backwards(
                context,
                word,
                "Now backwards.",
                "And backwards?",
                "Now reverse it.",
                "And in reverse?",
                "Spell it backwards.",
            )
        )
    return [exchange for exchange in exchanges if all(map(context.allows, exchange.keys))]


def _cased(rng, word):
    return sentence_case(word) if rng.random() < 0.2 else word


def _backwards(context, word, *templates):
    reverse = word[::-1]
    return Exchange(
        phrase(context, context.random.choice(templates), w=_cased(context.random, word)),
        f"{_letters(word)} backwards is {_letters(reverse)}: {reverse}.",
        None,
        "reverse_word",
        (f"reverse:{word}",),
    )


def reverse_word(context):
    rng = context.random

    def make():
        word = _any_word(rng, longest=8)
        return f"reverse:{word}", word

    _, word = context.draw(make)
    return [
        _backwards(
            context,
            word,
            "Reverse {w}.",
            "Reverse the word {w}.",
            "What is {w} backwards?",
            "Write {w} backwards.",
            "Spell {w} backwards.",
            "{w} backwards",
            "Say {w} backwards.",
            "Can you reverse the word {w}?",
            "Turn {w} around.",
            "Reverse the letters of {w}.",
            "What is {w} in reverse?",
            'reverse "{w}"',
        )
    ]


def letter_count(context):
    rng = context.random

    def make():
        word = _any_word(rng)
        return f"letters:{word}", word

    key, word = context.draw(make)
    user = phrase(
        context,
        rng.choice(
            (
                "How many letters does {w} have?",
                "How many letters are in {w}?",
                "How many letters are in the word {w}?",
                "Count the letters of {w}.",
                "How long is the word {w}?",
                "Number of letters in {w}?",
                "How many letters has the word {w}?",
            )
        ),
        w=_cased(rng, word),
    )
    return [
        Exchange(
            user, f"{_letters(word)}: {word} has {len(word)} letters.", str(len(word)), "letter_count", (key,)
        )
    ]


def letter_occurrences(context):
    """How many r are in strawberry?"""
    rng = context.random

    def make():
        word = _any_word(rng, longest=10)
        letter = rng.choice(word) if rng.random() < 0.85 else rng.choice("abcdefghijklmnopqrstuvwxyz")
        return f"occurrences:{word}:{letter}", word, letter

    key, word, letter = context.draw(make)
    user = phrase(
        context,
        rng.choice(
            (
                "How many {l}'s are in {w}?",
                "How many times does {l} appear in {w}?",
                "How many {l} are in {w}?",
                "Count the letter {l} in {w}.",
                "How often is the letter {l} in {w}?",
                "How many {l}s are there in the word {w}?",
                "How many {l} are in the word {w}?",
            )
        ),
        w=word,
        l=letter,
    )
    count = word.count(letter)
    times = {0: "does not appear", 1: "appears once", 2: "appears twice"}.get(count, f"appears {count} times")
    return [
        Exchange(
            user, f"{_letters(word)}: the letter {letter} {times}.", str(count), "letter_occurrences", (key,)
        )
    ]


def edge_letter(context):
    rng = context.random

    def make():
        word, edge = _any_word(rng), rng.choice(("first", "last"))
        return f"edge:{word}:{edge}", word, edge

    key, word, edge = context.draw(make)
    letter = word[0] if edge == "first" else word[-1]
    user = phrase(
        context,
        rng.choice(
            (
                "What is the {e} letter of {w}?",
                "Which letter is the {e} in {w}?",
                "{e} letter of {w}?",
                "Tell me the {e} letter of {w}.",
                "What is the {e} letter of the word {w}?",
                "With which letter does {w} start?" if edge == "first" else "With which letter does {w} end?",
            )
        ),
        e=edge,
        w=word,
    )
    return [
        Exchange(
            user, f"The {edge} letter of {word} is {letter}.", sentence_case(letter), "edge_letter", (key,)
        )
    ]


def _word_list(rng):
    pool = rng.choice(
        (
            world.SORTING_WORDS,
            world.SORTING_WORDS,
            world.OBJECTS,
            world.NAMES,
            tuple("abcdefghijklmnopqrstuvwxyz"),
        )
    )
    words = rng.sample(pool, rng.choice((2, 3, 3, 4, 4, 5, 6)))
    return words


def _listed(words):
    return ", ".join(words)


def _shown(rng, words):
    return rng.choice((", ".join(words), ", ".join(words), " ".join(words), join_words(words)))


def sort_words(context):
    rng = context.random

    def make():
        words = _word_list(rng)
        return "sort:" + ",".join(sorted(words)), words

    key, words = context.draw(make)
    user = phrase(
        context,
        rng.choice(
            (
                "Sort these words: {s}.",
                "Sort {s}.",
                "Sort the words {s}.",
                "Put these words in alphabetical order: {s}",
                "Sort alphabetically: {s}",
                "Sort {s} alphabetically.",
                "Order these words: {s}",
                "Can you sort {s}?",
                "Please sort these words: {s}",
                "Alphabetical order: {s}",
                "Arrange {s} from a to z.",
                "sort: {s}",
            )
        ),
        s=_shown(rng, words),
    )
    ordered = sorted(words)
    exchanges = [Exchange(user, f"Sorted: {_listed(ordered)}.", None, "sort_words", (key,))]
    choice = rng.random()
    if choice < 0.2:
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        (
                            "Now reverse it.",
                            "Reverse it.",
                            "And backwards?",
                            "Now the other way round.",
                            "Now in reverse.",
                            "Now from z to a.",
                        )
                    ),
                ),
                f"{_listed(reversed(ordered))}.",
                None,
                "sort_follow_up",
                (key,),
            )
        )
    elif choice < 0.35:
        edge, value = rng.choice((("first", ordered[0]), ("last", ordered[-1])))
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        (
                            "Which is the {e} one?",
                            "What is the {e} word?",
                            "And the {e}?",
                            "Which one is {e}?",
                        )
                    ),
                    e=edge,
                ),
                f"The {edge} one is {value}.",
                sentence_case(value),
                "sort_follow_up",
                (key,),
            )
        )
    return exchanges


def reverse_list(context):
    rng = context.random

    def make():
        words = (
            _word_list(rng)
            if rng.random() < 0.6
            else [str(n) for n in rng.sample(range(100), rng.randrange(3, 7))]
        )
        return "reverse_list:" + ",".join(words), words

    key, words = context.draw(make)
    user = phrase(
        context,
        rng.choice(
            (
                "Reverse the list: {s}",
                "Reverse this list: {s}.",
                "Say these in reverse order: {s}",
                "Put {s} in reverse order.",
                "Turn this list around: {s}",
                "Reverse the order of {s}.",
                "List backwards: {s}",
            )
        ),
        s=_shown(rng, words),
    )
    return [Exchange(user, f"Reversed: {_listed(reversed(words))}.", None, "reverse_list", (key,))]


def list_length(context):
    rng = context.random

    def make():
        words = _word_list(rng)
        return "length:" + ",".join(words), words

    key, words = context.draw(make)
    user = phrase(
        context,
        rng.choice(
            (
                "How many words are in this list: {s}?",
                "How many things are here: {s}?",
                "Count these: {s}",
                "How many words do you see: {s}?",
            )
        ),
        s=_shown(rng, words),
    )
    return [Exchange(user, f"There are {len(words)} words.", str(len(words)), "list_length", (key,))]


def repeat_after_me(context):
    """Copying, including words the model has never seen."""
    rng = context.random

    def make():
        words = rng.choices(world.SPELLING_WORDS, k=rng.randrange(1, 7))
        if rng.random() < 0.3:
            words[rng.randrange(len(words))] = made_up_word(rng)
        text = " ".join(words)
        return f"repeat:{text}", text

    key, text = context.draw(make)
    user = phrase(
        context,
        rng.choice(
            (
                "Repeat after me: {t}",
                "Say {t}.",
                "Repeat: {t}",
                "Please say: {t}",
                "Repeat this: {t}",
                "Say the words {t}.",
                "Say this: {t}",
            )
        ),
        decorate=False,
        t=text,
    )
    return [Exchange(user, f"{sentence_case(text)}.", None, "repeat", (key,))]
