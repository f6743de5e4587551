"""What each shape has to keep to pass.

The numbers are for the demo on two cores (Intel Xeon, virtual) that server and load share. Measured there when they were chosen:

- few other programs running: smoke p95 5 to 6 ms, p99 7 to 12 ms, none failed; average (in 60 s) p95 7 ms, p99 21 ms, 1 of 10,905 calls failed;
  spike p95 9 ms, p99 24 ms, 9 of 16,640 failed; none degraded;
- other programs at work, load average 2 to 6, worst of two to four runs: smoke p95 8 ms, p99 29 ms, 2 of 1,594 failed; spike p95 30 ms, p99 68 ms;
- too busy a machine misses them: of ten runs of smoke with load averages of 2 to 9 three did, p99 162 to 253 ms, 14 to 55 calls failed. In the one
  that was looked into, single workers stood still for 0.1 to 0.4 s while the other one answered. average with a load average of 8: p99 102 ms.

Another bundle or machine needs limits of its own: --limit.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most (of `achieved_share`: the least) that a run may show."""

    failed_share: float  # of all calls: a status but OK, or an answer that makes no sense
    p95_ms: float  # as the caller sees it, failed calls included
    p99_ms: float
    achieved_share: float  # calls made, of those planned: a server that is too slow holds its callers up
    degraded_share: float  # of all calls: answered with less than the full work


LIMITS = {
    "smoke": Limits(
        failed_share=0.005,  # eight calls: a shared machine stalls for a tenth of a second now and then, which a call in a hurry does not survive
        p95_ms=25,  # a tenth of the deadline that most calls have
        p99_ms=50,  # half the deadline of those in a hurry
        achieved_share=0.9,  # 1,600 random moments vary by 2.5 %: four times that
        degraded_share=0.005,  # as with failures, and a little earlier
    ),
    "average": Limits(
        failed_share=0.002,  # the same stalls, among forty times the calls
        p95_ms=25,  # a tenth of the usual deadline, as above: a quarter of the capacity must not be felt
        p99_ms=50,
        achieved_share=0.95,  # chance varies by 0.4 % here; the rest is for locust, which follows a ramp once a second
        degraded_share=0.005,
    ),
    "spike": Limits(
        failed_share=0.005,  # in the first moments of the spike calls may queue longer than those in a hurry can wait
        p95_ms=50,  # most calls are made during the spike: twice the ordinary
        p99_ms=100,  # the deadline of those in a hurry
        achieved_share=0.9,  # locust follows each step up to a second late: 3 % of 30 s
        degraded_share=0.02,  # what deadlines are for; but only at the edge of the spike
    ),
    "soak": Limits(
        failed_share=0.001,  # 360 calls: so many stalls in an hour, but no outage of four seconds
        p95_ms=25,  # an eighth of the capacity, as ordinary as average
        p99_ms=50,
        achieved_share=0.95,
        degraded_share=0.005,
    ),
}
