"""What the project promises of an evaluation, checked."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.result import EXHAUSTIVE, RETRIEVAL, SLATE, Evaluation, Row

SCORE_TOLERANCE = 1e-5
LARGEST_LOSS = 0.01
SERVED_DIFFERENCE = "largest difference of served and trainer's scores"
SLATE_DIFFERENCE = "largest difference of a slate's scores and the exhaustive ones"


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence, and whether it holds."""

    text: str
    holds: bool


def claims(found: Evaluation, least_ndcg: float | None = None) -> tuple[Claim, ...]:
    """Every claim that the evaluation can judge. least_ndcg: of the slate, where one is asked for."""
    checked = [] if least_ndcg is None else [_at_least(found, least_ndcg)]
    for name, gain in found.gains.items():
        if "loses" in name:
            checked.append(
                Claim(f"the slate loses at most {LARGEST_LOSS:.0%} NDCG@20 against {EXHAUSTIVE}: {gain.mean:.2%}", gain.mean <= LARGEST_LOSS)
            )
        elif f"minus {RETRIEVAL}" in name:
            continue  # shown, not promised: a ranker that also lifts new creators may cost known ones
        else:
            checked.append(Claim(f"{name}, is above zero: {gain.mean:.4f} ({gain.low:.4f} to {gain.high:.4f})", gain.low > 0.0))
    for name in (SERVED_DIFFERENCE, SLATE_DIFFERENCE):
        if name in found.facts:
            value = float(found.facts[name])
            checked.append(Claim(f"{name} is at most {SCORE_TOLERANCE:g}: {value:.1e}", value <= SCORE_TOLERANCE))
    return tuple(checked)


def _at_least(found: Evaluation, least: float) -> Claim:
    value = row_of(found.main, SLATE).intervals["NDCG@20"].mean
    return Claim(f"NDCG@20 of the {SLATE} is at least {least:g}: {value:.4f}", value >= least)


def row_of(rows: tuple[Row, ...], name: str) -> Row:
    """The row of one method."""
    return next(row for row in rows if row.name == name)
