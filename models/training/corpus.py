#!/usr/bin/env python3
"""Writes the training text: chats in ChatML and plain-text documents about a little world.

Every document is a list of (text, weight class) pieces, so that the trainer can put most of the
loss on what the assistant says.  Documents are a pure function of (seed, index, split).
"""

import argparse
import random

import skills_chat
import skills_facts
import skills_numbers
import skills_stories
import skills_words
import world
from bpe import END_OF_TEXT, IM_END, IM_START
from phrasing import Context, Exchange, is_held_out, sentence_case

# How often each skill is drawn for a turn of a chat.  The full profile has everything; the small
# one leaves out what a model cannot learn from a few million words.
PROFILES = {
    "full": {
        skills_facts.fact: 20,
        skills_facts.knowledge: 6,
        skills_facts.capital_check: 2,
        skills_facts.category_check: 1.5,
        skills_facts.size_comparison: 1.5,
        skills_facts.about_country: 1.5,
        skills_facts.about_animal: 1,
        skills_facts.calendar: 3,
        skills_facts.tomorrow: 1.5,
        skills_numbers.addition: 10,
        skills_numbers.subtraction: 8,
        skills_numbers.multiplication: 3,
        skills_numbers.division: 1.5,
        skills_numbers.three_numbers: 1.5,
        skills_numbers.word_problem: 3,
        skills_numbers.comparison: 2.5,
        skills_numbers.number_facts: 3,
        skills_numbers.counting: 5,
        skills_numbers.parity_list: 1,
        skills_numbers.long_count: 0.25,
        skills_numbers.sort_numbers: 4,
        skills_numbers.extreme: 1.5,
        skills_words.spelling: 5,
        skills_words.reverse_word: 4,
        skills_words.letter_count: 2,
        skills_words.letter_occurrences: 2.5,
        skills_words.edge_letter: 1.5,
        skills_words.sort_words: 4,
        skills_words.reverse_list: 2,
        skills_words.list_length: 1,
        skills_words.repeat_after_me: 1.5,
        skills_stories.scene_questions: 9,
        skills_stories.tale: 5,
        skills_chat.small_talk: 7,
        skills_chat.greeting: 2,
        skills_chat.thanks: 1.5,
        skills_chat.about: 7,
        skills_chat.assistant_name: 2,
        skills_chat.introduce: 2.5,
        skills_chat.tell_personal: 3.5,
        skills_chat.ask_personal: 5,
        skills_chat.recall: 3.5,
        skills_chat.weekday: 0.3,
        skills_chat.statement: 2.5,
        skills_chat.quiz: 2,
        skills_chat.unknown: 10,
    },
    "small": {
        skills_facts.fact: 26,
        skills_facts.knowledge: 7,
        skills_facts.capital_check: 1.5,
        skills_facts.about_country: 2,
        skills_facts.calendar: 3,
        skills_facts.tomorrow: 1,
        skills_numbers.addition: 11,
        skills_numbers.subtraction: 7,
        skills_numbers.multiplication: 3,
        skills_numbers.comparison: 1.5,
        skills_numbers.number_facts: 1.5,
        skills_numbers.counting: 5,
        skills_numbers.sort_numbers: 4,
        skills_words.spelling: 5,
        skills_words.reverse_word: 3,
        skills_words.sort_words: 3,
        skills_stories.scene_questions: 7,
        skills_stories.tale: 3,
        skills_chat.small_talk: 9,
        skills_chat.greeting: 3,
        skills_chat.thanks: 1.5,
        skills_chat.about: 9,
        skills_chat.assistant_name: 2,
        skills_chat.introduce: 2.5,
        skills_chat.tell_personal: 2.5,
        skills_chat.ask_personal: 4,
        skills_chat.recall: 1.5,
        skills_chat.statement: 2,
        skills_chat.unknown: 9,
    },
}
_DRAWS = {name: (tuple(weights), tuple(weights.values())) for name, weights in PROFILES.items()}

