"""Counting, arithmetic, comparing and sorting numbers."""

import world
from phrasing import Exchange, is_held_out, join_words, phrase, sentence_case


def number_in_words(number):
    if number < 20:
        return world.ONES[number]
    if number == 100:
        return "one hundred"
    tens, ones = divmod(number, 10)
    return world.TENS[tens] + ("-" + world.ONES[ones] if ones else "")


def _written(rng, *numbers):
    """Mostly digits, sometimes all of them as words."""
    if rng.random() < 0.08 and all(0 <= number <= 99 for number in numbers):
        return tuple(number_in_words(number) for number in numbers)
    return tuple(str(number) for number in numbers)


def _operand(rng):
    return rng.randrange(100) if rng.random() < 0.8 else rng.randrange(13)


_ADD = (
    "What is {a} + {b}?",
    "What is {a} plus {b}?",
    "{a} + {b}",
    "{a}+{b}",
    "{a}+{b}=",
    "{a} + {b} =",
    "{a} + {b}?",
    "Add {a} and {b}.",
    "How much is {a} plus {b}?",
    "How much is {a} + {b}?",
    "Calculate {a} + {b}.",
    "What is the sum of {a} and {b}?",
    "Compute {a} + {b}",
    "{a} plus {b}",
    "What do {a} and {b} make?",
    "{a} and {b} together?",
    "Please add {a} and {b}.",
    "{a} + {b} equals?",
    "What does {a} plus {b} equal?",
    "What is {a}+{b}?",
    "Sum of {a} and {b}?",
    "Add {b} to {a}.",
)
_SUBTRACT = (
    "What is {a} - {b}?",
    "What is {a} minus {b}?",
    "{a} - {b}",
    "{a}-{b}",
    "{a}-{b}=",
    "{a} - {b} =",
    "{a} - {b}?",
    "Subtract {b} from {a}.",
    "How much is {a} minus {b}?",
    "How much is {a} - {b}?",
    "Calculate {a} - {b}.",
    "What is the difference of {a} and {b}?",
    "Compute {a} - {b}",
    "{a} minus {b}",
    "Take {b} away from {a}.",
    "What is {a} take away {b}?",
    "What is {a}-{b}?",
    "What does {a} minus {b} equal?",
)
_MULTIPLY = (
    "What is {a} * {b}?",
    "What is {a} times {b}?",
    "{a} * {b}",
    "{a}*{b}",
    "{a} x {b}",
    "{a} x {b} =",
    "{a} times {b}",
    "Multiply {a} by {b}.",
    "How much is {a} times {b}?",
    "Calculate {a} * {b}.",
    "What is the product of {a} and {b}?",
    "What is {a} multiplied by {b}?",
    "What is {a} x {b}?",
    "{a}*{b}=",
    "Multiply {a} and {b}",
)
_DIVIDE = (
    "What is {a} / {b}?",
    "What is {a} divided by {b}?",
    "{a} / {b}",
    "{a}/{b}",
    "{a} divided by {b}",
    "Divide {a} by {b}.",
    "How much is {a} divided by {b}?",
    "Calculate {a} / {b}.",
    "{a} : {b}",
)


def sum_key(a, b):
    """Sums of digits and of whole tens are building blocks of all others, so never held out."""
    if max(a, b) < 10 or a % 10 == b % 10 == 0:
        return "add:basic"
    return f"add:{min(a, b)}:{max(a, b)}"


def _difference_key(a, b):
    if (a < 20 and b < 10) or a % 10 == b % 10 == 0 or a < b:
        return "sub:basic"
    return f"sub:{a}:{b}"


assert not is_held_out("add:basic") and not is_held_out("sub:basic")


def sum_sentence(a, b):
    """Adds as a person would: the ones, the tens, the result."""
    steps = []
    if max(a, b) >= 10 and a % 10 and b % 10:
        steps.append(f"{a % 10} + {b % 10} = {a % 10 + b % 10}")
    if min(a, b) >= 10 and (a % 10 or b % 10):
        steps.append(f"{a // 10 * 10} + {b // 10 * 10} = {a // 10 * 10 + b // 10 * 10}")
    return ", ".join(steps) + (", so " if steps else "") + f"{a} + {b} = {a + b}."


