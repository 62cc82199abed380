"""The weights of units and the floor of evidence, chosen on questions with and without an answer.

    python benchmarks/calibrate.py [--store DIR] [--weights]

Reads ../shared/data/docs and ../shared/data/piaf-fr with the questions in benchmarks/questions. Printed: for each language
what the parts of the evidence are worth (a logistic regression), the curve of the floor by what is built in (share of the
questions without an answer that is refused, share of the answerable ones that is lost, and of those answered rightly), and
its best point; with --weights first the weights of
`quoting/scoring.py`: a listwise regression on the questions of the part "tune" and on those of PIAF that answers.py does
not ask. Nothing is written: what is chosen is a constant in the program.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from answers import answered, counted
from asking import Asked, holds, of_piaf, open_store, written
from scipy.optimize import minimize

from openrag_cli.answering.extractive import ExtractiveModel
from openrag_cli.answering.quoting.asked import read_question
from openrag_cli.answering.quoting.evidence import ELSEWHERE, ENGLISH, Evidence, Measure, evidence
from openrag_cli.answering.quoting.names import missing_names
from openrag_cli.answering.quoting.scoring import WEIGHTS
from openrag_cli.answering.quoting.units import Unit, n_words
from openrag_cli.engine import Engine

OTHERS_OF_PIAF = 400
FRENCH = 60.0
"""What the questions of PIAF count together in the weights, where an English one counts two."""

BRIEF_WORDS = 20
"""A unit with more words than this is a lesser answer, in proportion."""

LOSS = 5 / 3
"""How much worse it is to refuse a question that has an answer than to answer one that has none: the bar is 95% refused
and 3% lost."""

EVEN = 0.01
"""Of floors whose gain differs by no more than this the lowest is best: it loses least."""

NAMES = list(WEIGHTS)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the program measures of a question: `float[unit, weight]`, the worth of each unit as an answer, evidence."""

    asked: Asked
    values: np.ndarray
    worth: np.ndarray
    evidence: Evidence
    is_named: bool
    is_right: bool


def measured(engine: Engine, asked: Asked) -> Measured:
    """Return what is measured of a question."""
    parts = engine.parts
    model = ExtractiveModel(
        lambda: parts.embedder,
        lambda text: read_question(text, parts.tokenizer, parts.word_counts),
    )
    _, passages = asyncio.run(answered(engine, asked))
    examined = model.examine(asked.question, [passage for passage in passages if passage.score > 0])
    values = [[one.values[name] for name in NAMES] for one in examined.found]
    shown = [one.unit.shown for one in examined.found]
    worth = [float(holds(text, asked.answers)) / max(1.0, n_words(text) / BRIEF_WORDS) for text in shown]
    return Measured(
        asked,
        np.array(values).reshape(-1, len(NAMES)),
        np.array(worth),
        evidence(passages, examined.found),
        bool(missing_names(asked.question, passages)),
        bool(examined.found) and is_right(examined.best(), asked),
    )


def is_right(units: Sequence[Unit], asked: Asked) -> bool:
    """Whether an answer of such units holds what was asked for among the words that count."""
    return holds(counted("\n\n".join(unit.shown for unit in units), len(units)), asked.answers)


def fitted(cases: Sequence[tuple[float, Measured]], l2: float = 0.1) -> np.ndarray:
    """Return the weights that make the units which hold the answers most certain; each case with what it counts."""
    useful = [(count, case.values, case.worth / case.worth.sum()) for count, case in cases if case.worth.sum() > 0]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = l2 * float(weights @ weights), 2 * l2 * weights
        for count, values, worth in useful:
            scores = values @ weights
            certain = np.exp(scores - scores.max())
            certain /= certain.sum()
            share = certain @ worth
            right = certain * worth / share
            total -= count * np.log(share)
            slope = slope - count * values.T @ (right - certain)
        return total, slope

    return minimize(loss, np.zeros(len(NAMES)), jac=True, method="L-BFGS-B").x


