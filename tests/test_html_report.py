"""The page: complete, self-contained, and safe whatever sources are called."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reliability import (
    Claim,
    Combination,
    Estimate,
    Floor,
    Heavy,
    Model,
    Source,
    Void,
    Wide,
    combine,
    priors,
)
from reliability.__main__ import main
from reliability.demo import founding_case
from reliability.errors import ReliabilityError
from reliability.html_report import as_page
from reliability.model_text import model_text

HOSTILE = [
    Claim(
        Source("<script>alert(1)</script>", reliability=0.8),
        "about 2,500",
        quantity="</title><img src=x onerror=alert(1)>",
        origin='"><svg onload=alert(1)>',
        date="2024-10-23",
        note="--> </style><b>bold</b>",
        url="https://example.org/?a=1&b=<2>\"'",
    ),
    Claim(
        Source("Ukraine & co", reliability=0.6, interest=1),
        "more than 12,000",
        quantity="</title><img src=x onerror=alert(1)>",
        url="javascript:alert(1)",
    ),
]


def one(claims: Any, **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


class Reader(HTMLParser):
    """Tags that are opened and closed, links, and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data + "\n"


def test_names_stay_text() -> None:
    reader = Reader(as_page([one(HOSTILE, scale="log")]))
    assert not reader.open
    assert not reader.tags & {"script", "img", "b", "iframe", "object"}
    assert "<script>alert(1)</script>" in reader.text
    assert "--> </style><b>bold</b>" in reader.text
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    links = [value for tag, name, value in reader.attributes if (tag, name) == ("a", "href")]
    assert links == ["https://example.org/?a=1&b=<2>\"'"]


def test_nothing_is_loaded() -> None:
    reader = Reader(as_page([one(HOSTILE, scale="log")]))
    for tag, name, value in reader.attributes:
        if name in {"src", "href", "xlink:href", "data", "action"} and tag != "a":
            assert value.startswith("#"), (tag, name, value)
    assert "@import" not in as_page([one(HOSTILE, scale="log")])


def test_identifiers_are_unique_and_found() -> None:
    page = as_page([one(HOSTILE, scale="log"), one(HOSTILE, scale="log")])
    names = re.findall(r'\bid="([^"]*)"', page)
    assert len(names) == len(set(names))
    used = set(re.findall(r'(?:url\(|href=")#([^")]*)', page))
    assert used <= set(names)


def test_the_page_says_what_the_text_says() -> None:
    result = one(founding_case()["one origin, with interests"], scale="log")
    text = " ".join(Reader(as_page([result])).text.split())
    for sentence in (
        "Best estimate 2,700; 95% of the probability lies between",
        "Most depends on US officials",
        "dispatched to Russia",
        "2024-10-23",
        "interest: 1",
        "The quantity is a positive magnitude",
        "does not count: it repeats",
    ):
        assert sentence in text, sentence
    assert f"{result.estimate:.6g}" in text


def test_the_same_result_gives_the_same_page() -> None:
    pages = {as_page([one(HOSTILE, scale="log")]) for _ in range(2)}
    assert len(pages) == 1


def test_one_claim_and_results_without_moments() -> None:
    page = Reader(as_page([one([("A", "10 +- 1")])])).text
    assert "There is no second piece of evidence" in page
    assert "does not exist" in page


def test_where_nothing_can_be_varied_there_is_no_such_section() -> None:
    alone = as_page([one([("A", "10 +- 1")], model=Model.common_effect())])
    assert "Would it change?" not in alone
    assert "Would it change?" in as_page([one([("A", "10 +- 1"), ("B", "12 +- 1")])])


def test_no_result_is_refused() -> None:
    with pytest.raises(ReliabilityError, match="at least one result"):
        as_page([])


def test_report_and_command_line_write_it(tmp_path: Path) -> None:
    claims = tmp_path / "claims.csv"
    claims.write_text("source,statement,quantity\nA,10 +- 1,x\nB,12 +- 1,x\nC,5 +- 1,y\n")
    page = tmp_path / "report.html"
    assert main(["combine", str(claims), "--html", str(page)]) == 0
    written = page.read_text(encoding="utf-8")
    assert written.count("<section>") == 2
    own = tmp_path / "own.html"
    one([("A", "10 +- 1")]).report(own)
    assert own.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_command_line_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = tmp_path / "claims.csv"
    claims.write_text("source,statement\nA,10 +- 1\n")
    assert main(["combine", str(claims), "--html", str(tmp_path / "none" / "page.html")]) == 2
    assert "No such file" in capsys.readouterr().err
    arguments = ["--by", "quantity", "-o", str(tmp_path / "out.csv"), "--html", "page.html"]
    assert main(["combine", str(claims), *arguments]) == 2
    assert "--html does not go with --by" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser Chromium")
def test_a_browser_reads_it(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    one(HOSTILE, scale="log").report(page)
    found = subprocess.run(  # noqa: S603
        [  # noqa: S607
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    reader = Reader(found.stdout)
    assert "<script>alert(1)</script>" in html.unescape(reader.text)
    assert not reader.tags & {"script", "img", "b"}
    assert len(re.findall("<svg", found.stdout)) == 4


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Model(), "may be wrong by any amount"),
        (Model(unsound=Floor(10)), "between what it states and 10 times that"),
        (Model(unsound=Wide(5)), "has 5 times the uncertainty it states."),
        (Model(unsound=Heavy(5, df=2)), "2 degrees of freedom"),
        (Model(unknown_reliability=0.7), "are sound with probability 70%"),
        (Model(inflation=priors.Pareto(3.0)), "too small by a common factor"),
        (Model(heterogeneity=priors.HalfNormal(1.0)), "by a common amount"),
        (Model(shared=0.5), "0.5 times the smallest stated uncertainty"),
        (Model(dependence=0.4), "between origins, errors go together by 0.4"),
        (Model.common_effect(), "as good as it says, whoever makes it"),
    ],
)
def test_every_assumption_is_said(model: Model, words: str) -> None:
    text = " ".join(model_text(one([("A", Estimate(10, sd=1)), ("B", "12 +- 1")], model=model)))
    assert words in text


def test_priors_scales_and_pairs_are_said() -> None:
    claims = [("A", Estimate(10, sd=1)), ("B", "12 +- 1")]
    proper = one(claims, prior=priors.Normal(0, 100), model=Model(unsound=Void()))
    assert "Normal(mean=0, sd=100)" in " ".join(model_text(proper))
    assert "says nothing about the quantity" in " ".join(model_text(proper))
    pairs = one(claims, scale="log", dependence={("A", "B"): 0.5})
    assert "every order of magnitude" in " ".join(model_text(pairs))
    assert "some pairs of sources" in " ".join(model_text(pairs))
    shares = one([("A", "0.3 +- 0.1")], scale="logit")
    assert "all odds are as probable" in " ".join(model_text(shares))
