"""Stories: little worlds told by the user, and tales told by the assistant."""

import world
from phrasing import Exchange, join_words, phrase, sentence_case, with_article

_MISSING = "The story does not say."


def _people(rng, count):
    return rng.sample(world.NAMES, count)


class Scene:
    """A user's story, told event by event; it knows who has what, and where."""

    def __init__(self, context):
        self.rng = context.random
        self.sentences = []
        self.place = {}  # person -> place
        self.holder = {}  # object -> person
        self.container = {}  # object -> container
        self.colour = {}
        self.given = {}  # object -> (giver, receiver)
        self.people = _people(self.rng, self.rng.choice((1, 2, 2, 3)))
        self.objects = []
        self._tell()

    def _say(self, *choices):
        self.sentences.append(self.rng.choice(choices))

    def _tell(self):
        rng = self.rng
        for person in self.people:
            if rng.random() < 0.75:
                self.place[person] = rng.choice(world.PLACES)
                place = self.place[person]
                self._say(
                    f"{person} is in the {place}.",
                    f"{person} goes to the {place}.",
                    f"{person} walks to the {place}.",
                    f"{person} is at home in the {place}."
                    if place in ("kitchen", "bathroom", "bedroom", "attic", "cellar", "garden")
                    else f"{person} went to the {place}.",
                )
            if rng.random() < 0.7 or not self.objects and person == self.people[-1]:
                thing = rng.choice([o for o in world.OBJECTS if o not in self.objects])
                self.objects.append(thing)
                self.holder[thing] = person
                if rng.random() < 0.6:
                    self.colour[thing] = rng.choice(world.COLOURS)
                described = with_article(f"{self.colour[thing]} {thing}" if thing in self.colour else thing)
                self._say(
                    f"{person} has {described}.",
                    f"{person} takes {described}.",
                    f"{person} finds {described}.",
                    f"{person} gets {described}.",
                )
        for _ in range(rng.choice((0, 1, 1, 2))):
            self._event()

    def _event(self):
        rng = self.rng
        kind = rng.random()
        held = [thing for thing in self.objects if thing in self.holder]
        if kind < 0.4 and len(self.people) > 1 and held:
            thing = rng.choice(held)
            giver = self.holder[thing]
            receiver = rng.choice([p for p in self.people if p != giver])
            self.holder[thing], self.given[thing] = receiver, (giver, receiver)
            self._say(
                f"{giver} gives the {thing} to {receiver}.",
                f"{giver} gives {receiver} the {thing}.",
                f"Then {giver} gives the {thing} to {receiver}.",
                f"{receiver} gets the {thing} from {giver}.",
            )
        elif kind < 0.7 and held:
            thing = rng.choice(held)
            owner = self.holder.pop(thing)
            container = rng.choice([c for c in world.CONTAINERS if c not in self.objects])
            self.container[thing] = container
            self._say(
                f"{owner} puts the {thing} in the {container}.",
                f"Then {owner} puts the {thing} in the {container}.",
            )
        else:
            person = rng.choice(self.people)
            self.place[person] = rng.choice([p for p in world.PLACES if p != self.place.get(person)])
            self._say(
                f"{person} goes to the {self.place[person]}.",
                f"Then {person} goes to the {self.place[person]}.",
                f"Later {person} walks to the {self.place[person]}.",
            )

    def text(self):
        return " ".join(self.sentences)

    def holdings(self):
        return {
            (person, thing, self.place[person])
            for thing, person in self.holder.items()
            if person in self.place
        }

    def question(self, context):
        """One question about the scene: (user, answer, short)."""
        rng = self.rng
        thing = rng.choice(self.objects)
        person = rng.choice(self.people)
        kind = rng.choice(
            (
                "who",
                "where_thing",
                "where_person",
                "what",
                "colour",
                "gave",
                "who",
                "where_person",
                "missing",
                "people",
            )
        )

        def ask(*templates, **slots):
            return phrase(context, rng.choice(templates), **slots)

        if kind == "who":
            user = ask(
                "Who has the {t}?",
                "Who has the {t} now?",
                "Who has got the {t}?",
                "Which person has the {t}?",
                t=thing,
            )
            if thing in self.holder:
                return user, f"{self.holder[thing]} has the {thing}.", self.holder[thing]
            return user, f"Nobody has the {thing}. It is in the {self.container[thing]}.", "Nobody"
        if kind == "where_thing":
            user = ask("Where is the {t}?", "Where is the {t} now?", "Where can I find the {t}?", t=thing)
            if thing in self.container:
                return (
                    user,
                    f"The {thing} is in the {self.container[thing]}.",
                    sentence_case(self.container[thing]),
                )
            owner = self.holder[thing]
            if owner in self.place:
                return (
                    user,
                    f"The {thing} is with {owner} in the {self.place[owner]}.",
                    sentence_case(self.place[owner]),
                )
            return user, f"The {thing} is with {owner}.", owner
        if kind == "where_person":
            user = ask(
                "Where is {p}?", "Where is {p} now?", "In which place is {p}?", "Where did {p} go?", p=person
            )
            if person in self.place:
                return user, f"{person} is in the {self.place[person]}.", sentence_case(self.place[person])
            return user, _MISSING, "Unknown"
        if kind == "what":
            user = ask(
                "What does {p} have?",
                "What has {p} got?",
                "What does {p} have now?",
                "Which thing does {p} have?",
                p=person,
            )
            things = [t for t, owner in self.holder.items() if owner == person]
            if things:
                return (
                    user,
                    f"{person} has the {join_words(things).replace(' and ', ' and the ').replace(', ', ', the ')}.",
                    None,
                )
            return user, f"{person} has nothing.", "Nothing"
        if kind == "colour":
            user = ask(
                "What colour is the {t}?",
                "What color is the {t}?",
                "Which colour does the {t} have?",
                t=thing,
            )
            if thing in self.colour:
                return user, f"The {thing} is {self.colour[thing]}.", sentence_case(self.colour[thing])
            return user, _MISSING, "Unknown"
        if kind == "gave" and self.given:
            thing = rng.choice(list(self.given))
            giver, receiver = self.given[thing]
            if rng.random() < 0.5:
                return (
                    ask(
                        "Who gave the {t} away?",
                        "Who gave the {t} to {r}?",
                        "Who gave {r} the {t}?",
                        t=thing,
                        r=receiver,
                    ),
                    f"{giver} gave the {thing} to {receiver}.",
                    giver,
                )
            return (
                ask(
                    "Who got the {t} from {g}?",
                    "To whom did {g} give the {t}?",
                    "Who did {g} give the {t} to?",
                    t=thing,
                    g=giver,
                ),
                f"{giver} gave the {thing} to {receiver}.",
                receiver,
            )
        if kind == "missing":
            stranger = rng.choice([n for n in world.NAMES if n not in self.people])
            lost = rng.choice(
                [o for o in world.OBJECTS if o not in self.objects and o not in self.container.values()]
            )
            user = ask(
                "Where is {p}?",
                "What does {p} have?",
                "Who has the {t}?",
                "Where is the {t}?",
                "How old is {q}?",
                "What does {q} like?",
                "What colour is the {t}?",
                p=stranger,
                t=lost,
                q=person,
            )
            return user, _MISSING, "Unknown"
        user = ask(
            "Who is in the story?",
            "Who is the story about?",
            "Which people are in the story?",
            "Name the people in the story.",
            "Who are the people?",
        )
        return user, f"The story is about {join_words(self.people)}.", None


