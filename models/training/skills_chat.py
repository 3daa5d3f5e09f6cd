"""Small talk, identity, what the user told us, and honest refusals."""

import world
from phrasing import Exchange, fixed_dialogue, made_up_word, phrase, sentence_case, with_article
from skills_facts import unknown_fact
from skills_numbers import sum_key, sum_sentence, too_hard
from skills_stories import Tale

DEFAULT_NAME = "WarpDecode Tiny"


def small_talk(context):
    rng = context.random
    exchanges = [fixed_dialogue(context, "small_talk", world.SMALL_TALK)]
    answers = exchanges[0].accepted
    if len(answers) >= 4:
        # Jokes, riddles, poems and fun facts: people ask for one more.
        while rng.random() < 0.35 and len(exchanges) < 3:
            told = [exchange.answer for exchange in exchanges]
            user = phrase(
                context,
                rng.choice(
                    (
                        "Another one.",
                        "Another one please.",
                        "One more.",
                        "Do you have another one?",
                        "And another?",
                        "One more please!",
                        "Tell me another one.",
                        "Again!",
                        "more",
                    )
                ),
            )
            exchanges.append(
                Exchange(
                    user,
                    rng.choice([a for a in answers if a not in told]),
                    None,
                    "small_talk",
                    accepted=answers,
                )
            )
    elif "little story?" in exchanges[0].answer and rng.random() < 0.6:
        exchanges.append(_story_offer_answer(context))
    return exchanges


def _story_offer_answer(context):
    rng = context.random
    if rng.random() < 0.25:
        return Exchange(
            phrase(context, rng.choice(("No thanks.", "No.", "Not now.", "No, thank you."))),
            "All right. I am here if you need me.",
            None,
            "small_talk",
            accepted=("All right. I am here if you need me.",),
        )
    story = Tale(context)
    user = phrase(
        context,
        rng.choice(
            (
                "Yes please.",
                "Yes.",
                "Yes, please!",
                "Ok.",
                "Please do.",
                "Sure.",
                "Gladly.",
                "Yeah",
                "That would be nice.",
            )
        ),
    )
    return Exchange(user, story.text, None, "tale", (story.key,))


_GOOD_NEWS = (
    "I like {a}s.",
    "I like the {p}.",
    "I have a {c} {o}.",
    "Today I went to the {p}.",
    "I saw a {a} in the {p}.",
    "I found a {o} today.",
    "Yesterday I was in the {p} with {n}.",
    "I am going to the {p}.",
    "{n} gave me a {o}.",
    "I want to buy a {o}.",
    "I have a new {o}.",
    "I played with {n} in the {p}.",
    "My {o} is {c}.",
    "I got a {c} {o} from {n}.",
    "I live near the {p}.",
    "There is a {a} in my {p}.",
    "I am reading about the {a}.",
    "We have a {a} at home.",
    "I met {n} in the {p}.",
    "I made a {o} for {n}.",
    "It is {w} today.",
    "The weather is {w}.",
    "I will meet {n} tomorrow.",
    "I am in the {p} now.",
    "I am learning English.",
    "I have a sister.",
    "I have two brothers.",
)
_BAD_NEWS = (
    "I lost my {o}.",
    "My {o} is broken.",
    "I cannot find my {o}.",
    "{n} took my {o}.",
    "I am afraid of the {a}.",
    "I broke my {o}.",
    "My {a} is ill.",
    "{n} is angry with me.",
    "Somebody stole my {o}.",
    "I forgot my {o} in the {p}.",
    "I do not like the {p}.",
    "I fell in the {p}.",
)
_GOOD_REPLIES = ("That sounds nice. Tell me more!", "I see. Thank you for telling me.")
_BAD_REPLIES = ("I am sorry to hear that.",)


