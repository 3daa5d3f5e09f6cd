"""Held-out evaluation items: exact-match chats, multiple choice, and text for perplexity."""

import collections
import json
import random
import re

import corpus
import skills_facts
import skills_numbers
import skills_stories
import world
from phrasing import Context

# Free answers, which have no single right wording.
_FREE = ("tale", "quiz_question")
_LONGEST_HISTORY = 8


def _pattern(answers):
    """A regular expression for several accepted answers, plain enough for any engine."""
    return "^(?:" + "|".join(re.sub(r"([.?*+^$()\[\]{}|\\])", r"\\\1", answer) for answer in answers) + ")$"


def exact_match_items(seed, per_category, profile):
    """Questions at the end of held-out chats, with the chat so far as context."""
    items = collections.defaultdict(list)
    index = 0
    # Some categories are rare among held-out chats, so stop at some point.
    while index < 12000 and (index < 2000 or any(len(found) < per_category for found in items.values())):
        context = Context(random.Random(f"{seed}:exact:{index}"), held_out=True, typos=False, profile=profile)
        index += 1
        system, exchanges = corpus.chat(context, context.random.randrange(1, _LONGEST_HISTORY))
        messages = [{"role": "system", "content": system}] if system else []
        for exchange in exchanges[:_LONGEST_HISTORY]:
            messages = messages + [{"role": "user", "content": exchange.user}]
            one_word = exchange.short and exchange.answer == exchange.short.rstrip(".") + "."
            category = "one_word" if one_word else exchange.skill
            if exchange.skill not in _FREE and len(items[category]) < per_category:
                item = {"category": category, "messages": messages, "answer": exchange.answer}
                if len(exchange.accepted) > 1 and not one_word:
                    item["regex"] = _pattern(exchange.accepted)
                items[category].append(item)
            messages = messages + [{"role": "assistant", "content": exchange.answer}]
    return [item for category in sorted(items) for item in items[category]]


def is_correct(item, answer):
    if "regex" in item:
        return re.match(item["regex"], answer) is not None
    return answer == item["answer"]


def _choice(rng, category, context, right, wrong):
    choices = [right] + rng.sample(sorted(set(wrong) - {right}), 3)
    rng.shuffle(choices)
    return {"category": category, "context": context, "choices": choices, "answer": choices.index(right)}


def _text_choices(rng):
    """Plain text to complete.  Facts cannot be held out; sums, counts and stories are."""
    for _ in range(60):
        relation = skills_facts.BY_NAME[
            rng.choice(
                ("capital", "capital_of", "continent", "opposite", "sound", "young", "colour", "language")
            )
        ]
        entity = rng.choice(tuple(relation.table))
        sentence = skills_facts.statement(relation, entity)
        value = relation.table[entity]
        if not sentence.endswith(f" {value}."):
            continue
        wrong = [f" {other}." for other in relation.table.values() if other != value]
        if len(set(wrong)) >= 3:
            yield _choice(rng, "fact_" + relation.name, sentence[: -len(value) - 2], f" {value}.", wrong)
    context = Context(rng, held_out=True, typos=False)
    for skill, category in (
        (skills_numbers.addition, "addition"),
        (skills_numbers.subtraction, "subtraction"),
    ):
        for _ in range(50):
            answer = skill(context)[0].answer
            left, _, right = answer.rpartition(" = ")
            value = int(right[:-1])
            wrong = [f" {value + shift}." for shift in (-20, -10, -2, -1, 1, 2, 10, 20)]
            yield _choice(rng, category, left + " =", " " + right, wrong)
    for _ in range(50):
        numbers = skills_numbers.counting(context)[0].answer[:-1].split(", ")
        last = int(numbers[-1])
        yield _choice(
            rng,
            "counting",
            ", ".join(numbers[:-1]) + ",",
            f" {last}.",
            [f" {last + shift}." for shift in (-3, -2, -1, 1, 2, 3, 4)],
        )
    for _ in range(60):
        tale = skills_stories.Tale(context)
        before, found, _ = tale.text.rpartition(f" {tale.thing}")
        if found and tale.thing in before:
            yield _choice(
                rng,
                "story_object",
                before,
                found,
                [f" {thing}" for thing in world.OBJECTS if thing not in tale.text],
            )


def _chat_choices(rng):
    """ChatML contexts; the choices are whole answers.  Every question wording is held out."""
    for category, skill in (
        ("fact", skills_facts.fact),
        ("addition", skills_numbers.addition),
        ("calendar", skills_facts.calendar),
        ("capital_check", skills_facts.capital_check),
        ("story", skills_stories.scene_questions),
    ):
        answers, contexts = [], []
        for _ in range(60):
            context = Context(rng, held_out=True, typos=False)
            relation = skills_facts.BY_NAME["capital"] if category == "fact" else None
            exchange = (skill(context, relation) if relation else skill(context))[0]
            if exchange.skill == "story_told":
                continue
            pieces = corpus.render_chat(None, [exchange])
            contexts.append((pieces[0][0], exchange.answer))
            answers.append(exchange.answer)
        for prompt, answer in contexts:
            wrong = _other_answers(category, answer) or answers
            yield _choice(rng, category, prompt, answer, wrong)


def _other_answers(category, answer):
    """Wrong answers that differ from the right one in the decisive word only."""
    if category == "addition":
        left, _, right = answer.rpartition(" = ")
        value = int(right[:-1])
        return [f"{left} = {value + shift}." for shift in (-20, -10, -2, -1, 1, 2, 10, 20)]
    if category == "fact":
        stem = answer[: answer.index(" is ") + 4]
        return [f"{stem}{city}." for city in world.CAPITALS.values()]
    return None


def held_out_text(seed, plain, limit, profile):
    """Held-out documents, plain or ChatML, up to a number of characters."""
    parts, size, index = [], 0, 0
    while size < limit:
        document = corpus.document(f"{seed}-text", index, held_out=True, typos=False, profile=profile)[:-1]
        index += 1
        if (len(document) == 1) == plain:
            parts.append("".join(text for text, _ in document))
            size += len(parts[-1]) + 2
    return ("\n\n" if plain else "").join(parts[:-1]) + "\n"


def _write_jsonl(path, items):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for item in items:
            file.write(json.dumps(item, ensure_ascii=False) + "\n")


def write_eval_folder(folder, seed, profile):
    """A few hundred items a file, small enough to ship."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{seed}:choices")
    _write_jsonl(folder / "choice_text.jsonl", list(_text_choices(rng)))
    _write_jsonl(folder / "choice_chat.jsonl", list(_chat_choices(rng)))
    _write_jsonl(folder / "exact_match.jsonl", exact_match_items(f"{seed}-shipped", 10, profile))
    for name, plain in (("heldout.txt", True), ("heldout_chat.txt", False)):
        (folder / name).write_text(held_out_text(seed, plain, 60000, profile), encoding="utf-8", newline="\n")