def _scene(context):
    """A scene whose combinations of name, object and place fit the split."""
    while True:
        scene = Scene(context)
        keys = tuple(sorted(f"story:{p}:{t}:{place}" for p, t, place in scene.holdings()))
        if all(map(context.allows, keys)) and (keys or not context.held_out):
            return scene, keys


def scene_questions(context):
    """The user tells a story and asks about it, at once or turn by turn."""
    rng = context.random
    scene, keys = _scene(context)
    user, answer, short = scene.question(context)
    if rng.random() < 0.65:
        text = scene.text()
        if rng.random() < 0.1:
            text = text.lower()
        user = rng.choice(
            (
                "{s} {q}",
                "{s} {q}",
                "{s}\n{q}",
                "Story: {s} Question: {q}",
                "Here is a story: {s} {q}",
                "Read this: {s} {q}",
                "Listen: {s} {q}",
            )
        ).format(s=text, q=user)
        exchanges = [Exchange(user, answer, short, "story_question", keys)]
    else:
        told = rng.choice(
            (
                "{s}",
                "Here is a story: {s}",
                "Listen to this story: {s}",
                "Remember this: {s}",
                "I will tell you something. {s}",
            )
        ).format(s=scene.text())
        exchanges = [
            Exchange(
                told,
                rng.choice(
                    ("I see. You can ask me about it.", "That is a nice little story. What is your question?")
                ),
                None,
                "story_told",
                keys,
                accepted=(
                    "I see. You can ask me about it.",
                    "That is a nice little story. What is your question?",
                ),
            ),
            Exchange(user, answer, short, "story_question", keys),
        ]
    while rng.random() < 0.55 and len(exchanges) < 6:
        exchanges.append(Exchange(*scene.question(context), "story_question", keys))
    return exchanges