def difference_sentence(a, b):
    """Subtracts the ones, borrowing ten if needed, then the tens."""
    steps = []
    if a >= 20 and a > b and b % 10:
        borrow = 10 if a % 10 < b % 10 else 0
        steps.append(f"{a % 10 + borrow} - {b % 10} = {a % 10 + borrow - b % 10}")
        if b >= 10:
            steps.append(f"{a // 10 * 10 - borrow} - {b // 10 * 10} = {a // 10 * 10 - borrow - b // 10 * 10}")
    return ", ".join(steps) + (", so " if steps else "") + f"{a} - {b} = {a - b}."


def _plain(context, templates, a, b):
    x, y = _written(context.random, a, b)
    return phrase(context, context.random.choice(templates), a=x, b=y)


def _continue(context, exchanges, value):
    """Follow-up sums on the last result: "Plus 5?", "And minus 3?"."""
    rng = context.random
    while rng.random() < 0.25 and len(exchanges) < 5 and 0 <= value <= 99:
        b = rng.randrange(1, 21) if rng.random() < 0.8 else rng.randrange(1, 100)
        if rng.random() < 0.6:
            key, answer, result = sum_key(value, b), sum_sentence(value, b), value + b
            templates = (
                "Plus {b}?",
                "And plus {b}?",
                "plus {b}",
                "Now add {b}.",
                "Add {b} to that.",
                "+ {b}",
                "+{b}",
                "Add {b}.",
                "And {b} more?",
                "What if I add {b}?",
                "Plus {b} more?",
            )
        else:
            if b > value:
                continue
            key, answer, result = _difference_key(value, b), difference_sentence(value, b), value - b
            templates = (
                "Minus {b}?",
                "And minus {b}?",
                "minus {b}",
                "Now subtract {b}.",
                "Take away {b}.",
                "- {b}",
                "-{b}",
                "Subtract {b}.",
                "Now take {b} away.",
                "What if I subtract {b}?",
            )
        if not context.allows(key):
            continue
        exchanges.append(
            Exchange(
                phrase(context, rng.choice(templates), b=b), answer, None, "arithmetic_follow_up", (key,)
            )
        )
        value = result
    return exchanges


def addition(context):
    rng = context.random

    def make():
        a, b = _operand(rng), _operand(rng)
        return sum_key(a, b), a, b

    key, a, b = context.draw(make)
    first = Exchange(_plain(context, _ADD, a, b), sum_sentence(a, b), None, "addition", (key,))
    return _continue(context, [first], a + b)


def subtraction(context):
    rng = context.random

    def make():
        a, b = _operand(rng), _operand(rng)
        # Results below zero stay small.
        if a < b and (b > 12 or rng.random() < 0.5):
            a, b = b, a
        return _difference_key(a, b), a, b

    key, a, b = context.draw(make)
    first = Exchange(_plain(context, _SUBTRACT, a, b), difference_sentence(a, b), None, "subtraction", (key,))
    return _continue(context, [first], a - b)


def multiplication(context):
    rng = context.random

    def make():
        template = rng.randrange(len(_MULTIPLY))
        a, b = rng.randrange(13), rng.randrange(13)
        return f"mul:{template}:{a}:{b}", template, a, b

    key, template, a, b = context.draw(make)
    x, y = _written(rng, a, b)
    return [
        Exchange(
            phrase(context, _MULTIPLY[template], a=x, b=y),
            f"{a} * {b} = {a * b}.",
            str(a * b),
            "multiplication",
            (key,),
        )
    ]