def fitted_evidence(answerable: Sequence[Measured], others: Sequence[Measured], l2: float = 8.0) -> np.ndarray:
    """Return what the parts of the evidence are worth, so that they tell the two kinds of questions apart best."""
    values = np.array([astuple(case.evidence) for case in [*answerable, *others]])
    spread = values.std(axis=0) + 1e-9
    values = np.c_[values / spread, np.ones(len(values))]
    is_right = np.array([True] * len(answerable) + [False] * len(others))
    counts = np.where(is_right, 0.5 / len(answerable), 0.5 / len(others)) * len(values)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        chance = 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))
        off = np.where(is_right, np.log(chance + 1e-12), np.log(1 - chance + 1e-12))
        slope = -values.T @ (counts * (is_right - chance))
        ridge = l2 * np.array([*weights[:-1], 0.0])
        return float(-(counts * off).sum() + 0.5 * ridge @ weights), slope + ridge

    bounds = [(0, None)] * len(spread) + [(None, None)]
    weights = minimize(loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds).x[:-1] / spread
    return weights / max(weights.max(), 1e-9)


def print_curve(answerable: Sequence[Measured], others: Sequence[Measured], measure: Measure) -> float:
    """Print what each floor refuses and loses, and return the best: that of the most refused less `LOSS` times lost."""
    answerable = [case for case in answerable if not case.is_named]
    totals = np.array([case.evidence.total(measure) for case in answerable])
    rights = np.array([case.evidence.total(measure) for case in answerable if case.is_right])
    wrongs = np.array([case.evidence.total(measure) for case in others if not case.is_named])
    n_named = len(others) - len(wrongs)
    floors = np.round(np.arange(np.quantile(totals, 0.005), np.quantile(totals, 0.15), 0.01), 2)
    rows = [
        (floor, (n_named + (wrongs < floor).sum()) / len(others), (totals < floor).mean(), (rights < floor).mean())
        for floor in floors
    ]
    gains = [refused - LOSS * lost for _, refused, lost, _ in rows]
    best = next(row for row, gain in zip(rows, gains, strict=True) if gain >= max(gains) - EVEN)
    for row in [*rows[:: max(1, len(rows) // 24)], best]:
        floor, refused, lost, right = row
        mark = f"  best; {n_named} by name" if row is best else ""
        print(
            f"  floor {floor:5.2f}: {refused:6.1%} refused, {lost:6.1%} lost, {right:6.1%} of the right answers{mark}"
        )
    return float(best[0])


def right_share(cases: Sequence[Measured], weights: np.ndarray) -> float:
    """Return how often the best unit holds the answer."""
    return float(
        np.mean([bool(case.worth[np.argmax(case.values @ weights)]) if len(case.worth) else False for case in cases])
    )


def main() -> None:
    """Measure, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, help="folder of the stores to keep; default: a temporary one")
    parser.add_argument("--weights", action="store_true", help="find the weights of units too")
    arguments = parser.parse_args()
    asked, others = of_piaf()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.store or Path(scratch)
        with open_store(root, "docs") as engine:
            tune = [measured(engine, one) for one in written("docs", "tune")]
            check = [measured(engine, one) for one in written("docs", "check")]
            none = [measured(engine, one) for one in written("docs-none")]
        with open_store(root, "piaf") as engine:
            french = [measured(engine, one) for one in asked]
            none_french = [measured(engine, one) for one in written("piaf-none")]
            rest = others[:: max(1, len(others) // OTHERS_OF_PIAF)] if arguments.weights else []
            tune_french = [measured(engine, one) for one in rest]
    if arguments.weights:
        share = FRENCH / max(1, len(tune_french))
        weights = fitted([(2.0, case) for case in tune] + [(share, case) for case in tune_french])
        for name, value in zip(NAMES, weights, strict=True):
            print(f'    "{name}": {value:.2f},')
        for label, cases in (("tune", tune), ("check", check), ("PIAF", french)):
            print(f"  {label}: {right_share(cases, weights):.3f} with the answer in the best unit")
    for label, answerable, off, measure in (
        ("English", [*tune, *check], none, ENGLISH),
        ("French", french, none_french, ELSEWHERE),
    ):
        names = [part.name for part in fields(Evidence)]
        worth = zip(names, fitted_evidence(answerable, off), strict=True)
        print(f"{label}, fitted: " + ", ".join(f"{name} {value:.3f}" for name, value in worth))
        built_in = ", ".join(f"{name} {getattr(measure, name):.3f}" for name in names)
        print(f"  built in: {built_in}; floor {measure.floor}")
        print_curve(answerable, off, measure)


if __name__ == "__main__":
    main()