class Tale:
    """A short tale with a beginning, a trouble and a good end."""

    def __init__(self, context, name=None, animal=None):
        rng = context.random
        self.is_animal = animal is not None or (name is None and rng.random() < 0.45)

        def make():
            hero = name or rng.choice(world.NAMES)
            thing, place = rng.choice(world.OBJECTS), rng.choice(world.PLACES)
            return f"story:{hero}:{thing}:{place}", hero, thing, place

        self.key, self.hero, self.thing, self.place = context.draw(make)
        self.animal = animal or rng.choice(world.SPEAKABLE_ANIMALS)
        girl = self.hero in world.GIRLS
        self.he, self.him, self.his = ("she", "her", "her") if girl else ("he", "him", "his")
        self.friend = rng.choice([n for n in world.NAMES if n != self.hero])
        self.colour = rng.choice(world.COLOURS)
        self.weather = rng.choice(world.WEATHER)
        self.feeling = rng.choice(world.FEELINGS)
        self.plot = rng.choice(("lost", "found", "help", "gift", "built"))
        self.text = self._tell(rng)

    def _tell(self, rng):
        hero, thing, place, he, his = self.hero, self.thing, self.place, self.he, self.his

        def pick(*options):
            return rng.choice(options)

        who = (
            f"a little {self.animal} named {hero}"
            if self.is_animal
            else f"a {'girl' if he == 'she' else 'boy'} named {hero}"
        )
        coloured = with_article(f"{self.colour} {thing}")
        lines = [
            pick(
                f"Once upon a time there was {who}.", f"There was once {who}.", f"This is the story of {who}."
            )
        ]
        day = pick(f"One {self.weather} day", f"On a {self.weather} morning")
        He = sentence_case(he)
        if self.plot == "lost":
            lines += [
                f"{hero} had {coloured} and loved it very much.",
                f"{day} {hero} lost the {thing}.",
                pick(f"{He} looked everywhere, but it was gone.", f"{He} searched the whole day."),
                f"Then {self.friend} came and found it in the {place}.",
                pick(
                    f"{hero} thanked {self.friend} and was {self.feeling}.",
                    f"Now {hero} was {self.feeling} again.",
                ),
            ]
        elif self.plot == "found":
            lines += [
                f"{day} {hero} went to the {place}.",
                f"There {he} found {coloured}.",
                pick("But whose was it?", f"{He} wondered whose it was."),
                f"It belonged to {self.friend}, who was looking for it.",
                f"{hero} gave it back, and {self.friend} said thank you.",
                f"{hero} was {self.feeling}.",
            ]
        elif self.plot == "help":
            lines += [
                f"{day} {hero} walked to the {place}.",
                f"There {he} met {self.friend}, who was sad.",
                f"{self.friend} had broken {coloured}.",
                pick(f"{hero} helped to repair it.", f"Together they repaired the {thing}."),
                f"From that day on they were friends, and {hero} was {self.feeling}.",
            ]
        elif self.plot == "gift":
            lines += [
                f"{hero} wanted to make a gift for {self.friend}.",
                f"{day} {he} went to the {place} and saw {coloured}.",
                pick(f"{He} took all {his} coins and bought it.", f"{He} paid for it with {his} last coin."),
                f"{self.friend} loved the {thing}.",
                f"{hero} was {self.feeling}, because giving is a joy.",
            ]
        else:
            lines += [
                f"{hero} liked to make things.",
                f"{day} {he} sat in the {place} and made {coloured}.",
                pick("It was hard work, but in the end it was ready.", "It took the whole day."),
                f"Then {he} showed the {thing} to {self.friend}.",
                f"{self.friend} liked it, and {hero} was {self.feeling}.",
            ]
        if rng.random() < 0.4:
            lines.append(
                pick(
                    "In the evening everybody went home.",
                    "And that is the end of the story.",
                    "At night the stars were bright.",
                )
            )
        return " ".join(lines)

    def question(self, context):
        rng = context.random

        def ask(*templates, **slots):
            return phrase(context, rng.choice(templates), **slots)

        place_verb = {
            "lost": ("Where was the {t}?", "Where did {f} find the {t}?"),
            "found": ("Where did {h} go?", "Where did {h} find the {t}?"),
            "help": ("Where did {h} go?", "Where did {h} walk to?"),
            "gift": ("Where did {h} go?", "Where did {h} see the {t}?"),
            "built": ("Where was {h}?", "Where did {h} make the {t}?"),
        }[self.plot]
        slots = {"h": self.hero, "t": self.thing, "f": self.friend}
        kind = rng.randrange(7)
        if kind == 0:
            return (
                ask(
                    "Who is the story about?",
                    "What is the name of the hero?",
                    "Who is the hero of the story?",
                    "What is the hero called?",
                ),
                f"The story is about {self.hero}.",
                self.hero,
            )
        if kind == 1:
            return ask(*place_verb, **slots), f"In the {self.place}.", sentence_case(self.place)
        if kind == 2:
            return (
                ask(
                    "What colour was the {t}?",
                    "What color was the {t}?",
                    "Which colour did the {t} have?",
                    **slots,
                ),
                f"The {self.thing} was {self.colour}.",
                sentence_case(self.colour),
            )
        if kind == 3:
            return (
                ask(
                    "How did {h} feel at the end?",
                    "How was {h} at the end?",
                    "Was {h} happy in the end?",
                    "How did {h} feel?",
                    **slots,
                ),
                f"{self.hero} was {self.feeling}.",
                sentence_case(self.feeling),
            )
        if kind == 4:
            return (
                ask(
                    "Who else is in the story?",
                    "Who is the other person?",
                    "What is the name of the friend?",
                    "Who was with {h}?",
                    **slots,
                ),
                f"{self.friend} is in the story too.",
                self.friend,
            )
        if kind == 5:
            what = {
                "lost": "What did {h} lose?",
                "found": "What did {h} find?",
                "help": "What was broken?",
                "gift": "What did {h} buy?",
                "built": "What did {h} make?",
            }[self.plot]
            return (
                ask(what, "Which thing is in the story?", **slots),
                f"It was {with_article(self.colour + ' ' + self.thing)}.",
                sentence_case(self.thing),
            )
        return (
            ask("What was the weather like?", "How was the weather in the story?", "What was the day like?"),
            f"It was a {self.weather} day.",
            sentence_case(self.weather),
        )


