"""Names for creators that a person likes to read, put together from the lists in words.toml."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from importlib.resources import files

import numpy as np

_WORDS = tomllib.loads((files("demo") / "words.toml").read_text(encoding="utf-8"))
_PEOPLE: dict[str, dict[str, list[str]]] = _WORDS["people"]
_ADJECTIVES, _NOUNS, _SYLLABLES = _WORDS["adjectives"], _WORDS["nouns"], _WORDS["syllables"]
COUNTRIES = tuple(_PEOPLE)
_PLAIN = str.maketrans("łŁøØßæ", "lLoOsa")  # letters that have no plain base letter to fall back to


def _person(rng: np.random.Generator, country: str) -> str:
    words = _PEOPLE[country]
    return f"{rng.choice(words['given'])} {rng.choice(words['family'])}"


def _band(rng: np.random.Generator, _country: str) -> str:
    adjective, (noun, other) = rng.choice(_ADJECTIVES), rng.choice(_NOUNS, 2, replace=False)
    forms = [f"The {adjective} {_plural(noun)}", f"{adjective} {noun}", f"{noun} & {other}", f"{adjective} {noun} Orchestra"]
    return str(rng.choice(forms, p=[0.4, 0.35, 0.2, 0.05]))


def _plural(noun: str) -> str:
    if noun.endswith("s"):
        return f"{noun}es"
    return f"{noun[:-1]}ies" if noun.endswith(("rry", "ony")) else f"{noun}s"


def _alias(rng: np.random.Generator, _country: str) -> str:
    word = "".join(rng.choice(_SYLLABLES, rng.integers(2, 4))).capitalize()
    return str(rng.choice([f"DJ {word}", word, f"{word} {rng.choice(_NOUNS)}"], p=[0.35, 0.25, 0.4]))


def _show(rng: np.random.Generator, _country: str) -> str:
    adjective, noun = rng.choice(_ADJECTIVES), rng.choice(_NOUNS)
    return f"{rng.choice(['The', 'My', 'Our'])} {adjective} {noun} {rng.choice(['Hour', 'Show', 'Diaries', 'Tapes', 'Hotline'])}"


_KINDS = {"person": _person, "band": _band, "alias": _alias, "show": _show}


def name_creators(rng: np.random.Generator, kinds: list[str], countries: list[str]) -> list[str]:
    """One name per creator, no two alike. kinds: person, band, alias or show; countries: members of COUNTRIES; aligned."""
    seen: set[str] = set()
    names = []
    for kind, country in zip(kinds, countries, strict=True):
        name = _fresh(rng, kind, country, seen)
        seen.add(slug(name))
        names.append(name)
    return names


def _fresh(rng: np.random.Generator, kind: str, country: str, seen: set[str]) -> str:
    """A name whose slug nobody has: a few draws, then a Roman numeral, as with kings."""
    for _ in range(8):
        name = _KINDS[kind](rng, country)
        if slug(name) not in seen:
            return name
    numerals = ("II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
    return next(f"{name} {numeral}" for numeral in numerals if slug(f"{name} {numeral}") not in seen)


def slug(name: str) -> str:
    """The creator id of a name: lower-case ASCII words joined by hyphens. "Linnéa Öbrink" becomes "linnea-obrink"."""
    plain = unicodedata.normalize("NFKD", name.translate(_PLAIN)).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain.lower()))
