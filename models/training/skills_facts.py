"""Facts: one table per relation, many ways to ask, one way to answer."""

import dataclasses

import world
from phrasing import Exchange, fixed_dialogue, made_up_word, phrase, sentence_case, with_article


@dataclasses.dataclass
class Relation:
    name: str
    table: dict
    questions: tuple
    answer: str
    follow_ups: tuple = ("And {x}?", "What about {x}?", "And for {x}?", "{x}?")
    unknown: str | None = None
    weight: float = 1.0


def _articled(table):
    return {with_article(key): value for key, value in table.items()}


def _lines(text):
    return tuple(line.strip() for line in text.strip().splitlines())


RELATIONS = (
    Relation(
        "capital",
        world.CAPITALS,
        _lines(
            """
        What is the capital of {x}?
        Which city is the capital of {x}?
        Tell me the capital of {x}.
        Do you know the capital of {x}?
        What is the capital city of {x}?
        Name the capital of {x}.
        The capital of {x}?
        capital of {x}
        {x} capital?
        What city is the capital of {x}?
        I need the capital of {x}.
        Can you tell me the capital of {x}?
        Give me the capital of {x}.
        {x}: what is its capital?
        How is the capital of {x} called?
        """
        ),
        "The capital of {x} is {y}.",
        ("And of {x}?", "And {x}?", "What about {x}?", "And the capital of {x}?", "{x}?", "and for {x}?"),
        "I do not know the capital of {x}.",
        weight=5,
    ),
    Relation(
        "capital_of",
        {
            city: country
            for country, city in world.CAPITALS.items()
            if city not in ("London", "Monaco", "Singapore")
        },
        _lines(
            """
        {x} is the capital of which country?
        Which country has the capital {x}?
        What country is {x} the capital of?
        In which country is {x}?
        Where is {x}?
        {x} is in which country?
        Of which country is {x} the capital?
        Where is the city of {x}?
        """
        ),
        "{x} is the capital of {y}.",
        ("And {x}?", "What about {x}?", "{x}?"),
        "I do not know where {x} is.",
        weight=3,
    ),
    Relation(
        "continent",
        world.CONTINENTS,
        _lines(
            """
        On which continent is {x}?
        Which continent is {x} in?
        What continent is {x} on?
        {x} is on which continent?
        In which part of the world is {x}?
        Where is {x}?
        Where can I find {x}?
        Tell me the continent of {x}.
        """
        ),
        "{X} is in {y}.",
        unknown="I do not know where {x} is.",
        weight=2.5,
    ),
    Relation(
        "language",
        world.LANGUAGES,
        _lines(
            """
        What language do people speak in {x}?
        Which language is spoken in {x}?
        What do they speak in {x}?
        What is the language of {x}?
        Which language do they speak in {x}?
        The language of {x}?
        """
        ),
        "In {x} people speak {y}.",
        ("And in {x}?", "What about {x}?", "And {x}?", "in {x}?"),
        "I do not know what people speak in {x}.",
        weight=1.5,
    ),
    Relation(
        "sound",
        _articled(world.ANIMAL_SOUNDS),
        _lines(
            """
        What does {x} say?
        What sound does {x} make?
        Which sound does {x} make?
        How does {x} sound?
        What noise does {x} make?
        Tell me the sound of {x}.
        The sound of {x}?
        How does {x} go?
        """
        ),
        "{X} says {y}.",
        unknown="I do not know what {x} says.",
        weight=2,
    ),
    Relation(
        "young",
        _articled(world.ANIMAL_YOUNG),
        _lines(
            """
        What is a young {n} called?
        What do you call a baby {n}?
        What is the baby of {x} called?
        How is the young of {x} called?
        What is the name for a young {n}?
        What is a baby {n}?
        baby {n}?
        Name for a baby {n}?
        """
        ),
        "A young {n} is called {ay}.",
        ("And a baby {n}?", "And of {x}?", "What about {x}?", "And {x}?"),
        "I do not know what a young {n} is called.",
        weight=1.5,
    ),
    Relation(
        "legs",
        _articled(world.ANIMAL_LEGS),
        _lines(
            """
        How many legs does {x} have?
        How many legs has {x}?
        Number of legs of {x}?
        Tell me how many legs {x} has.
        Count the legs of {x}.
        legs of {x}?
        Does {x} have legs?
        """
        ),
        "{X} has {y} legs.",
        unknown="I do not know how many legs {x} has.",
        weight=1.5,
    ),
    Relation(
        "home",
        _articled(world.ANIMAL_HOMES),
        _lines(
            """
        Where does {x} live?
        What is the home of {x}?
        Where can I find {x}?
        Where do I find {x}?
        In what place does {x} live?
        """
        ),
        "{X} lives {y}.",
        unknown="I do not know where {x} lives.",
        weight=1.5,
    ),
    Relation(
        "food",
        _articled(world.ANIMAL_FOOD),
        _lines(
            """
        What does {x} eat?
        What is the food of {x}?
        What does {x} like to eat?
        What food does {x} eat?
        What do I feed {x}?
        """
        ),
        "{X} eats {y}.",
        unknown="I do not know what {x} eats.",
        weight=1.5,
    ),
    Relation(
        "colour",
        world.THING_COLOURS,
        _lines(
            """
        What colour is {x}?
        What color is {x}?
        Which colour is {x}?
        Which color does {x} have?
        What is the colour of {x}?
        What is the color of {x}?
        Tell me the colour of {x}.
        The color of {x}?
        Do you know the colour of {x}?
        """
        ),
        "{X} is {y}.",
        unknown="I do not know the colour of {x}.",
        weight=2.5,
    ),
    Relation(
        "opposite",
        world.OPPOSITES,
        _lines(
            """
        What is the opposite of {x}?
        Opposite of {x}?
        Tell me the opposite of {x}.
        Give me the opposite of {x}.
        Which word is the opposite of {x}?
        What is the contrary of {x}?
        Name the opposite of {x}.
        {x} - what is the opposite?
        """
        ),
        "The opposite of {x} is {y}.",
        ("And of {x}?", "And {x}?", "What about {x}?", "And the opposite of {x}?"),
        "I do not know the opposite of {x}.",
        weight=2.5,
    ),
    Relation(
        "plural",
        world.PLURALS,
        _lines(
            """
        What is the plural of {x}?
        Plural of {x}?
        Tell me the plural of {x}.
        One {x}, two what?
        What is the plural form of {x}?
        Give me the plural of {x}.
        How do you say more than one {x}?
        """
        ),
        "The plural of {x} is {y}.",
        ("And of {x}?", "And {x}?", "What about {x}?"),
    ),
    Relation(
        "past",
        world.PAST_TENSES,
        _lines(
            """
        What is the past tense of {x}?
        Past tense of {x}?
        Give me the past of {x}.
        What is the past form of {x}?
        Tell me the simple past of {x}.
        Put the verb {x} in the past tense.
        """
        ),
        "The past tense of {x} is {y}.",
        ("And of {x}?", "And {x}?", "What about {x}?"),
    ),
    Relation(
        "category",
        {
            (key if key in world.MASS_NOUNS else with_article(key)): with_article(value)
            for key, value in world.CATEGORIES.items()
        },
        _lines(
            """
        What is {x}?
        What kind of thing is {x}?
        What sort of thing is {x}?
        Tell me what {x} is.
        Explain what {x} is.
        Do you know what {x} is?
        """
        ),
        "{X} is {y}.",
        unknown="I do not know what {x} is.",
        weight=2.5,
    ),
    Relation(
        "job",
        _articled(world.JOBS),
        _lines(
            """
        What does {x} do?
        What is the job of {x}?
        What is the work of {x}?
        Tell me what {x} does.
        What does {x} do all day?
        """
        ),
        "{X} {y}.",
        unknown="I do not know what {x} does.",
    ),
    Relation(
        "use",
        {
            (key if key in ("soap", "scissors", "glasses") else with_article(key)): value
            for key, value in world.USES.items()
        },
        _lines(
            """
        What do you use {x} for?
        What is the use of {x}?
        What can I do with {x}?
        What do people do with {x}?
        Why do I need {x}?
        What do people use {x} for?
        """
        ),
        "You use {x} for {y}.",
        unknown="I do not know what {x} is for.",
    ),
    Relation(
        "month_days",
        world.MONTH_LENGTHS,
        _lines(
            """
        How many days does {x} have?
        How many days are in {x}?
        How long is {x}?
        Number of days in {x}?
        How many days has {x} got?
        """
        ),
        "{x} has {y} days.",
    ),
    Relation(
        "season",
        world.SEASONS,
        _lines(
            """
        In which season is {x}?
        What season is {x} in?
        Which season is it in {x}?
        {x} is in which season?
        """
        ),
        "{x} is in {y}.",
    ),
    Relation(
        "month_number",
        {str(index + 1): month for index, month in enumerate(world.MONTHS)},
        _lines(
            """
        Which month is number {x}?
        What is month number {x}?
        What is the name of month {x}?
        What month is month {x}?
        """
        ),
        "Month number {x} is {y}.",
    ),
    Relation(
        "planet",
        {world.ORDINALS[index]: planet for index, planet in enumerate(world.PLANETS)},
        _lines(
            """
        Which planet is the {x} from the sun?
        What is the {x} planet from the sun?
        What is the {x} planet?
        Name the {x} planet.
        """
        ),
        "The {x} planet from the sun is {y}.",
        ("And the {x}?", "What about the {x}?", "And the {x} one?"),
        weight=0.7,
    ),
    Relation(
        "shape",
        _articled(world.SHAPES),
        _lines(
            """
        How many sides does {x} have?
        How many corners does {x} have?
        Number of sides of {x}?
        How many sides has {x}?
        Tell me how many sides {x} has.
        """
        ),
        "{X} has {y} sides.",
        unknown="I do not know how many sides {x} has.",
        weight=0.7,
    ),
    Relation(
        "unit",
        world.UNITS,
        _lines(
            """
        How many {x}?
        How many {x} are there?
        Tell me how many {x} there are.
        What is the number of {x}?
        number of {x}?
        """
        ),
        "There are {y} {x}.",
        ("And {x}?", "And how many {x}?", "What about {x}?"),
        weight=1.5,
    ),
    Relation(
        "rhyme",
        world.RHYMES,
        _lines(
            """
        What rhymes with {x}?
        Which word rhymes with {x}?
        Give me a rhyme for {x}.
        Tell me a word that rhymes with {x}.
        Find a rhyme for {x}.
        Rhyme for {x}?
        """
        ),
        "A word that rhymes with {x} is {y}.",
        ("And with {x}?", "And {x}?", "What about {x}?"),
    ),
)
_WEIGHTS = [relation.weight for relation in RELATIONS]
_ENTITIES = {relation.name: tuple(relation.table) for relation in RELATIONS}
_ANIMAL_RELATIONS = ("sound", "young", "legs", "home", "food")
BY_NAME = {relation.name: relation for relation in RELATIONS}