def tale(context):
    """The assistant tells a story and answers questions about it."""
    rng = context.random
    name = animal = None
    choice = rng.random()
    if choice < 0.5:
        user = phrase(
            context,
            rng.choice(
                (
                    "Tell me a story.",
                    "Can you tell me a story?",
                    "Tell me a short story.",
                    "I want to hear a story.",
                    "A story please",
                    "Please tell me a story.",
                    "Do you know a story?",
                    "Write a story.",
                    "Tell a story.",
                    "Tell me another story.",
                    "story",
                    "Make up a story.",
                    "Write me a short story.",
                    "One more story please.",
                    "A bedtime story, please.",
                )
            ),
        )
    elif choice < 0.75:
        name = rng.choice(world.NAMES)
        user = phrase(
            context,
            rng.choice(
                (
                    "Tell me a story about {n}.",
                    "Write a story about {n}.",
                    "A story about {n} please",
                    "Can you tell me a story about someone called {n}?",
                    "Make up a story about {n}.",
                    "I want a story about {n}.",
                )
            ),
            n=name,
        )
    else:
        animal = rng.choice(world.SPEAKABLE_ANIMALS)
        user = phrase(
            context,
            rng.choice(
                (
                    "Tell me a story about {a}.",
                    "Write a story about {a}.",
                    "A story with {a} please",
                    "Can you tell me a story about {a}?",
                    "I want a story about {a}.",
                    "Make up a story about {a}.",
                )
            ),
            a=with_article(animal),
        )
    story = Tale(context, name, animal)
    exchanges = [Exchange(user, story.text, None, "tale", (story.key,))]
    while rng.random() < 0.5 and len(exchanges) < 6:
        exchanges.append(Exchange(*story.question(context), "tale_question", (story.key,)))
    return exchanges