def statement(context):
    """The user just tells something."""
    rng = context.random
    templates, replies = (_GOOD_NEWS, _GOOD_REPLIES) if rng.random() < 0.7 else (_BAD_NEWS, _BAD_REPLIES)
    user = phrase(
        context,
        rng.choice(templates),
        decorate=False,
        a=rng.choice(world.SPEAKABLE_ANIMALS),
        p=rng.choice(world.PLACES),
        o=rng.choice(world.OBJECTS),
        c=rng.choice(world.COLOURS),
        n=rng.choice(world.NAMES),
        w=rng.choice(world.WEATHER),
    )
    return [
        Exchange(
            user,
            rng.choice(replies),
            "Good" if replies is _GOOD_REPLIES else "Sorry",
            "statement",
            accepted=replies,
        )
    ]


def quiz(context):
    """The assistant asks, the user answers, the assistant judges."""
    rng = context.random
    if rng.random() < 0.6:

        def make():
            a, b = rng.randrange(1, 51), rng.randrange(1, 50)
            return sum_key(a, b), a, b

        key, a, b = context.draw(make)
        ask = (
            "Give me a sum.",
            "Give me a sum to solve.",
            "Ask me a sum.",
            "Test me with numbers.",
            "Give me a maths question.",
            "Ask me a math question.",
            "Give me a calculation.",
            "I want to practise sums.",
            "Quiz me on numbers.",
            "Give me a number puzzle.",
        )
        question, right, wrong, solution = (
            f"What is {a} + {b}?",
            str(a + b),
            str(a + b + rng.choice((-10, -2, -1, 1, 2, 10))),
            sum_sentence(a, b),
        )
    else:
        country = rng.choice(tuple(world.CAPITALS))
        key = f"quiz:{country}"
        ask = (
            "Ask me a question.",
            "Quiz me.",
            "Test me.",
            "Ask me about capitals.",
            "Give me a quiz question.",
            "Ask me something.",
            "Let me guess a capital.",
            "I want a quiz.",
            "Give me a quiz.",
            "Ask me something about countries.",
        )
        right = world.CAPITALS[country]
        question, wrong, solution = (
            f"What is the capital of {country}?",
            rng.choice(tuple(world.CAPITALS.values())),
            f"The capital of {country} is {right}.",
        )
    first = Exchange(phrase(context, rng.choice(ask)), question, None, "quiz_question")
    choice = rng.random()
    if choice < 0.55:
        reply, verdict = right, " That is correct!"
    elif choice < 0.85:
        reply, verdict = wrong, " That is correct!" if wrong == right else " That is not right."
    else:
        reply, verdict = (
            rng.choice(("I don't know.", "I do not know.", "No idea.", "Tell me.", "Hmm, no idea.")),
            "",
        )
    reply = phrase(
        context,
        reply
        if verdict == ""
        else rng.choice(("{r}", "{r}", "{r}", "It is {r}.", "{r}?", "I think it is {r}.")),
        decorate=False,
        **({} if verdict == "" else {"r": reply}),
    )
    exchanges = [
        first,
        Exchange(reply, solution + verdict, None, "quiz_verdict", (key,) if context.allows(key) else ()),
    ]
    return exchanges


def _dialogues_starting_with(*questions):
    return [dialogue for dialogue in world.SMALL_TALK if dialogue[0][0] in questions]


_GREETINGS = _dialogues_starting_with(
    "Hello", "Good morning", "Good evening", "Good afternoon", "How are you?"
)
_PARTINGS = _dialogues_starting_with("Bye", "Good night")
_THANKS = _dialogues_starting_with("Thank you")


def greeting(context):
    rng = context.random
    user_name = context.memory.get("name")
    if user_name is None and rng.random() < 0.2:
        return introduce(context, greet=True)
    exchange = fixed_dialogue(context, "greeting", _GREETINGS)
    if (
        context.assistant_name
        and rng.random() < 0.15
        and not exchange.user.rstrip("?!. ").endswith(context.assistant_name)
    ):
        exchange.user = exchange.user.rstrip("?!. ") + " " + context.assistant_name
    return [exchange]


def parting(context):
    return [fixed_dialogue(context, "parting", _PARTINGS)]


def thanks(context):
    return [fixed_dialogue(context, "thanks", _THANKS)]


def about(context):
    return [fixed_dialogue(context, "about", world.ABOUT)]