def _slots(entity, value=""):
    bare = entity.split(" ", 1)[1] if entity.startswith(("a ", "an ")) else entity
    return {
        "x": entity,
        "X": sentence_case(entity),
        "n": bare,
        "y": value,
        "ay": with_article(value) if value else "",
    }


def statement(relation, entity):
    """The plain sentence that states a fact."""
    return relation.answer.format(**_slots(entity, relation.table[entity]))


def _ask(context, relation, entity, question):
    slots = _slots(entity, relation.table[entity])
    used = {name: slots[name] for name in ("x", "n") if "{" + name + "}" in question}
    user = phrase(context, question, **used)
    return user[:1].upper() + user[1:] if context.random.random() < 0.6 else user


def _known(context, relation):
    rng = context.random

    def make():
        question = rng.randrange(len(relation.questions))
        entity = rng.choice(_ENTITIES[relation.name])
        return f"{relation.name}:{question}:{entity}", question, entity

    key, question, entity = context.draw(make)
    return _exchange(context, relation, entity, relation.questions[question], key), entity


def _exchange(context, relation, entity, question, key):
    value = relation.table[entity]
    return Exchange(
        _ask(context, relation, entity, question),
        statement(relation, entity),
        sentence_case(value),
        "fact_" + relation.name,
        (key,) if key else (),
    )


