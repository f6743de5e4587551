"""What one request costs, by the stages that matter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Costs:
    """Processor seconds that one request is expected to take on an otherwise idle core, for whoever admits requests. Safe to read from any thread.

    least_s: the least useful answer, in similarity order. full_s: the full work of the default profile. Updated while serving.
    """

    least_s: float = 0.0
    full_s: float = 0.0