def assistant_name(context):
    rng = context.random
    name = context.assistant_name or DEFAULT_NAME
    user = phrase(
        context,
        rng.choice(
            (
                "What is your name?",
                "Do you have a name?",
                "Tell me your name.",
                "What are you called?",
                "How are you called?",
                "Your name?",
                "And what is your name?",
                "May I know your name?",
                "What should I call you?",
                "Who are you, what is your name?",
                "name?",
                "Whats your name?",
                "Can you tell me your name?",
            )
        ),
    )
    return [Exchange(user, f"My name is {name}.", name, "assistant_name")]


def _some_name(rng):
    """Mostly a known name, sometimes one that must be copied letter by letter."""
    return (
        rng.choice(world.NAMES)
        if rng.random() < 0.6
        else sentence_case(made_up_word(rng, rng.choice((2, 2, 3))))
    )


def introduce(context, greet=False):
    rng = context.random
    name = _some_name(rng)
    templates = (
        "My name is {n}.",
        "I am {n}.",
        "I'm {n}.",
        "Call me {n}.",
        "My name's {n}.",
        "You can call me {n}.",
        "They call me {n}.",
        "People call me {n}.",
        "By the way, my name is {n}.",
        "I am called {n}.",
        "The name is {n}.",
        "Please call me {n}.",
    )
    if greet or rng.random() < 0.25:
        templates = (
            "Hello, I am {n}.",
            "Hi, my name is {n}.",
            "Hi! I'm {n}.",
            "Hello! My name is {n}.",
            "Hey, I am {n}.",
            "Hi I'm {n}",
            "Hello, this is {n}.",
            "Good morning, my name is {n}.",
        )
    answer = f"Nice to meet you, {name}!"
    exchanges = [
        Exchange(phrase(context, rng.choice(templates), decorate=False, n=name), answer, "Hello", "introduce")
    ]
    if rng.random() < 0.12:
        exchanges[0].user += rng.choice(
            (" What is your name?", " And you?", " What's your name?", " Who are you?")
        )
        exchanges[0].answer += f" My name is {context.assistant_name or DEFAULT_NAME}."
        exchanges[0].short = None
    context.memory["name"] = name
    return exchanges


_FRUITS = (
    "apples",
    "pizza",
    "soup",
    "bread",
    "cake",
    "rice",
    "fish",
    "pasta",
    "cheese",
    "salad",
    "bananas",
    "chocolate",
    "pancakes",
    "potatoes",
    "ice cream",
    "cherries",
    "noodles",
    "eggs",
    "honey",
    "tomatoes",
)
_CITIES = tuple(city for city in world.CAPITALS.values())