def unknown_fact(context, relation=None):
    """A question about something that does not exist, answered by "I do not know"."""
    rng = context.random
    while relation is None or relation.unknown is None:
        relation = rng.choices(RELATIONS, _WEIGHTS)[0]
    word = made_up_word(rng)
    real = rng.random() < 0.4
    if relation.name in ("capital", "capital_of", "continent", "language"):
        entity = rng.choice(world.UNKNOWN_PLACES) if real else sentence_case(word)
    elif relation.name in ("opposite",):
        entity = word
    else:
        entity = with_article(
            rng.choice(world.UNKNOWN_ANIMALS) if real and relation.name in _ANIMAL_RELATIONS else word
        )
        if entity in relation.table:
            return unknown_fact(context, relation)
    slots = _slots(entity)
    question = rng.choice(relation.questions)
    used = {name: slots[name] for name in ("x", "n") if "{" + name + "}" in question}
    return Exchange(
        phrase(context, question, **used), relation.unknown.format(**slots), "Unknown", "unknown_fact"
    )


def fact(context, relation=None):
    """A fact, sometimes with follow-up questions such as "And of Italy?"."""
    rng = context.random
    relation = relation or rng.choices(RELATIONS, _WEIGHTS)[0]
    first, _ = _known(context, relation)
    exchanges = [first]
    while rng.random() < 0.3 and len(exchanges) < 4:
        if relation.unknown and rng.random() < 0.08:
            break
        entity = rng.choice(_ENTITIES[relation.name])
        follow = _exchange(context, relation, entity, rng.choice(relation.follow_ups), None)
        follow.skill = "fact_follow_up"
        exchanges.append(follow)
    return exchanges