def division(context):
    rng = context.random

    def make():
        template = rng.randrange(len(_DIVIDE))
        b, quotient = rng.randrange(1, 13), rng.randrange(13)
        return f"div:{template}:{b * quotient}:{b}", template, b * quotient, b

    key, template, a, b = context.draw(make)
    x, y = (str(a), str(b)) if a > 99 else _written(rng, a, b)
    return [
        Exchange(
            phrase(context, _DIVIDE[template], a=x, b=y),
            f"{a} / {b} = {a // b}.",
            str(a // b),
            "division",
            (key,),
        )
    ]


def three_numbers(context):
    rng = context.random

    def make():
        a, b, c = (rng.randrange(1, 31) for _ in range(3))
        # The answer shows two sums of two numbers; training must not reveal held-out ones.
        if not context.held_out and not (context.allows(sum_key(a, b)) and context.allows(sum_key(a + b, c))):
            return make()
        return f"add3:{a}:{b}:{c}", a, b, c

    key, a, b, c = context.draw(make)
    user = phrase(
        context,
        rng.choice(
            (
                "What is {a} + {b} + {c}?",
                "{a} + {b} + {c}",
                "{a}+{b}+{c}",
                "Add {a}, {b} and {c}.",
                "What is the sum of {a}, {b} and {c}?",
                "What is {a} plus {b} plus {c}?",
            )
        ),
        a=a,
        b=b,
        c=c,
    )
    return [
        Exchange(
            user, f"{a} + {b} + {c} = {a + b} + {c} = {a + b + c}.", str(a + b + c), "three_numbers", (key,)
        )
    ]


_GOODS = (
    "apples",
    "books",
    "coins",
    "pencils",
    "eggs",
    "stones",
    "flowers",
    "cakes",
    "balls",
    "keys",
    "stamps",
    "oranges",
    "marbles",
    "cookies",
    "shells",
    "candles",
    "buttons",
    "tickets",
    "cards",
    "pens",
)


def word_problem(context):
    rng = context.random
    goods, name = rng.choice(_GOODS), rng.choice(world.NAMES)
    adding = rng.random() < 0.5

    def make():
        limit = rng.choice((12, 30, 60))
        a, b = rng.randrange(2, limit), rng.randrange(1, limit)
        if not adding and b > a:
            a, b = b, a
        return (sum_key(a, b) if adding else _difference_key(a, b)), a, b

    key, a, b = context.draw(make)
    if adding:
        result, working = a + b, sum_sentence(a, b)
        events = (
            "{s} buy{z} {b} more",
            "{s} get{z} {b} more",
            "{s} find{z} {b} more",
            "a friend gives {o} {b} more",
        )
    else:
        result, working = a - b, difference_sentence(a, b)
        events = ("{s} lose{z} {b}", "{s} give{z} {b} away", "{s} sell{z} {b}", "{s} give{z} {b} to a friend")
    first_person = rng.random() < 0.5
    if first_person:
        who, have, subject, third, other, asked, answer_who = (
            "I",
            "have",
            "I",
            "",
            "me",
            "do I have",
            "You have",
        )
    else:
        pronoun, other = ("she", "her") if name in world.GIRLS else ("he", "him")
        who, have, subject, third, asked, answer_who = (
            name,
            "has",
            pronoun,
            "s",
            f"does {name} have",
            f"{name} has",
        )
    event = rng.choice(events).format(s=subject, z=third, b=b, o=other)
    user = phrase(
        context,
        rng.choice(
            (
                "{w} {h} {a} {g} and {e}. How many {g} {q}?",
                "{w} {h} {a} {g}. {E}. How many {g} {q} now?",
                "{w} {h} {a} {g}, then {e}. How many {q}?",
            )
        ),
        decorate=False,
        w=who,
        h=have,
        a=a,
        g=goods,
        e=event,
        E=sentence_case(event),
        q=asked,
    )
    return [
        Exchange(
            user,
            f"{working} {answer_who} {result} {goods if result != 1 else goods[:-1]}.",
            None,
            "word_problem",
            (key,),
        )
    ]


def comparison(context):
    rng = context.random

    def make():
        a, b = _operand(rng), _operand(rng)
        return (f"cmp:{min(a, b)}:{max(a, b)}" if a != b else "cmp:equal"), a, b

    key, a, b = context.draw(make)
    while a == b:
        key, a, b = context.draw(make)
    low, high = min(a, b), max(a, b)
    if rng.random() < 0.65:
        word = rng.choice(("bigger", "larger", "greater", "smaller", "less"))
        user = phrase(
            context,
            rng.choice(
                (
                    "Which is {w}, {a} or {b}?",
                    "What is {w}, {a} or {b}?",
                    "{a} or {b}: which is {w}?",
                    "Which number is {w}: {a} or {b}?",
                    "Is {a} or {b} {w}?",
                )
            ),
            w=word,
            a=a,
            b=b,
        )
        if word in ("smaller", "less"):
            return [Exchange(user, f"{low} is smaller than {high}.", str(low), "comparison", (key,))]
        return [Exchange(user, f"{high} is bigger than {low}.", str(high), "comparison", (key,))]
    word = rng.choice(("bigger", "larger", "greater", "smaller", "less"))
    user = phrase(
        context,
        rng.choice(
            ("Is {a} {w} than {b}?", "Is it true that {a} is {w} than {b}?", "{a} is {w} than {b}, right?")
        ),
        w=word,
        a=a,
        b=b,
    )
    truth = "bigger" if a > b else "smaller"
    yes = (word in ("smaller", "less")) == (truth == "smaller")
    return [
        Exchange(
            user,
            f"{'Yes' if yes else 'No'}, {a} is {truth} than {b}.",
            "Yes" if yes else "No",
            "comparison",
            (key,),
        )
    ]


def number_facts(context):
    """Even or odd, neighbours, double, half, and the written form."""
    rng = context.random
    kind = rng.randrange(6)

    def make():
        return (f"number:{kind}:{rng.randrange(8)}:{rng.randrange(100)}",)

    key = context.draw(make)[0]
    which, number = (int(part) for part in key.split(":")[2:])
    if kind == 0:
        templates = (
            "Is {n} even or odd?",
            "Is {n} odd or even?",
            "{n}: even or odd?",
            "Tell me if {n} is even or odd.",
            "Is the number {n} even or odd?",
            "even or odd: {n}",
            "Is {n} an even number or an odd number?",
            "{n} - odd or even?",
        )
        parity = "odd" if number % 2 else "even"
        answer, short = f"{number} is {parity}.", sentence_case(parity)
    elif kind == 1:
        templates = (
            "What number comes after {n}?",
            "Which number comes after {n}?",
            "What comes after {n}?",
            "What is the next number after {n}?",
            "number after {n}?",
            "What follows {n}?",
            "Which number is next after {n}?",
            "What is one more than {n}?",
        )
        answer, short = f"{number + 1} comes after {number}.", str(number + 1)
    elif kind == 2:
        number += 1
        templates = (
            "What number comes before {n}?",
            "Which number comes before {n}?",
            "What comes before {n}?",
            "What is the number before {n}?",
            "number before {n}?",
            "Which number is just before {n}?",
            "What is one less than {n}?",
            "Which number is before {n}?",
        )
        answer, short = f"{number - 1} comes before {number}.", str(number - 1)
    elif kind == 3:
        templates = (
            "What is the double of {n}?",
            "Double {n}.",
            "What is twice {n}?",
            "What is two times {n}?",
            "double of {n}?",
            "How much is twice {n}?",
            "Can you double {n}?",
            "What do you get when you double {n}?",
        )
        answer, short = f"The double of {number} is {2 * number}.", str(2 * number)
    elif kind == 4:
        number -= number % 2
        templates = (
            "What is half of {n}?",
            "Half of {n}?",
            "What is the half of {n}?",
            "Halve {n}.",
            "How much is half of {n}?",
            "Tell me half of {n}.",
            "Can you halve {n}?",
            "Give me half of {n}.",
        )
        answer, short = f"Half of {number} is {number // 2}.", str(number // 2)
    else:
        templates = (
            "Write {n} in words.",
            "Write {n} as a word.",
            "How do you write {n} in words?",
            "Spell the number {n}.",
            "{n} in words?",
            "What is {n} in words?",
            "Put {n} into words.",
            "Say {n} in words.",
        )
        answer, short = f"{number} in words is {number_in_words(number)}.", sentence_case(
            number_in_words(number)
        )
    return [Exchange(phrase(context, templates[which], n=number), answer, short, "number_facts", (key,))]


def too_hard(context):
    """Sums beyond the small world."""
    rng = context.random
    big = rng.randrange(100, 10 ** rng.randrange(3, 7))
    other = rng.randrange(13, 10 ** rng.randrange(2, 6) + 13)
    kind = rng.randrange(4)
    if kind == 0:
        a, b = (big, other) if rng.random() < 0.5 else (other, big)
        # Results of up to 198 appear in follow-ups, so keep clear of them.
        user = phrase(context, rng.choice(_ADD + _SUBTRACT), a=a + 200, b=b + 200)
    elif kind == 1:
        user = phrase(context, rng.choice(_MULTIPLY), a=rng.randrange(13, 1000), b=rng.randrange(13, 1000))
    elif kind == 2:
        user = phrase(context, rng.choice(_DIVIDE), a=rng.randrange(200, 10000), b=rng.randrange(13, 100))
    else:
        user = phrase(
            context,
            rng.choice(
                (
                    "What is the square root of {a}?",
                    "What is {b} percent of {a}?",
                    "What is {b}% of {a}?",
                    "Solve x + {b} = {a}.",
                    "What is the logarithm of {a}?",
                    "What is {a} squared?",
                    "What is {a} to the power of {b}?",
                    "What is the sine of {a}?",
                    "Integrate x^{b}.",
                    "What is the factorial of {a}?",
                    "Is {a} a prime number?",
                    "Solve this equation: {b}x = {a}",
                )
            ),
            a=big,
            b=rng.randrange(2, 100),
        )
    return Exchange(
        user, "That is too hard for me. I only calculate with numbers up to 99.", "Unknown", "too_hard"
    )


def _sequence(start, stop, step):
    return range(start, stop + (1 if step > 0 else -1), step)


def _listed(numbers):
    return ", ".join(str(number) for number in numbers)


def counting(context):
    rng = context.random

    def make():
        style = rng.random()
        step = 1 if style < 0.62 else rng.choice((2, 2, 3, 5, 10))
        length = rng.randrange(3, 21)
        start = rng.randrange(0, 90) if rng.random() < 0.6 else rng.choice((0, 1, 1, 2, 10))
        if style < 0.2:
            start = 1
        stop = start + step * (length - 1)
        if stop > 100:
            stop = start + step * ((100 - start) // step)
            if stop == start:
                return make()
        if rng.random() < 0.3:
            start, stop, step = stop, start, -step
        return f"count:{start}:{stop}:{step}", start, stop, step

    key, a, b, step = context.draw(make)
    forms = {"a": a, "b": b}
    if rng.random() < 0.12:
        forms = {"a": number_in_words(a), "b": number_in_words(b)}
    if abs(step) == 1:
        if a == 1 and rng.random() < 0.6:
            templates = (
                "Count to {b}.",
                "Count up to {b}.",
                "Can you count to {b}?",
                "Please count to {b}.",
                "count to {b}",
                "List the numbers up to {b}.",
                "Count from 1 to {b}",
            )
        elif step == 1:
            templates = (
                "Count from {a} to {b}.",
                "Can you count from {a} to {b}?",
                "Count {a} to {b}.",
                "List the numbers from {a} to {b}.",
                "Say the numbers from {a} to {b}.",
                "Please count from {a} up to {b}.",
                "Numbers from {a} to {b}?",
                "from {a} to {b}, please count",
            )
        else:
            templates = (
                "Count down from {a} to {b}.",
                "Count backwards from {a} to {b}.",
                "Count from {a} to {b}.",
                "Can you count from {a} down to {b}?",
                "Count backward from {a} to {b}.",
                "Countdown from {a} to {b}",
                "Count {a} to {b} backwards.",
            )
    else:
        word = {2: "twos", 3: "threes", 5: "fives", 10: "tens"}[abs(step)]
        templates = tuple(
            t.replace("%s", word).replace("%d", str(abs(step)))
            for t in (
                "Count from {a} to {b} by %s.",
                "Count by %s from {a} to {b}.",
                "Count in %s from {a} to {b}.",
                "Count from {a} to {b} in steps of %d.",
                "Count {a} to {b} by %s.",
            )
        )
        if step < 0:
            templates = tuple(t.replace("Count", "Count down") for t in templates)
    numbers = list(_sequence(a, b, step))
    exchanges = [
        Exchange(
            phrase(context, rng.choice(templates), **forms), _listed(numbers) + ".", None, "counting", (key,)
        )
    ]
    back = f"count:{b}:{a}:{-step}"
    if rng.random() < 0.25 and context.allows(back):
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        (
                            "Now backwards.",
                            "And backwards?",
                            "Now reverse it.",
                            "Now the other way round.",
                            "Backwards please.",
                            "And now in reverse?",
                            "Can you do it backwards?",
                            "Reverse it.",
                        )
                    ),
                ),
                _listed(reversed(numbers)) + ".",
                None,
                "counting_follow_up",
                (back,),
            )
        )
    return exchanges