# key: (values, statements, acknowledgement, questions, answer, answer when not told)
_PERSONAL = {
    "colour": (
        world.COLOURS,
        (
            "My favourite colour is {v}.",
            "My favorite color is {v}.",
            "I like the colour {v} best.",
            "I love the color {v}.",
        ),
        "{V} is a nice colour.",
        (
            "What is my favourite colour?",
            "What is my favorite color?",
            "Which colour do I like?",
            "What colour do I like best?",
        ),
        "Your favourite colour is {v}.",
        "You have not told me your favourite colour yet.",
    ),
    "age": (
        tuple(str(n) for n in range(4, 100)),
        ("I am {v} years old.", "I'm {v} years old.", "My age is {v}.", "I am {v}."),
        "So you are {v} years old.",
        ("How old am I?", "What is my age?", "Do you know how old I am?", "My age?"),
        "You are {v} years old.",
        "You have not told me your age yet.",
    ),
    "city": (
        _CITIES,
        ("I live in {v}.", "I am from {v}.", "I come from {v}.", "My home is in {v}."),
        "I see, you live in {v}.",
        ("Where do I live?", "Which city do I live in?", "Where am I from?", "Do you know where I live?"),
        "You live in {v}.",
        "You have not told me where you live yet.",
    ),
    "food": (
        _FRUITS,
        ("My favourite food is {v}.", "I like to eat {v}.", "I love {v}.", "My favorite food is {v}."),
        "That sounds tasty.",
        (
            "What is my favourite food?",
            "What do I like to eat?",
            "What is my favorite food?",
            "Which food do I like?",
        ),
        "Your favourite food is {v}.",
        "You have not told me your favourite food yet.",
    ),
    "animal": (
        tuple(world.ANIMALS_BY_SIZE),
        (
            "My favourite animal is the {v}.",
            "My favorite animal is the {v}.",
            "The animal I like best is the {v}.",
        ),
        "The {v} is a fine animal.",
        ("What is my favourite animal?", "Which animal do I like?", "What is my favorite animal?"),
        "Your favourite animal is the {v}.",
        "You have not told me your favourite animal yet.",
    ),
    "number": (
        tuple(str(n) for n in range(1, 100)),
        (
            "My favourite number is {v}.",
            "My lucky number is {v}.",
            "My favorite number is {v}.",
            "Remember the number {v}.",
            "The secret number is {v}.",
        ),
        "I will remember the number {v}.",
        (
            "What is my favourite number?",
            "What is my number?",
            "What number did I tell you?",
            "What was the number?",
            "What is my lucky number?",
        ),
        "Your number is {v}.",
        "You have not told me a number yet.",
    ),
    "pet": (
        None,
        (
            "I have a dog named {v}.",
            "My dog is called {v}.",
            "My dog's name is {v}.",
            "My pet is called {v}.",
            "I have a cat called {v}.",
            "My cat's name is {v}.",
        ),
        "{v} is a lovely name for a pet.",
        ("What is the name of my pet?", "What is my pet called?", "What's my pet's name?"),
        "Your pet is called {v}.",
        "You have not told me about a pet yet.",
    ),
    "friend": (
        None,
        (
            "My best friend is {v}.",
            "My friend is called {v}.",
            "My best friend's name is {v}.",
            "I have a friend named {v}.",
        ),
        "It is good to have a friend like {v}.",
        ("Who is my best friend?", "What is the name of my friend?", "What is my friend called?"),
        "Your friend is called {v}.",
        "You have not told me about a friend yet.",
    ),
    "job": (
        tuple(world.JOBS),
        ("I am {a}.", "I work as {a}.", "My job is {v}.", "I'm {a}."),
        "That is a good job.",
        ("What is my job?", "What do I do for work?", "What is my work?", "What do I do?"),
        "You are {a}.",
        "You have not told me your job yet.",
    ),
    "word": (
        world.SPELLING_WORDS,
        (
            "Remember the word {v}.",
            "The secret word is {v}.",
            "The password is {v}.",
            "Please remember this word: {v}",
        ),
        "I will remember the word {v}.",
        (
            "What is the word?",
            "What was the word?",
            "Which word did I tell you?",
            "What is the secret word?",
            "What is the password?",
            "What word should you remember?",
        ),
        "The word is {v}.",
        "You have not told me a word yet.",
    ),
}


def tell_personal(context):
    rng = context.random
    key = rng.choice(tuple(_PERSONAL))
    values, statements, acknowledgement, *_ = _PERSONAL[key]
    value = rng.choice(values) if values else _some_name(rng)
    slots = {"v": value, "V": sentence_case(value), "a": with_article(value)}
    context.memory[key] = value
    return [
        Exchange(
            phrase(context, rng.choice(statements), decorate=False, **slots),
            acknowledgement.format(**slots),
            "Good",
            "tell_personal",
        )
    ]


def ask_personal(context):
    """Questions about what the user said, answered honestly when nothing was said."""
    rng = context.random
    known = [key for key in context.memory if key in _PERSONAL or key == "name"]
    if known and rng.random() < 0.8:
        key = rng.choice(known)
    else:
        key = rng.choice(tuple(_PERSONAL) + ("name",) * 6)
    value = context.memory.get(key)
    if key == "name":
        user = phrase(
            context,
            rng.choice(
                (
                    "What is my name?",
                    "Do you know my name?",
                    "What's my name?",
                    "Who am I?",
                    "Tell me my name.",
                    "Do you remember my name?",
                    "My name?",
                    "Say my name.",
                    "What am I called?",
                    "Can you tell me my name?",
                    "Do you still know my name?",
                )
            ),
        )
        if value is None:
            return [Exchange(user, "You have not told me your name yet.", "Unknown", "ask_personal_untold")]
        return [Exchange(user, f"Your name is {value}.", value, "ask_personal")]
    _, _, _, questions, answer, untold = _PERSONAL[key]
    user = phrase(context, rng.choice(questions))
    if value is None:
        return [Exchange(user, untold, "Unknown", "ask_personal_untold")]
    return [
        Exchange(user, answer.format(v=value, a=with_article(value)), sentence_case(value), "ask_personal")
    ]