def capital_check(context):
    """Yes/no questions about capitals, half of them wrong."""
    rng = context.random

    def make():
        country = rng.choice(_ENTITIES["capital"])
        city = world.CAPITALS[country] if rng.random() < 0.5 else rng.choice(tuple(world.CAPITALS.values()))
        return f"capital_check:{country}:{city}", country, city

    key, country, city = context.draw(make)
    right = world.CAPITALS[country]
    user = phrase(
        context,
        rng.choice(
            (
                "Is {y} the capital of {x}?",
                "Is the capital of {x} {y}?",
                "{y} is the capital of {x}, right?",
                "Is it true that {y} is the capital of {x}?",
                "Am I right that {y} is the capital of {x}?",
            )
        ),
        x=country,
        y=city,
    )
    if city == right:
        answer, short = f"Yes, the capital of {country} is {right}.", "Yes"
    else:
        answer, short = f"No, the capital of {country} is {right}.", "No"
    return [Exchange(user, answer, short, "capital_check", (key,))]


_CATEGORY_ITEMS = tuple(world.CATEGORIES)
_CATEGORY_KINDS = tuple(sorted(set(world.CATEGORIES.values())))


def category_check(context):
    rng = context.random

    def make():
        thing = rng.choice(_CATEGORY_ITEMS)
        kind = world.CATEGORIES[thing] if rng.random() < 0.5 else rng.choice(_CATEGORY_KINDS)
        return f"category_check:{thing}:{kind}", thing, kind

    key, thing, kind = context.draw(make)
    right = world.CATEGORIES[thing]
    if kind == "animal" and right == "bird":
        kind = "bird"
    entity = thing if thing in world.MASS_NOUNS else with_article(thing)
    user = phrase(
        context,
        rng.choice(
            ("Is {x} {y}?", "Is {x} {y} or not?", "Would you say that {x} is {y}?", "Tell me, is {x} {y}?")
        ),
        x=entity,
        y=with_article(kind),
    )
    yes = kind == right
    return [
        Exchange(
            user,
            f"{'Yes' if yes else 'No'}, {entity} is {with_article(right)}.",
            "Yes" if yes else "No",
            "category_check",
            (key,),
        )
    ]


def size_comparison(context):
    rng = context.random

    def make():
        first, second = rng.sample(world.ANIMALS_BY_SIZE, 2)
        word = rng.choice(("bigger", "smaller"))
        return f"size:{first}:{second}:{word}", first, second, word

    key, first, second, word = context.draw(make)
    order = world.ANIMALS_BY_SIZE.index
    small, big = sorted((first, second), key=order)
    winner, loser = (big, small) if word == "bigger" else (small, big)
    user = phrase(
        context,
        rng.choice(
            (
                "Which is {w}, {a} or {b}?",
                "What is {w}, {a} or {b}?",
                "Which animal is {w}: {a} or {b}?",
                "{a} or {b}: which is {w}?",
                "Who is {w}, {a} or {b}?",
            )
        ),
        w=word,
        a=with_article(first),
        b=with_article(second),
    )
    answer = f"{sentence_case(with_article(winner))} is {word} than {with_article(loser)}."
    return [Exchange(user, answer, sentence_case(winner), "size_comparison", (key,))]


def about_country(context):
    rng = context.random
    country = rng.choice(tuple(world.CONTINENTS))
    user = phrase(
        context,
        rng.choice(
            (
                "Tell me about {x}.",
                "What do you know about {x}?",
                "What is {x}?",
                "Tell me something about {x}.",
                "Describe {x}.",
                "Do you know {x}?",
                "{x}",
            )
        ),
        x=country,
    )
    answer = (
        f"{sentence_case(country)} is a country in {world.CONTINENTS[country]}. "
        f"Its capital is {world.CAPITALS[country]}."
    )
    return [Exchange(user, answer, None, "about_country")]