def parity_list(context):
    """The even or odd numbers of a range."""
    rng = context.random

    def make():
        a = rng.randrange(0, 80)
        b = min(a + rng.randrange(4, 20), 100)
        word = rng.choice(("even", "odd"))
        return f"parity:{a}:{b}:{word}", a, b, word

    key, a, b, word = context.draw(make)
    numbers = [n for n in range(a, b + 1) if n % 2 == (word == "odd")]
    user = phrase(
        context,
        rng.choice(
            (
                "List the {w} numbers from {a} to {b}.",
                "Name the {w} numbers between {a} and {b}.",
                "What are the {w} numbers from {a} to {b}?",
                "{w} numbers from {a} to {b}",
                "Count the {w} numbers from {a} to {b}.",
            )
        ),
        w=word,
        a=a,
        b=b,
    )
    return [Exchange(user, _listed(numbers) + ".", None, "parity_list", (key,))]


def _numbers(rng):
    return rng.sample(range(100), rng.choice((2, 3, 3, 3, 4, 4, 5)))


def _shown(rng, items):
    items = [str(item) for item in items]
    return rng.choice((", ".join(items), ", ".join(items), " ".join(items), join_words(items)))


def sort_numbers(context):
    rng = context.random

    def make():
        numbers = _numbers(rng)
        return "sort:" + ",".join(map(str, sorted(numbers))), numbers

    key, numbers = context.draw(make)
    down = rng.random() < 0.25
    shown = _shown(rng, numbers)
    if down:
        templates = (
            "Sort in descending order: {s}.",
            "Sort {s} from big to small.",
            "Sort {s} from largest to smallest.",
            "Sort these numbers in descending order: {s}",
            "Put {s} in descending order.",
            "Order from high to low: {s}",
        )
    else:
        templates = (
            "Sort {s}.",
            "Sort these numbers: {s}.",
            "Sort: {s}",
            "Put these numbers in order: {s}",
            "Can you sort {s}?",
            "Sort the numbers {s}.",
            "Order {s}.",
            "Sort {s} from small to big.",
            "Sort in ascending order: {s}",
            "Please sort {s}.",
            "Arrange {s} in order.",
            "Bring {s} into the right order.",
            "sort these: {s}",
        )
    ordered = sorted(numbers, reverse=down)
    exchanges = [
        Exchange(
            phrase(context, rng.choice(templates), s=shown),
            f"Sorted: {_listed(ordered)}.",
            None,
            "sort_numbers",
            (key,),
        )
    ]
    choice = rng.random()
    if choice < 0.2:
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        (
                            "Now reverse it.",
                            "Now in descending order." if not down else "Now in ascending order.",
                            "Reverse it.",
                            "And the other way round?",
                            "Now backwards.",
                            "Now reverse the list.",
                            "And in reverse?",
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
        word, value = rng.choice(
            (("biggest", max(numbers)), ("smallest", min(numbers)), ("largest", max(numbers)))
        )
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        (
                            "Which one is the {w}?",
                            "What is the {w}?",
                            "And the {w} number?",
                            "Which is the {w} number?",
                        )
                    ),
                    w=word,
                ),
                f"The {word} number is {value}.",
                str(value),
                "sort_follow_up",
                (key,),
            )
        )
    elif choice < 0.42:
        exchanges.append(
            Exchange(
                phrase(
                    context,
                    rng.choice(
                        ("How many numbers are there?", "How many are there?", "How many numbers is that?")
                    ),
                ),
                f"There are {len(numbers)} numbers.",
                str(len(numbers)),
                "sort_follow_up",
                (key,),
            )
        )
    return exchanges