def weekday(context):
    """The day, if the system prompt gave one."""
    rng = context.random
    day = context.memory.get("today")
    if day is None:
        return small_talk(context)
    user = phrase(
        context,
        rng.choice(("What day is it today?", "Which day is today?", "What day is it?", "What is today?")),
    )
    return [Exchange(user, f"Today is {day}.", day, "weekday")]


def recall(context):
    """Questions about the chat itself."""
    rng = context.random
    kind = rng.choice(("first", "last", "answer", "sure", "again"))
    if kind == "first":
        user = phrase(
            context,
            rng.choice(
                (
                    "What did I ask first?",
                    "What was my first question?",
                    "What did I say first?",
                    "What was the first thing I said?",
                    "What was my first message?",
                    "How did this chat begin?",
                    "What was the first thing that I asked?",
                )
            ),
        )
        if not context.history:
            return [Exchange(user, "This is your first message.", "This", "recall")]
        first = context.history[0].user
        if len(first) > 100 or "\n" in first:
            return small_talk(context)
        return [Exchange(user, f'Your first message was: "{first}"', None, "recall")]
    if not context.history:
        return small_talk(context)
    last = context.history[-1]
    if kind == "last":
        if len(last.user) > 100 or "\n" in last.user:
            return small_talk(context)
        user = phrase(
            context,
            rng.choice(
                (
                    "What did I just ask?",
                    "What was my last question?",
                    "What did I just say?",
                    "What did I say before?",
                    "What was my last message?",
                    "What did I ask before this?",
                )
            ),
        )
        return [Exchange(user, f'Your last message was: "{last.user}"', None, "recall")]
    if len(last.answer) > 160:
        return small_talk(context)
    if kind == "sure":
        user = phrase(
            context,
            rng.choice(
                (
                    "Are you sure?",
                    "Really?",
                    "Is that true?",
                    "Is that right?",
                    "Are you certain?",
                    "Sure?",
                    "Is this correct?",
                    "Are you sure about that?",
                )
            ),
        )
        return [Exchange(user, "I think so, but I am only a small model.", "Yes", "recall")]
    user = phrase(
        context,
        rng.choice(
            (
                "Say that again.",
                "Repeat that.",
                "Can you repeat that?",
                "Again please.",
                "What did you say?",
                "Pardon?",
                "Please repeat your last answer.",
                "What was your last answer?",
                "Repeat your answer.",
                "Once more please.",
            )
        ),
    )
    return [Exchange(user, last.answer, None, "recall")]


_DO_NOT_KNOW = "I do not know that. I am a small model and know only a few things."
_CANNOT_LOOK_UP = "I cannot look that up. I have no internet and no clock."
_CANNOT_CODE = "I cannot write code. I am only a small model."
_CANNOT_TRANSLATE = "I cannot translate. I only speak simple English."
_CANNOT_ADVISE = "I cannot help with that. Please ask a person who knows it well."
_CANNOT_LONG = "I cannot write that. I only make short answers and little stories."
_CANNOT_DO = "I cannot do that. I can only chat with you."
_NOT_UNDERSTOOD = "I did not understand that. Could you say it in another way?"

