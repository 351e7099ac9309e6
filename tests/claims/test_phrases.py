"""Reading phrases: what is read, what is asked about, and that nothing else ever happens."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reliability.claims.digits import rounding_unit
from reliability.claims.phrases import LONGEST_PHRASE, VAGUE_NUMBERS, read
from reliability.claims.statements import (
    About,
    Absent,
    AtLeast,
    AtMost,
    Estimate,
    Present,
    Quantiles,
    Range,
    Statement,
)
from reliability.errors import ReliabilityError, UnreadablePhraseError, WrongTypeError
from reliability.strategies import statements

NUMBERS: dict[str, float] = {
    "12,000": 12_000,
    "12000": 12_000,
    "12 000": 12_000,
    "12\N{NO-BREAK SPACE}000": 12_000,
    "12\N{NARROW NO-BREAK SPACE}000": 12_000,
    "12\N{THIN SPACE}000\N{THIN SPACE}000": 12_000_000,
    "12'000": 12_000,
    "12\N{RIGHT SINGLE QUOTATION MARK}000": 12_000,
    "1,234,567": 1_234_567,
    "1.234.567": 1_234_567,
    "1,234.5": 1234.5,
    "1.234,5": 1234.5,
    "1 234,5": 1234.5,
    "1,234.567": 1234.567,
    "1234.567": 1234.567,
    "2,500.0": 2500,
    "0.125": 0.125,
    ".5": 0.5,
    "007": 7,
    "-5": -5,
    "\N{MINUS SIGN}5": -5,
    "minus five": -5,
    "+5": 5,
    "12k": 12_000,
    "12 K": 12_000,
    "3m": 3e6,
    "3 mn": 3e6,
    "3 mln": 3e6,
    "2bn": 2e9,
    "2b": 2e9,
    "1.5 tn": 1.5e12,
    "12 thousand": 12_000,
    "3 hundred": 300,
    "3 hundred thousand": 300_000,
    "1.5 million": 1.5e6,
    "1.50 million": 1.5e6,
    "2.5 billion": 2.5e9,
    "1 trillion": 1e12,
    "5%": 0.05,
    "5 %": 0.05,
    "5 percent": 0.05,
    "5 per cent": 0.05,
    "five percent": 0.05,
    "-0.5%": -0.005,
    "1e6": 1e6,
    "2.5e-3": 0.0025,
    "1E+06": 1e6,
    "twelve thousand": 12_000,
    "Twelve  Thousand": 12_000,
    "two and a half million": 2.5e6,
    "two and a half": 2.5,
    "a million and a half": 1.5e6,
    "three hundred and fifty": 350,
    "three hundred fifty": 350,
    "one hundred": 100,
    "a hundred": 100,
    "a thousand": 1000,
    "a dozen": 12,
    "two dozen": 24,
    "half a dozen": 6,
    "a score": 20,
    "three score": 60,
    "half a million": 500_000,
    "half a billion": 5e8,
    "a quarter of a million": 250_000,
    "three quarters of a million": 750_000,
    "twenty-five": 25,
    "twenty five": 25,
    "twenty-five hundred": 2500,
    "twelve thousand five hundred": 12_500,
    "one million two hundred thousand": 1.2e6,
    "two thousand and five": 2005,
    "nine hundred and ninety-nine thousand nine hundred and ninety-nine": 999_999,
    "one hundred thousand": 100_000,
    "12,000.": 12_000,
    " 12,000 ": 12_000,
}


@pytest.mark.parametrize(("phrase", "value"), NUMBERS.items())
def test_numbers(phrase: str, value: float) -> None:
    assert read(phrase) == Estimate(value)


@pytest.mark.parametrize(
    ("phrase", "unit"),
    [("12,000", 2000), ("1.5 million", 500_000), ("2,500.0", 500), ("30k", 10_000), ("5%", 0.05)],
)
def test_the_digits_give_the_rounding_unit(phrase: str, unit: float) -> None:
    statement = read(phrase)
    assert isinstance(statement, Estimate)
    assert statement.unit == unit


FORMS: dict[str, Statement] = {
    **dict.fromkeys(
        ("none", "None at all.", "there are none", "There is none", "denied", "absent"), Absent()
    ),
    **dict.fromkeys(
        ("present", "they are there", "They are present.", "there are some", "confirmed present"),
        Present(),
    ),
    **dict.fromkeys(
        (
            "about 12,000",
            "About 12,000",
            "some 12,000",
            "roughly 12,000",
            "around 12,000",
            "approximately 12,000",
            "approx. 12,000",
            "circa 12,000",
            "ca. 12,000",
            "ca 12,000",
            "~12,000",
            "\N{ALMOST EQUAL TO} 12,000",
            "an estimated 12,000",
            "about twelve thousand",
        ),
        About(12_000),
    ),
    **dict.fromkeys(
        (
            "more than 12,000",
            "More than 12,000.",
            "over 12,000",
            "at least 12,000",
            "no fewer than 12,000",
            "no less than 12,000",
            "upwards of 12,000",
            "above 12,000",
            "in excess of 12,000",
            "greater than 12,000",
            "exceeding 12,000",
            "a minimum of 12,000",
            ">= 12,000",
            "> 12,000",
            ">12k",
            "\N{GREATER-THAN OR EQUAL TO}12,000",
            "12,000 or more",
            "12,000+",
            "more than twelve thousand",
        ),
        AtLeast(12_000),
    ),
    **dict.fromkeys(
        (
            "fewer than 12,000",
            "less than 12,000",
            "under 12,000",
            "up to 12,000",
            "as many as 12,000",
            "at most 12,000",
            "no more than 12,000",
            "below 12,000",
            "<= 12,000",
            "<12,000",
            "\N{LESS-THAN OR EQUAL TO}12,000",
            "12,000 or fewer",
            "12,000 or less",
            "a maximum of 12,000",
        ),
        AtMost(12_000),
    ),
    "at least 12,000 (verified)": AtLeast(12_000, excess=math.inf),
    "12,000 or fewer (verified)": AtMost(12_000, excess=math.inf),
    **dict.fromkeys(
        (
            "between 25,000 and 30,000",
            "25,000 to 30,000",
            "from 25,000 to 30,000",
            "25,000-30,000",
            "25,000 - 30,000",
            "25,000\N{EN DASH}30,000",
            "25-30 thousand",
            "25 to 30k",
            "between 25 and 30 thousand",
            "25k-30k",
            "twenty-five to thirty thousand",
            "between twenty-five thousand and thirty thousand",
            "about 25,000 to 30,000",
            "roughly between 25,000 and 30,000",
        ),
        Range(25_000, 30_000),
    ),
    "2-3 million": Range(2e6, 3e6),
    "0 to 5 million": Range(0, 5e6),
    "500,000 to 2 million": Range(500_000, 2e6),
    "half a million to two million": Range(500_000, 2e6),
    "two thousand to three million": Range(2000, 3e6),
    "5-10%": Range(0.05, 0.1),
    "5% to 10%": Range(0.05, 0.1),
    "-5--3": Range(-5, -3),
    "-5 to -3": Range(-5, -3),
    "10 to 12000": Range(10, 12_000),
    "500 to 2,000": Range(500, 2000),
    "0 to 12,000": Range(0, 12_000),
    "\N{MINUS SIGN}5\N{EN DASH}\N{MINUS SIGN}3": Range(-5, -3),
    "two to three hundred": Range(200, 300),
    "two hundred to three hundred thousand": Range(200_000, 300_000),
    "between one hundred and fifty and two hundred": Range(150, 200),
    "between one hundred and two hundred and fifty": Range(100, 250),
    "between two and a half and three million": Range(2.5e6, 3e6),
    "five-ten thousand": Range(5000, 10_000),
    "seven thousand to eight thousand five hundred": Range(7000, 8500),
    "twenty-thirty": Range(20, 30),
    "a dozen to two dozen": Range(12, 24),
    **dict.fromkeys(
        ("2,500 ± 300", "2500±300", "2,500 +/- 300", "2,500 +- 300", "2.5 ± 0.3 thousand"),
        Estimate(2500, sd=300),
    ),
    "0 ± 3": Estimate(0, sd=3),
    "5% ± 1%": Estimate(0.05, sd=0.01),
    "5 million ± 300,000": Estimate(5e6, sd=300_000),
    **dict.fromkeys(
        (
            "2,500 (2,000-3,000, 90%)",
            "2,500 (2,000 to 3,000, 90%)",
            "2,500 (90% CI 2,000-3,000)",
            "2,500 (90% CI: 2,000\N{EN DASH}3,000)",
            "2,500 (90% confidence interval, 2,000 to 3,000)",
            "2,500 (2,000-3,000, 90% CrI)",
            "2,500 [2,000, 3,000] 90%",
            "2500 [2000, 3000], 90% credible interval",
            "2,500 (2-3 thousand, 90%)",
        ),
        Estimate(2500, low=2000, high=3000, level=0.9),
    ),
    "5% (1%, 9%, 90%)": Estimate(0.05, low=0.01, high=0.09, level=0.9),
    "5% (3-8%, 90%)": Estimate(0.05, low=0.03, high=0.08, level=0.9),
    "-5 (-8 to -3, 90%)": Estimate(-5, low=-8, high=-3, level=0.9),
    "dozens": Quantiles({0.05: 12, 0.5: 36, 0.95: 57.5}),
    "scores": Quantiles({0.05: 9.5, 0.5: 80, 0.95: 1750}),
    "hundreds": Quantiles({0.05: 200, 0.5: 300, 0.95: 674.75}),
    "Tens of thousands": Quantiles({0.05: 20_000, 0.5: 30_000, 0.95: 67_475}),
}


@pytest.mark.parametrize(("phrase", "statement"), FORMS.items())
def test_forms(phrase: str, statement: Statement) -> None:
    assert read(phrase) == statement


def test_larger_vague_words_are_multiples_of_hundreds() -> None:
    hundreds = VAGUE_NUMBERS["hundreds"].values
    for words, unit in {"thousands": 10, "hundreds of thousands": 1000, "millions": 10**4}.items():
        assert VAGUE_NUMBERS[words].values == pytest.approx([q * unit for q in hundreds], rel=1e-12)
        assert read(words) == VAGUE_NUMBERS[words]


@pytest.mark.parametrize(
    ("phrase", "message"),
    [
        ("12.000", "'12.000' may be 12,000 or 12; write '12,000' or '12.0'"),
        ("12.500", "'12.500' may be 12,500 or 12.5; write '12,500' or '12.5'"),
        ("1.234", "'1.234' may be 1,234 or 1.234; write '1,234' or '1.2340'"),
        ("1.234 million", "'1.234' may be 1,234 or 1.234"),
        ("1,5", "'1,5' may be 1.5 or 15; write '1.5' or '15'"),
        ("0,500", "'0,500' may be 0.5 or 500"),
        ("12,34", "'12,34' may be 12.34 or 1,234"),
        ("12,34,567", "the digits of '12,34,567' are not grouped in threes"),
        ("1'00", 'the digits of "1\'00" are not grouped in threes'),
        ("1.2.3", "the digits of '1.2.3' are not grouped in threes"),
        ("1,234 567", "the digits of '1,234 567' are not grouped in threes"),
        ("1,2e3", "the digits of '1,2' are not grouped in threes"),
        ("500 to 2 million", "500 may be meant as it stands or in the unit of the second number;"),
        ("-5 to -3 million", "-5 may be meant as it stands or in the unit of the second number"),
        ("5% to 10", "write % after both numbers or after neither"),
        ("2,500 ± 10%", "± with one percent sign may be relative or absolute"),
        ("5 million ± 0.3", "0.3 may be meant as it stands or in the unit of the first number;"),
        ("2,500 ± 3 thousand", "2,500 may be meant as it stands or in the unit of the second"),
        ("2,500 (2,000-3,000)", "the interval has no level; write for example '2,500 (2,000 to 3"),
        ("5-3", "Range: low=5 exceeds high=3; give low < high"),
        ("2,500 ± 0", "Estimate: sd must be above 0, got 0"),
        ("2,500 (3,000-4,000, 90%)", "Estimate: low=3000 is not below value=2500"),
        ("0", "Estimate: value=0 has no digits to read an uncertainty from; state sd="),
        ("zero", "value=0 has no digits"),
        ("more than 0", "AtLeast: value=0 has no digits to read an error from"),
        ("1e999", "the number exceeds the range of a float"),
        (
            "more than 12,000 troops",
            "'troops' is not understood; if it only says of what, leave it out: 'at least 12,000'",
        ),
        # What would be lost counts: nothing is proposed.
        ("2 lakh", "'lakh' is not understood. Known forms"),
        ("one third", "'third' is not understood; write a share in percent, such as '50%'. Known"),
        ("5 short of 100", "'short' is not understood. Known forms"),
        ("more than 5 but less than 10", "'but' is not understood. Known forms"),
        ("5 plus or minus 1", "'plus' is not understood. Known forms"),
        ("one point five million", "'point' is not understood. Known forms"),
        ("at least 12,000 dead, 30,000 injured", "'dead' is not understood. Known forms"),
        ("about half", "it has none of the known forms; write a share in percent"),
        ("one in ten", "it has none of the known forms; write a share in percent"),
        # Headlines leave out the thousands of the first number.
        (
            "10-12,000",
            "10 may be meant as it stands or in thousands; write '10,000 to 12,000' or '10 to 12000'",
        ),
        ("between 5 and 6,000", "5 may be meant as it stands or in thousands"),
        ("about 2-3 000", "2 may be meant as it stands or in thousands"),
        ("11,000 (10-12,000, 90%)", "10 may be meant as it stands or in thousands"),
        ("approx.5", "'.5' after a word may be 5 or 0.5; write ' 5' or ' 0.5'"),
        ("ca.25 million", "'.25' after a word may be 25 or 0.25"),
        ("a hundred and a half", "it has none of the known forms"),
        ("two thousand and a half", "it has none of the known forms"),
        ("1e-400", "the number is too small for a float"),
        ("nearly 12,000", "'nearly' is not understood. Known forms: 12,000 (or 12 000, 12k"),
        ("a few thousand", "'few' is not understood. Known forms:"),
        ("none of them", "'them' is not understood"),
        ("not present", "'present' is not understood"),
        ("1e5k", "'e' is not understood. Known forms"),
        ("", "it is empty. Known forms"),
        (" . ", "it has none of the known forms"),
        ("5 5", "it has none of the known forms"),
        ("two million three", "it has none of the known forms"),
        ("2024-10-24", "it has none of the known forms"),
        ("more than hundreds", "it has none of the known forms"),
        ("about 2,500 ± 300", "it has none of the known forms"),
        ("between 20 and 30 and 40", "it has none of the known forms"),
        ("thousand", "it has none of the known forms"),
        ("three hundred thousand million", "it has none of the known forms"),
        ("5%%", "it has none of the known forms"),
        ("5k%", "it has none of the known forms"),
        ("12,000 (verified)", "it has none of the known forms"),
        ("€5", "the character '€' is not understood"),
        ("½", "the character '½' is not understood"),
        ("١٢", "the character '١' is not understood"),
        ("1_000", "the character '_' is not understood"),
        ("10²", "the character '²' is not understood"),
    ],
)
def test_phrases_that_would_need_a_guess(phrase: str, message: str) -> None:
    with pytest.raises(UnreadablePhraseError) as caught:
        read(phrase)
    assert str(caught.value).startswith(f"cannot read {phrase!r}: ")
    assert message in str(caught.value)


def test_two_readings_are_both_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VAGUE_NUMBERS, "a dozen", Quantiles({0.05: 10, 0.95: 14}))
    message = "cannot read 'a dozen': it may be '12' or 'quantiles 5%: 10, 95%: 14'; write one"
    with pytest.raises(UnreadablePhraseError, match=message):
        read("a dozen")


@pytest.mark.parametrize("phrase", [None, 3, b"12,000", ["12,000"]])
def test_only_text_is_read(phrase: Any) -> None:
    with pytest.raises(WrongTypeError, match="a phrase must be text, got"):
        read(phrase)


def test_long_texts_are_refused_at_once() -> None:
    with pytest.raises(UnreadablePhraseError, match="cannot read a phrase of 1000000 characters, "):
        read("1" * 1_000_000)
    assert isinstance(read("1" * LONGEST_PHRASE), Estimate)


@pytest.mark.parametrize(
    "part",
    ["1 ", "1-", "a ", "and ", "two ", "(", "1,", "1.", "1 to ", "one-", "1%", "+/-", "about "],
)
def test_repetition_costs_little(part: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ReliabilityError):
        read((part * LONGEST_PHRASE)[:LONGEST_PHRASE])
    assert time.perf_counter() - start < 0.5


WORDS = st.sampled_from(
    [
        "about",
        "some",
        "more",
        "than",
        "at",
        "least",
        "over",
        "under",
        "up",
        "to",
        "between",
        "and",
        "from",
        "to",
        "a",
        "an",
        "half",
        "of",
        "two",
        "three",
        "twenty",
        "hundred",
        "thousand",
        "million",
        "dozen",
        "k",
        "m",
        "%",
        "(",
        ")",
        "[",
        "]",
        ",",
        "-",
        "–",
        "±",
        "+/-",
        "12,000",
        "12.000",
        "5",
        "0",
        "2.5",
        "90%",
        "ci",
        "verified",
        "or",
        "plus",
        ".",
        ":",
        ">",
        "<",
        "~",
        "e5",
        "1e9",
        "troops",
        "dozens",
        "hundreds",
    ]
)


@given(st.text() | st.text("0123456789 ,.'-–±+/%()[]<>~ekmbn") | st.lists(WORDS).map(" ".join))
@example("1e-999")
@example("\ud800")
@example("9" * 200)
@example("between 1e308 and 9e307 million")
def test_any_text_is_a_statement_or_a_clear_error(text: str) -> None:
    try:
        statement = read(text)
    except ReliabilityError as error:
        assert str(error)
    else:
        assert isinstance(statement, Statement)
        if len(text) < LONGEST_PHRASE:
            assert read(f" {text}") == statement


@given(st.integers(-(10**15), 10**15).filter(bool))
def test_grouped_integers(value: int) -> None:
    assert read(f"{value:,}") == read(str(value)) == read(f"{value:,}".replace(",", " "))
    assert read(f"{value:,}") == Estimate(value)


@given(st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_floats_as_python_writes_them(value: float) -> None:
    text = repr(value)
    if len(text.partition(".")[2]) == 3 and "e" not in text:
        text += "0"  # three decimals may be a group of thousands
    assert read(text) == Estimate(value)


@given(st.integers(1, 999), st.sampled_from(["thousand", "million", "billion", "trillion"]))
def test_scale_words(lead: int, word: str) -> None:
    scale = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}[word]
    statement = read(f"{lead} {word}")
    assert statement == Estimate(lead * scale)
    assert isinstance(statement, Estimate)
    assert statement.unit == rounding_unit(lead * scale)


UNITS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(value: int) -> str:
    """Spell a whole number the British way."""
    for scale, word in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if value >= scale:
            rest = value % scale
            joint = " and " if 0 < rest < 100 else " "
            return f"{in_words(value // scale)} {word}{joint if rest else ''}{in_words(rest)}"
    if value >= 100:
        rest = value % 100
        return f"{UNITS[value // 100 - 1]} hundred{' and ' if rest else ''}{in_words(rest)}"
    if value >= 20:
        return TENS[value // 10 - 2] + (f"-{UNITS[value % 10 - 1]}" if value % 10 else "")
    return UNITS[value - 1] if value else ""


@given(st.integers(1, 10**12 - 1))
@example(1_000_001)
@example(100_100)
def test_numbers_in_words(value: int) -> None:
    assert read(in_words(value)) == Estimate(value)


@given(statements(forms=("estimate", "range", "about", "at_least", "at_most")))
def test_what_a_statement_prints_reads_back(statement: Statement) -> None:
    text = str(statement)
    doubtful = re.search(r"(?<![0-9.,])[1-9][0-9]{0,2}\.[0-9]{3}(?![0-9])", text)
    low, high = getattr(statement, "low", None) or 0.0, getattr(statement, "high", None) or 0.0
    shorthand = 1 <= low < 1000 and 1000 * low < high  # "10 to 12,000" may mean 10,000
    if doubtful or shorthand or "excess" in text:
        return
    assert read(text) == statement