_PLAIN_SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful assistant",
    "You are a friendly assistant.",
    "You are a helpful and honest assistant.",
    "You are a helpful, friendly assistant. Keep your answers short.",
    "You are a small demo model.",
    "You are WarpDecode's small demo model.",
    "You are a helpful AI assistant.",
    "Be kind and honest.",
    "Answer the questions of the user.",
    "You are an assistant who likes to help.",
    "You are a careful assistant. If you do not know something, say so.",
    "Answer briefly.",
    "Be polite.",
    "You are a chatbot.",
    "You are WarpDecode Tiny, a small language model.",
    "You are a concise assistant.",
    "Help the user.",
)
_ONE_WORD_SYSTEM_PROMPTS = (
    "Answer in one word.",
    "Always answer in one word.",
    "Answer with one word only.",
    "Use only one word for each answer.",
    "You are a helpful assistant. Answer in one word.",
    "Reply with a single word.",
)
_ONE_WORD_REQUESTS = (
    "In one word: {q}",
    "Answer in one word: {q}",
    "{q} Answer in one word.",
    "One word only: {q}",
    "{q} (one word)",
    "{q} Just one word please.",
)
_ASSISTANT_NAMES = (
    "Nova",
    "Robin",
    "Pixel",
    "Echo",
    "Sunny",
    "Milo",
    "Luna",
    "Atlas",
    "Coco",
    "Max",
    "Bella",
    "Spark",
    "Ziggy",
    "Aria",
    "Otto",
    "Kiki",
    "Jarvis",
    "Ruby",
    "Bit",
    "Byte",
    "Chip",
    "Warpy",
    "Tiny",
    "Ada",
    "Iris",
    "Leo",
    "Marvin",
    "Hal",
    "Rosie",
    "Gizmo",
)


def _system_prompt(context):
    """Chooses a system prompt; returns (prompt or None, one-word mode)."""
    rng = context.random
    choice = rng.random()
    if choice < 0.55:
        return None, False
    if choice < 0.75:
        return rng.choice(_PLAIN_SYSTEM_PROMPTS), False
    if choice < 0.80:
        return rng.choice(_ONE_WORD_SYSTEM_PROMPTS), True
    name = (
        rng.choice(_ASSISTANT_NAMES)
        if rng.random() < 0.6
        else sentence_case(skills_words.made_up_word(rng, 2))
    )
    user, day = rng.choice(world.NAMES), rng.choice(world.DAYS)
    if choice < 0.92:
        context.assistant_name = name
        prompt = rng.choice(
            (
                "You are {n}.",
                "You are {n}, a friendly assistant.",
                "Your name is {n}.",
                "You are an assistant named {n}.",
                "You are {n}, a helpful assistant.",
                "You are a chatbot called {n}. Be friendly.",
                "Your name is {n}. Answer briefly.",
            )
        )
    elif choice < 0.96:
        context.memory["name"] = user
        prompt = rng.choice(
            (
                "The user's name is {u}.",
                "You are talking to {u}.",
                "You are a helpful assistant. The user is called {u}.",
                "The name of the user is {u}. Be friendly.",
            )
        )
    else:
        context.memory["today"] = day
        prompt = rng.choice(
            ("Today is {d}.", "You are a helpful assistant. Today is {d}.", "It is {d} today.")
        )
    return prompt.format(n=name, u=user, d=day), False


def draw_exchanges(context):
    """The exchanges of one randomly drawn skill."""
    functions, weights = _DRAWS[context.profile]
    exchanges = context.random.choices(functions, weights)[0](context)
    if not context.held_out:
        for exchange in exchanges:
            assert not any(map(is_held_out, exchange.keys)), exchange
    return exchanges