_PEOPLE = tuple(
    " ".join(name.split())
    for name in """
Albert Einstein; Isaac Newton; Napoleon; Julius Caesar; Cleopatra; Marie Curie; Charles Darwin; Mozart; Beethoven; Picasso; Elvis Presley;
Michael Jackson; Barack Obama; Donald Trump; Joe Biden; Angela Merkel; Elon Musk; Bill Gates; Steve Jobs; Taylor Swift; Madonna; Messi; Ronaldo;
Harry Potter; Sherlock Holmes; Batman; Superman; Spiderman; Darth Vader; Mickey Mouse; Abraham Lincoln; George Washington; Nelson Mandela; Gandhi;
Plato; Aristotle; Socrates; Galileo; Columbus; Alan Turing; Ada Lovelace; Linus Torvalds; Tolstoy; Goethe; Van Gogh; Rembrandt; Bach; Chopin; Lady Gaga;
the king of Spain; the pope; the president; the prime minister; the chancellor; Robin Hood; King Arthur; Santa Claus; Zeus; Thor; Hercules; Buddha
""".replace(
        "\n", " "
    ).split(
        ";"
    )
)
_TOPICS = tuple(
    " ".join(name.split())
    for name in """
quantum physics; the French Revolution; the Roman Empire; democracy; inflation; philosophy; the stock market; black holes; gravity; relativity;
evolution; photosynthesis; DNA; cancer; the Second World War; the Middle Ages; economics; chemistry; biology; psychology; religion; love; happiness; time
travel; string theory; blockchain; bitcoin; Python; JavaScript; Linux; Windows; Kubernetes; databases; SQL; cryptography; the Big Bang; dark matter;
electricity; magnetism; nuclear power; climate change; global warming; vitamins; proteins; the immune system; viruses; bacteria; antibiotics; yoga;
meditation; chess; poker; opera; jazz; rock music; impressionism; cubism; architecture; the Renaissance; feudalism; capitalism; socialism; communism; law;
marketing; accounting; insurance; mortgages; taxes; the Olympics; the World Cup; Formula One; cricket rules; baseball; sushi; pizza dough; wine; beer; volts;
a transistor; a semiconductor; a laser; a telescope lens; an electron; a neutron; an atom; a molecule; a galaxy; a comet; a fossil; a glacier; a tsunami; a sonnet;
a metaphor; a symphony; a parliament; a constitution; an algorithm; recursion; calculus; algebra; geometry; trigonometry; a matrix inverse; an eigenvalue; entropy
""".replace(
        "\n", " "
    ).split(
        ";"
    )
)
_LANGUAGES = (
    "German",
    "French",
    "Spanish",
    "Italian",
    "Japanese",
    "Chinese",
    "Russian",
    "Latin",
    "Dutch",
    "Polish",
    "Greek",
    "Arabic",
    "Turkish",
)
_PROGRAMMING = (
    "Python",
    "C#",
    "C++",
    "Java",
    "JavaScript",
    "Rust",
    "Go",
    "Haskell",
    "SQL",
    "HTML",
    "bash",
    "C",
    "PHP",
    "Ruby",
)