_DESCRIBED_ANIMALS = tuple(animal for animal in world.ANIMAL_LEGS if animal in world.ANIMAL_SOUNDS)


def about_animal(context):
    rng = context.random
    animal = rng.choice(_DESCRIBED_ANIMALS)
    user = phrase(
        context,
        rng.choice(
            (
                "Tell me about the {x}.",
                "What do you know about {a}?",
                "Tell me something about {a}.",
                "Describe {a}.",
                "Tell me about {a}.",
                "What do you know about the {x}?",
            )
        ),
        x=animal,
        a=with_article(animal),
    )
    answer = f"{sentence_case(with_article(animal))} has {world.ANIMAL_LEGS[animal]} legs and says {world.ANIMAL_SOUNDS[animal]}."
    return [Exchange(user, answer, None, "about_animal")]


def knowledge(context):
    return [fixed_dialogue(context, "knowledge", world.KNOWLEDGE)]


def _shifted(names, start, offset):
    return names[(names.index(start) + offset) % len(names)]


def calendar(context):
    """What comes before or after a day, a month or a letter."""
    rng = context.random
    kind, names = rng.choice(
        (("day", world.DAYS), ("month", world.MONTHS), ("letter", tuple("abcdefghijklmnopqrstuvwxyz")))
    )

    def make():
        question = rng.randrange(6)
        name = rng.choice(names[1:-1] if kind == "letter" else names)
        offset = rng.choice((1, -1, 1, -1, 2, -2) if kind != "letter" else (1, -1))
        return f"calendar:{question}:{name}:{offset}", question, name, offset

    key, question, name, offset = context.draw(make)
    relation = "after" if offset > 0 else "before"
    if abs(offset) == 2:
        templates = (
            "Which {k} is two {k}s {r} {n}?",
            "What {k} is two {k}s {r} {n}?",
            "What is two {k}s {r} {n}?",
            "two {k}s {r} {n}?",
            "Tell me the {k} two {k}s {r} {n}.",
            "Which {k} comes two {k}s {r} {n}?",
        )
        answer = "{o} is two {k}s {r} {n}."
    else:
        templates = (
            "What {k} comes {r} {n}?",
            "Which {k} comes {r} {n}?",
            "What comes {r} {n}?",
            "What is the {k} {r} {n}?",
            "Which {k} is {r} {n}?",
            "{k} {r} {n}?",
        )
        answer = "{o} comes {r} {n}."
    slots = {"k": kind, "r": relation, "n": name}
    other = _shifted(names, name, offset)
    exchanges = [
        Exchange(
            phrase(context, templates[question], **slots),
            answer.format(o=other, **slots),
            sentence_case(other),
            "calendar",
            (key,),
        )
    ]
    while rng.random() < 0.35 and len(exchanges) < 5 and kind != "letter" and abs(offset) == 1:
        following = _shifted(names, other, offset)
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        ("And {r} that?", "And then?", "And {r} {n}?", "What comes {r} that?")
                        if offset > 0
                        else ("And {r} that?", "And {r} {n}?", "What comes {r} that?")
                    ),
                    r=relation,
                    n=other,
                ),
                f"{following} comes {relation} {other}.",
                following,
                "calendar_follow_up",
            )
        )
        other = following
    return exchanges


def tomorrow(context):
    """If today is Monday, what is tomorrow?"""
    rng = context.random

    def make():
        question = rng.randrange(4)
        today = rng.choice(world.DAYS)
        offset = rng.choice((1, -1))
        return f"tomorrow:{question}:{today}:{offset}", question, today, offset

    key, question, today, offset = context.draw(make)
    word, verb = ("tomorrow", "is") if offset > 0 else ("yesterday", "was")
    templates = (
        "If today is {d}, what {v} {w}?",
        "Today is {d}. What day {v} {w}?",
        "What {v} {w} if today is {d}?",
        "It is {d} today. Which day {v} {w}?",
    )
    other = _shifted(world.DAYS, today, offset)
    return [
        Exchange(
            phrase(context, templates[question], d=today, v=verb, w=word),
            f"If today is {today}, {word} {verb} {other}.",
            other,
            "tomorrow",
            (key,),
        )
    ]
