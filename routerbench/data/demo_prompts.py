"""Prompts of the demo data: eight task families with difficulty levels 0 to 4 that are visible in the prompt."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

NAMES = ("Amara", "Ben", "Chloe", "Diego", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Kavya", "Liam", "Mei")
THINGS = ("apples", "marbles", "stickers", "tickets", "books", "coins", "pencils", "seashells", "stamps", "cookies")
PLACES = ("market", "library", "harbour", "school", "museum", "station", "farm", "workshop", "garden", "bakery")

LANGUAGES = ("French", "Spanish", "German", "Swahili", "Japanese", "Turkish")
SENTENCES = (
    ("Good morning, {name}.", "Where is the {place}?", "I have two {things}.", "Thank you, {name}, see you tomorrow."),
    (
        "{name} bought some {things} at the {place} yesterday.",
        "We will meet {name} in front of the {place} at noon.",
        "It is raining, so {name} stays at the {place} with the {things}.",
    ),
    (
        "If {name} had left the {place} earlier, the {things} would not have been stolen.",
        "{name}, who had never liked the {place}, nevertheless agreed to sell {things} there every weekend.",
    ),
    (
        "Tongue firmly in cheek, {name} called the {place} a goldmine, though not a soul had wanted the {things}.",
        "The {place} was the last straw: {name} threw in the towel and let the {things} go for a song.",
    ),
    (
        "Notwithstanding clause 7, the lessee, {name}, shall indemnify the {place} against any lien upon the {things} "
        "howsoever arising; keep the legal register and the ambiguity of 'howsoever'.",
        "The {place} slept, and {name} counted {things} like psalms in the dark; keep the metre, the half rhyme and "
        "the pun on 'counted'.",
    ),
)

CODE = (
    ("returns the sum of a list of numbers", "checks whether a word is a palindrome", "counts the vowels in a string"),
    (
        "removes the duplicates of a list and keeps its order",
        "merges two sorted lists into one",
        "converts a Roman numeral to an integer",
    ),
    (
        "finds the longest common subsequence of two strings with dynamic programming",
        "evaluates an arithmetic expression with parentheses and precedence",
        "returns all shortest paths between two nodes of a weighted graph",
    ),
    (
        "implements an LRU cache with expiry times, O(1) operations and safe access from several threads",
        "implements a persistent red-black tree with split and join",
        "solves the assignment problem with the Hungarian algorithm in O(n^3) and proves the bound in comments",
    ),
    (
        "implements a lock-free multi-producer queue with hazard pointers and argues its linearizability",
        "computes suffix-automaton based approximate matching under k mismatches with wavelet-tree rank queries",
        "implements an incremental Hindley-Milner type checker with row polymorphism and let-generalisation",
    ),
)
INPUTS = ("Name it {word}.", "Call it `{word}`.", "Use {word} as its name.", "The function is called {word}.")
WORDS = ("solve", "compute", "run", "apply_all", "process", "main_step", "transform", "answer", "work", "handle")

COUNTRIES = (
    ("France", "Italy", "Japan", "Egypt", "Spain", "Germany", "Canada", "Brazil", "China", "India", "Greece"),
    ("Norway", "Kenya", "Peru", "Poland", "Vietnam", "Morocco", "Chile", "Finland", "Jordan", "Cuba", "Nepal"),
    ("Mongolia", "Laos", "Zambia", "Bolivia", "Latvia", "Oman", "Malawi", "Moldova", "Ghana", "Belize", "Bhutan"),
    ("Burkina Faso", "Kyrgyzstan", "Suriname", "Lesotho", "Eswatini", "Djibouti", "Brunei", "Benin", "Togo"),
    ("Nauru", "Tuvalu", "Palau", "Kiribati", "Vanuatu", "Comoros", "Sao Tome and Principe", "Micronesia", "Niue"),
)
QUESTIONS = (
    ("What is the capital of {country}?", "On which continent is {country}?", "Which language is spoken in {country}?"),
    ("What is the currency of {country}?", "Name a river that flows through {country}.", "Who borders {country}?"),
    ("In which century did {country} become independent?", "Which is the highest mountain of {country}?"),
    ("Who was the first head of state of {country}?", "Which treaty drew the present borders of {country}?"),
    (
        "Which obscure statute of the colonial period governed land tenure in {country}, and who drafted it?",
        "Who held the post of postmaster general of {country} in 1911, and whom did they succeed?",
    ),
)

STYLES = (
    ("Write one friendly sentence to {name} about the {place}.", "Wish {name} a happy birthday in one line."),
    ("Write a short polite e-mail in which {name} asks the {place} for {things}.",),
    ("Write a limerick about {name}, the {place} and some {things}.",),
    ("Write a Petrarchan sonnet about {name} at the {place} that never names the {things} it is about.",),
    (
        "Write a sestina about {name}, the {place} and {things} whose end words form an acrostic, in strict iambic "
        "pentameter, without the letter 'u'.",
    ),
)


def arithmetic(level: int, rng: np.random.Generator) -> str:
    """Write an arithmetic task; higher levels have more operands, digits and operators."""
    digits = (1, 2, 2, 4, 5)[level]
    numbers = [str(n) for n in rng.integers(10 ** (digits - 1), 10**digits, size=2 + level)]
    operators = rng.choice(("+", "-") if level < 2 else ("+", "-", "*", "/"), size=1 + level)
    expression = numbers[0] + "".join(f" {op} {n}" for op, n in zip(operators, numbers[1:], strict=True))
    return f"{rng.choice(('What is', 'Compute', 'Calculate'))} {expression}?"


def word_problem(level: int, rng: np.random.Generator) -> str:
    """Write a word problem; higher levels need more steps."""
    thing, people = rng.choice(THINGS), rng.choice(NAMES, size=level + 2, replace=False)
    steps = [f"{people[0]} has {rng.integers(5, 90)} {thing}."]
    for giver, taker in pairwise(people):
        share = rng.choice(("half", "a third", "two fifths", f"{rng.integers(2, 9)}"))
        steps.append(f"{giver} gives {share} of the {thing} to {taker}, who already has {rng.integers(2, 40)}.")
    if level >= 3:
        steps.append(f"Every day {rng.integers(2, 12)} percent of what is left is lost, compounded over a week.")
    return " ".join(steps) + f" How many {thing} does {people[-1]} have in the end?"


def logic(level: int, rng: np.random.Generator) -> str:
    """Write an ordering puzzle; higher levels have more people, and clues that only exclude."""
    people = rng.choice(NAMES, size=3 + 2 * level, replace=False)
    relation = rng.choice(("taller", "older", "faster"))
    order = [f"{a} is {relation} than {b}." for a, b in pairwise(people)]
    rng.shuffle(order)
    exclusions = [f"It is not true that {people[-1 - i]} is {relation} than {people[i]}." for i in range(level)]
    return " ".join(order + exclusions) + f" Who is the {relation[:-2]}est but {('one', 'two', 'three')[level // 2]}?"


def table_reading(level: int, rng: np.random.Generator) -> str:
    """Write a question about a stock list; higher levels have longer lists and combine more of their entries."""
    places, things = rng.permutation(PLACES)[: 2 + level], rng.permutation(THINGS)[: 2 + level]
    stock = "; ".join(f"{p}: " + ", ".join(f"{rng.integers(1, 99)} {t}" for t in things) for p in places)
    question = (
        f"How many {things[0]} are at the {places[0]}?",
        f"Where are there more {things[0]}, at the {places[0]} or the {places[1]}?",
        f"How many {things[0]} are there in all?",
        f"Which place has the most things in total, and by how many more than the {places[0]}?",
        f"Which place is closest to the median of {things[0]} and above the mean of {things[1]}?",
    )[level]
    return f"Stock list. {stock}. {question}"


def _filled(texts: tuple[tuple[str, ...], ...], level: int, rng: np.random.Generator) -> str:
    return str(rng.choice(texts[level])).format(
        name=rng.choice(NAMES),
        place=rng.choice(PLACES),
        things=rng.choice(THINGS),
        country=rng.choice(COUNTRIES[level]),
    )


def translation(level: int, rng: np.random.Generator) -> str:
    """Write a translation task, from greetings to legal prose and verse."""
    return f"Translate into {rng.choice(LANGUAGES)}: {_filled(SENTENCES, level, rng)}"


def coding(level: int, rng: np.random.Generator) -> str:
    """Write a coding task, from one-liners to research code."""
    name = str(rng.choice(INPUTS)).format(word=f"{rng.choice(WORDS)}_{rng.integers(1, 100)}")
    return f"Write a Python function that {rng.choice(CODE[level])}. {name}"


def trivia(level: int, rng: np.random.Generator) -> str:
    """Write a trivia question, from well-known to obscure countries and facts."""
    opening = rng.choice(("", "Quick question: ", "For a quiz: ", "Please tell me: ", "I forgot: "))
    return f"{opening}{_filled(QUESTIONS, level, rng)}"


def writing(level: int, rng: np.random.Generator) -> str:
    """Write a writing task, from one line to verse under constraints."""
    return _filled(STYLES, level, rng)


FAMILIES: dict[str, Callable[[int, np.random.Generator], str]] = {
    "arithmetic": arithmetic,
    "word-problems": word_problem,
    "logic": logic,
    "table-reading": table_reading,
    "translation": translation,
    "coding": coding,
    "trivia": trivia,
    "writing": writing,
}