def extreme(context):
    rng = context.random

    def make():
        numbers = _numbers(rng)
        return "extreme:" + ",".join(map(str, sorted(numbers))), numbers

    key, numbers = context.draw(make)
    word = rng.choice(("biggest", "largest", "smallest"))
    value = min(numbers) if word == "smallest" else max(numbers)
    user = phrase(
        context,
        rng.choice(
            (
                "What is the {w} of {s}?",
                "Which number is the {w}: {s}?",
                "Which is the {w}: {s}?",
                "Find the {w} number: {s}",
                "What is the {w} number in {s}?",
                "The {w} of {s}?",
            )
        ),
        w=word,
        s=_shown(rng, numbers),
    )
    return [Exchange(user, f"The {word} number is {value}.", str(value), "extreme", (key,))]


def long_count(context):
    """Whole sequences up to 100, which a person is likely to ask for."""
    rng = context.random
    stop, templates = rng.choice(
        (
            (
                100,
                ("Count to 100.", "Count from 1 to 100.", "Can you count to one hundred?", "Count up to 100"),
            ),
            (50, ("Count to 50.", "Count from 1 to 50.", "Can you count to fifty?")),
            (30, ("Count to 30.", "Count from 1 to 30.", "Can you count to thirty?")),
        )
    )
    return [
        Exchange(
            phrase(context, rng.choice(templates)), _listed(range(1, stop + 1)) + ".", None, "long_count"
        )
    ]
