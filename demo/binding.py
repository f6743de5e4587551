"""binding.toml of the demo: how each input of its ranker is fed."""

from __future__ import annotations

from collections.abc import Sequence

from demo.feeds import NEUTRAL_HOUR, UNKNOWN_COMPLETION
from demo.knowledge import HISTORY_LENGTH
from demo.listens import ACTIVITIES
from demo.names import COUNTRIES
from demo.world import GENRES

_TEMPLATE = """\
# How each input of ranker.onnx is fed. Written by demo/make.py.
version = 1
output = "probabilities[1]"   # [n, 2]: the second column is the probability of a listen

[inputs.candidates]
per = "candidate"
columns = [
    "creator.embedding",
    "creator.genre_mix",
    "creator.followers",
    "creator.release_count",
    "creator.energy",
    "creator.completion_rate",
    "creator.completion_rate.present",
    "creator.verified",
    "retrieval.similarity",
]

[inputs.creator_codes]
per = "candidate"
columns = ["creator.country", "creator.genre"]

[inputs.listener]
per = "request"
columns = ["user.embedding", "user.genre_affinity", "user.age_days", "context.hour"]

[inputs.listener_codes]
per = "request"
columns = ["user.country", "user.favourite_genre", "context.activity"]

[inputs.history]
per = "request"
columns = ["user.history.creator.embedding"]
length = {history_length}

[inputs.history_mask]
per = "request"
columns = ["user.history.mask"]
length = {history_length}

[vocabularies]
"creator.country" = {{ values = {countries}, first = 1, unknown = 0 }}
"creator.genre" = {{ values = {genres}, first = 1, unknown = 0 }}
"user.country" = {{ values = {countries}, first = 1, unknown = 0 }}
"user.favourite_genre" = {{ values = {genres}, first = 1, unknown = 0 }}
"context.activity" = {{ values = {activities}, first = 1, unknown = 0 }}

[defaults]
"context.hour" = {hour}
"context.activity" = ""            # no category of that name: code 0, "not said"
"creator.completion_rate" = {completion}   # new creators have too few listens for one
# The following let a request bring its own embedding and nothing else: a listener nobody knows anything about.
"user.country" = ""
"user.favourite_genre" = ""
"user.age_days" = 0
"user.genre_affinity" = {no_leaning}     # every genre alike
"user.history" = []
"""


def binding_text() -> str:
    """The file's content."""
    return _TEMPLATE.format(
        history_length=HISTORY_LENGTH,
        countries=_listed(COUNTRIES),
        genres=_listed(GENRES),
        activities=_listed(ACTIVITIES),
        hour=NEUTRAL_HOUR,
        completion=UNKNOWN_COMPLETION,
        no_leaning=round(1.0 / len(GENRES), 4),
    )


def _listed(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