# Frames with slots: {p}erson, {t}opic, {c}ountry, {n}ame, {w}ord made up, {l}anguage, {g} programming language, {o}bject, {y}ear, {e}xisting word.
_UNKNOWN_FRAMES = (
    (
        _DO_NOT_KNOW,
        (
            "Who is {p}?",
            "Who was {p}?",
            "When was {p} born?",
            "What did {p} do?",
            "Tell me about {p}.",
            "How old is {p}?",
            "Where was {p} born?",
            "What is {t}?",
            "Explain {t}.",
            "Tell me about {t}.",
            "How does {t} work?",
            "What do you know about {t}?",
            "Why is {t} important?",
            "Who invented {t}?",
            "Can you explain {t} to me?",
            "Teach me {t}.",
            "What is the history of {t}?",
            "What is the difference between {t} and {t2}?",
            "Define {t}.",
            "What is the population of {c}?",
            "How many people live in {c}?",
            "Who is the president of {c}?",
            "Who is the king of {c}?",
            "What is the currency of {c}?",
            "How big is {c}?",
            "What is the highest mountain of {c}?",
            "What is the history of {c}?",
            "What happened in {y}?",
            "Who won the world cup in {y}?",
            "Who was president in {y}?",
            "What happened in {c} in {y}?",
            "Who wrote {w}?",
            "What is {w}?",
            "Who is {W}?",
            "Who is {n} {W}?",
            "What is a {w}?",
            "Where is {W}?",
            "What does {w} mean?",
            "Who discovered {t}?",
            "When was {t} invented?",
            "How far is it from {c} to {c2}?",
            "How do I get from {c} to {c2}?",
            "Who sings {w} {e}?",
            "What is the phone number of {n}?",
            "What is the email of {p}?",
            "How many stars are there?",
            "How deep is the ocean?",
            "How far away is the moon?",
            "How hot is the sun?",
            "How fast is light?",
            "How heavy is the Earth?",
            "How tall is {p}?",
            "Who is the richest person?",
            "What is the best film of {y}?",
            "What is the boiling point of {e}?",
            "How much does {o} cost?",
            "Who is the author of {W} and the {o2}?",
            "Which {e} is the best?",
            "What is my mother's name?",
            "What did I do yesterday?",
            "What am I thinking?",
            "Where are my keys?",
            "What is behind me?",
            "What do I look like?",
            "What is the {e} of {w}?",
            "Why do people like {t}?",
            "What are the rules of {t}?",
            "Who are the members of {W}?",
            "List ten facts about {t}.",
        ),
    ),
    (
        _CANNOT_LOOK_UP,
        (
            "What is in the news today?",
            "What is the latest news?",
            "Any news from {c}?",
            "Who won the game last night?",
            "What is the price of {o} today?",
            "What is the stock price of {W}?",
            "Search the web for {t}.",
            "Google {t}.",
            "Look up {t}.",
            "Find a website about {t}.",
            "What is on TV tonight?",
            "When does the next train leave?",
            "What is the traffic like?",
            "What is the exchange rate of the euro?",
            "How much is a bitcoin?",
            "When does the shop open?",
            "Where is the nearest restaurant?",
            "Find me a hotel in {c}.",
            "Open the website of {W}.",
            "What are the cinema times?",
            "Check the internet for {t}.",
            "How long until Christmas?",
            "How many days until my birthday?",
            "Is the {pl} open now?",
            "What is trending right now?",
            "Show me the score of the match.",
        ),
    ),
    (
        _CANNOT_CODE,
        (
            "Write a program in {g}.",
            "Write {g} code.",
            "Write a {g} function that sorts a list.",
            "Can you code?",
            "Can you program in {g}?",
            "Fix this bug in my {g} code.",
            "Write a script in {g}.",
            "How do I write a loop in {g}?",
            "Write code for {t}.",
            "Debug my {g} program.",
            "Write a web page in HTML.",
            "Can you write {g}?",
            "Write a function in {g}.",
            "Give me {g} code for a game.",
            "Make a website for me.",
            "Write a unit test in {g}.",
            "Implement a {e} class in {g}.",
        ),
    ),
    (
        _CANNOT_TRANSLATE,
        (
            "Translate {e} into {l}.",
            "What is {e} in {l}?",
            "How do you say {e} in {l}?",
            "Translate this to {l}: {e} {e2}",
            "Say hello in {l}.",
            "Can you translate?",
            "What does {w} mean in {l}?",
            "Translate the {e} is {e2} to {l}.",
            "How do I say thank you in {l}?",
            "Speak {l}.",
            "Answer in {l}.",
            "Write it in {l}.",
            "What is the {l} word for {e}?",
            "Can you say it in {l}?",
        ),
    ),
    (
        _CANNOT_ADVISE,
        (
            "I have a headache, what should I do?",
            "Which medicine should I take?",
            "Am I ill?",
            "How do I treat a fever?",
            "Should I buy shares of {W}?",
            "How do I get rich?",
            "Should I marry {n}?",
            "How do I lose weight?",
            "I need legal advice.",
            "How do I invest my money?",
            "Which car should I buy?",
            "Should I quit my job?",
            "What should I cook today?",
            "How do I repair my {o}?",
            "Give me a recipe for {e}.",
            "How do I cook {e}?",
            "Who should I vote for?",
            "My leg hurts, what can I do?",
            "How do I fix my {o}?",
            "What should I wear today?",
            "Which phone should I buy?",
            "How do I learn {l}?",
            "I have a problem with my boss.",
            "How do I build a {o}?",
        ),
    ),
    (
        _CANNOT_LONG,
        (
            "Write an essay about {t}.",
            "Write a long article about {t}.",
            "Write a novel.",
            "Write a letter to {n}.",
            "Write an email to my boss.",
            "Summarize this book.",
            "Summarize {t}.",
            "Write a speech about {t}.",
            "Write my homework.",
            "Write a report about {c}.",
            "Write a book about {p}.",
            "Write a blog post about {t}.",
            "Write a song about {p}.",
            "Write a play.",
            "Write a script for a film.",
            "Write a business plan.",
            "Make a list of ten books.",
            "Write a review of {t}.",
        ),
    ),
    (
        _CANNOT_DO,
        (
            "Draw a picture of a {o}.",
            "Show me a photo of {p}.",
            "Play some music.",
            "Call {n}.",
            "Send a message to {n}.",
            "Set an alarm.",
            "Turn on the light.",
            "Open the door.",
            "Book a flight to {c}.",
            "Order a pizza.",
            "Buy me a {o}.",
            "Remind me tomorrow.",
            "Set a timer.",
            "Show me a picture.",
            "Draw a {o}.",
            "Make me a coffee.",
            "Take a photo.",
            "Play a video.",
            "Open my email.",
            "Delete my files.",
            "Start the car.",
            "Print this page.",
            "Read this file.",
            "Generate an image of a {o}.",
        ),
    ),
)
_FRAME_WEIGHTS = (12, 3, 3, 3, 2.5, 2.5, 2.5)


