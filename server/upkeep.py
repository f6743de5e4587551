"""What a worker does beside answering, a few times a second: probe what nobody can afford, tell what it has learned, look at the drill file."""

from __future__ import annotations

import logging
import threading
import time

from engine.drill import Drill
from engine.probe import Prober
from engine.recommend import Engine
from server import slices
from server.telemetry.logs import LOGGER, log
from server.telemetry.meter import Meter

INTERVAL_S = 0.5
DRILL_INTERVAL_S = 0.25  # who writes a drill file waits for what it does


class Upkeep:
    """Runs on a thread of its own: what hangs in it holds up nobody."""

    def __init__(self, engine: Engine, meter: Meter, drill: Drill | None) -> None:
        self._engine, self._meter, self._drill = engine, meter, drill
        self._prober = Prober(engine)

    def start(self) -> None:
        """From now on until the process ends."""
        threading.Thread(target=self._keep_up, name="upkeep", daemon=True).start()

    def _keep_up(self) -> None:
        slices.compute()  # a probe takes milliseconds: those who read calls go before it
        interval_s = INTERVAL_S if self._drill is None else DRILL_INTERVAL_S
        while True:
            try:
                self.once()
            except Exception:  # noqa: BLE001  # a worker that answers must not lose its upkeep for good
                LOGGER.log(logging.ERROR, "upkeep failed", exc_info=True)
            time.sleep(interval_s)

    def once(self) -> None:
        """Everything that is due."""
        if self._drill is not None:
            self._drill.read()
        self._prober.run()
        self._meter.tell_costs(self._engine.costs.lines())


def announce(sentence: str) -> None:
    """A drill in the log: loudly, since somebody will look for the reason of what it does."""
    log(logging.WARNING, "drill", what=sentence)