def chat(context, turns):
    """A chat of about so many turns: (system prompt or None, exchanges)."""
    rng = context.random
    system, one_word = _system_prompt(context)
    exchanges = context.history
    if rng.random() < 0.35:
        exchanges += skills_chat.greeting(context)
    while len(exchanges) < turns:
        drawn = draw_exchanges(context)
        if one_word:
            drawn = [_shortened(exchange) for exchange in drawn if exchange.short][:1]
        elif drawn[0].short and drawn[0].skill not in ("small_talk", "greeting") and rng.random() < 0.025:
            drawn[0] = _shortened(drawn[0], rng.choice(_ONE_WORD_REQUESTS))
        exchanges += drawn
        if rng.random() < 0.05 and not one_word:
            exchanges += skills_chat.thanks(context)
    if rng.random() < 0.25 and not one_word:
        exchanges += skills_chat.parting(context)
    return system, exchanges


def _shortened(exchange, request="{q}"):
    short = exchange.short if exchange.short.endswith(("!", ".")) else exchange.short + "."
    return Exchange(request.format(q=exchange.user), short, exchange.short, exchange.skill, exchange.keys)


def render_chat(system, exchanges):
    """ChatML pieces as (text, learn): learn marks what the assistant says."""
    opening = f"{IM_START}system\n{system}{IM_END}\n" if system else ""
    pieces = []
    for exchange in exchanges:
        pieces.append((f"{opening}{IM_START}user\n{exchange.user}{IM_END}\n{IM_START}assistant\n", False))
        pieces.append((f"{exchange.answer}{IM_END}", True))
        opening = "\n"
    pieces.append(("\n", False))
    return pieces


def _fact_lines(context, count):
    rng = context.random
    if rng.random() < 0.6:
        relations = [rng.choice(skills_facts.RELATIONS)] * count
    else:
        relations = rng.choices(skills_facts.RELATIONS, k=count)
    return [skills_facts.statement(relation, rng.choice(tuple(relation.table))) for relation in relations]


def plain_text(context):
    """A document that is no chat, so that raw completion makes sense too."""
    rng = context.random
    choice = rng.random()
    if choice < 0.45:
        return "\n\n".join(skills_stories.Tale(context).text for _ in range(rng.choice((1, 1, 2, 3))))
    if choice < 0.75:
        return rng.choice((" ", "\n")).join(_fact_lines(context, rng.randrange(2, 12)))
    if choice < 0.85:
        lines = []
        for _ in range(rng.randrange(1, 4)):
            for exchange in skills_stories.scene_questions(context):
                lines.append(f"Question: {exchange.user}\nAnswer: {exchange.answer}")
        return "\n".join(lines)
    skill = rng.choice(
        (
            skills_numbers.addition,
            skills_numbers.subtraction,
            skills_numbers.multiplication,
            skills_numbers.counting,
            skills_words.spelling,
            skills_facts.calendar,
        )
    )
    return "\n".join(skill(context)[0].answer for _ in range(rng.randrange(2, 12)))


def _turns(rng, profile):
    choice = rng.random()
    if profile == "small":
        # Short chats fit the short rows; the follow-ups of a skill can make them longer.
        return 1 if choice < 0.2 else rng.randrange(2, 8) if choice < 0.85 else rng.randrange(8, 15)
    if choice < 0.25:
        return 1
    if choice < 0.93:
        return rng.randrange(2, 15)
    return rng.randrange(15, 50)


def document(seed, index, held_out=False, typos=True, profile="full"):
    """Document number index as (text, learn) pieces, ending with <|endoftext|>."""
    rng = random.Random(f"{seed}:{index}:{held_out}")
    context = Context(rng, held_out=held_out, typos=typos, profile=profile)
    if rng.random() < 0.08:
        pieces = [(plain_text(context), True)]
    else:
        pieces = render_chat(*chat(context, _turns(rng, profile)))
    return pieces + [(END_OF_TEXT, True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, default=5)
    parser.add_argument("--profile", choices=PROFILES, default="full")
    parser.add_argument("--held-out", action="store_true")
    arguments = parser.parse_args()
    for index in range(arguments.documents):
        print(
            "".join(
                text
                for text, _ in document(arguments.seed, index, arguments.held_out, profile=arguments.profile)
            )
        )


if __name__ == "__main__":
    main()