def _gibberish(rng):
    kind = rng.random()
    if kind < 0.4:
        return "".join(rng.choice("asdfghjklqwertyuiopzxcvbnm") for _ in range(rng.randrange(4, 14)))
    if kind < 0.6:
        return " ".join(
            "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randrange(2, 8)))
            for _ in range(rng.randrange(2, 5))
        )
    if kind < 0.75:
        return "".join(rng.choice("!?.,;:#$%&*()-+=<>/@") for _ in range(rng.randrange(1, 8)))
    if kind < 0.9:
        return " ".join(made_up_word(rng) for _ in range(rng.randrange(2, 6)))
    return " ".join(rng.choices(world.SPELLING_WORDS, k=rng.randrange(3, 6)))


def unknown(context):
    """Everything outside the little world gets an honest answer."""
    rng = context.random
    choice = rng.random()
    if choice < 0.3:
        return [unknown_fact(context)]
    if choice < 0.42:
        return [too_hard(context)]
    if choice < 0.5:
        return [Exchange(_gibberish(rng), _NOT_UNDERSTOOD, "Unknown", "not_understood")]
    answer, frames = rng.choices(_UNKNOWN_FRAMES, _FRAME_WEIGHTS)[0]

    def make():
        index = rng.randrange(len(frames))
        topic = rng.choice(_TOPICS) if rng.random() < 0.85 else made_up_word(rng)
        person = (
            rng.choice(_PEOPLE)
            if rng.random() < 0.7
            else f"{rng.choice(world.NAMES)} {sentence_case(made_up_word(rng, 2))}"
        )
        return f"unknown:{frames[index]}:{topic}:{person}", index, topic, person

    key, index, topic, person = context.draw(make)
    word = made_up_word(rng)
    countries = rng.sample(tuple(world.CAPITALS), 2)
    user = phrase(
        context,
        frames[index],
        t=topic,
        t2=rng.choice(_TOPICS),
        p=person,
        c=countries[0],
        c2=countries[1],
        n=rng.choice(world.NAMES),
        w=word,
        W=sentence_case(word),
        l=rng.choice(_LANGUAGES),
        g=rng.choice(_PROGRAMMING),
        o=rng.choice(world.OBJECTS),
        o2=rng.choice(world.OBJECTS),
        y=rng.randrange(1000, 2030),
        e=rng.choice(world.SPELLING_WORDS),
        e2=rng.choice(world.SPELLING_WORDS),
        pl=rng.choice(world.PLACES),
    )
    return [Exchange(user, answer, "Unknown", "unknown", (key,))]
