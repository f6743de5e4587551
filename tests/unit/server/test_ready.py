"""The file that says where a server listens."""

import json
import logging

from server.group_state import Snapshot, WorkerState
from server.ready import Readiness

GROUP = Snapshot(workers=(WorkerState(7, serving=True, started_at_s=0.0),), active={"version": "v1"}, generation_pid=5)


def test_it_appears_once_and_goes_with_the_server(tmp_path):
    ready = Readiness(tmp_path / "ready.json", {"port": 1})
    assert not ready.announced
    ready.announce(GROUP)
    facts = json.loads((tmp_path / "ready.json").read_text())
    assert (facts["port"], facts["workers"], facts["generation_pid"], facts["bundle_version"]) == (1, [7], 5, "v1")
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]
    ready.withdraw()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_went_away_stops_no_server_that_serves(tmp_path, caplog):
    ready = Readiness(tmp_path / "gone" / "ready.json", {})
    with caplog.at_level(logging.ERROR):
        ready.announce(GROUP)
    assert ready.announced
    assert "the ready file cannot be written" in caplog.text
    ready.withdraw()
