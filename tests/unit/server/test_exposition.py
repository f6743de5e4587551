"""/metrics: what the workers counted, in the format of Prometheus."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from domain.diagnosis import CostLine
from domain.slate import Degradation, DegradationReason, Stage
from engine.cost_model import CostModel
from server.telemetry.board import Board
from server.telemetry.exposition import BoardCollector, GroupCollector
from server.telemetry.meter import Meter
from tests.unit.server.small_world import recommended


def samples(*collectors):
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_the_rows_of_all_workers_are_summed():
    board = Board.create(2)
    for place, duration_s in ((0, 0.004), (1, 0.3)):
        meter = Meter(board.row(place))
        meter.begin()
        meter.end(0, duration_s, recommended(degradations=(Degradation(Stage.RANK, DegradationReason.DEADLINE, 2, 1),)), logged=place == 0)
    Meter(board.row(0)).begin()
    got = samples(BoardCollector(board))
    assert got["earshot_requests_total", ("code", "OK")] == 2
    assert got["earshot_request_duration_seconds_count",] == 2
    assert round(got["earshot_request_duration_seconds_sum",], 6) == 0.304
    assert got["earshot_request_duration_seconds_bucket", ("le", "0.005")] == 1
    assert got["earshot_request_duration_seconds_bucket", ("le", "0.5")] == 2
    assert got["earshot_stage_duration_seconds_count", ("stage", "rank")] == 2
    assert got["earshot_degradations_total", ("reason", "deadline"), ("stage", "rank")] == 2
    assert got["earshot_creators_total", ("count", "served")] == 4
    assert got["earshot_creators_removed_total", ("filter", "excluded")] == 2
    assert got["earshot_requests_in_flight",] == 1
    assert got["earshot_access_lines_suppressed_total",] == 1


def test_each_workers_costs_stand_by_themselves_and_the_latest_counts():
    board = Board.create(2)
    for place, fixed_s in ((0, 0.5), (0, 0.001), (1, 0.002)):
        lines = (CostLine(Stage.RANK, "", fixed_s, 1e-5, 1.0, 0.004), CostLine(None, "", 0.0001, 0.0, 1.0, 0.0002))
        Meter(board.row(place)).tell_costs(lines)
    got = {name: value for name, value in samples(BoardCollector(board)).items() if name[0] == "earshot_cost_seconds"}
    rank = {(dict(labels)["worker"], dict(labels)["part"]): value for (_, *labels), value in got.items() if dict(labels)["stage"] == "rank"}
    expected = {("0", "fixed"): 0.001, ("1", "fixed"): 0.002}
    assert rank == expected | {(worker, part): value for worker in "01" for part, value in (("per_row", 1e-5), ("sure", 0.004))}
    assert {dict(labels)["stage"] for _, *labels in got} == {"rank", "rest"}


def test_every_cost_that_an_engine_tells_has_its_place():
    Meter(Board.create(1).row(0)).tell_costs(CostModel().lines())


def test_a_duration_on_a_bound_falls_into_its_bucket():
    board = Board.create(1)
    meter = Meter(board.row(0))
    meter.begin()
    meter.end(4, 0.005, None, logged=True)
    got = samples(BoardCollector(board))
    assert got["earshot_request_duration_seconds_bucket", ("le", "0.005")] == 1
    assert got["earshot_request_duration_seconds_bucket", ("le", "0.003")] == 0
    assert got["earshot_requests_total", ("code", "DEADLINE_EXCEEDED")] == 1


def test_a_worker_counts_on_where_the_one_before_stopped_but_has_nothing_in_flight():
    board = Board.create(1)
    first = Meter(board.row(0))
    first.begin()
    first.begin()
    first.end(0, 0.001, None, logged=True)
    second = Meter(board.row(0))
    second.begin()
    second.end(0, 0.001, None, logged=True)
    got = samples(BoardCollector(board))
    assert (got["earshot_requests_total", ("code", "OK")], got["earshot_requests_in_flight",]) == (2, 0)


def test_the_numbers_of_the_group_are_told():
    numbers = (("earshot_workers_serving", "help", 3.0, False), ("earshot_worker_restarts", "help", 2.0, True))
    got = samples(GroupCollector(lambda: numbers))
    assert (got["earshot_workers_serving",], got["earshot_worker_restarts_total",]) == (3, 2)
