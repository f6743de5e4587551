"""A held port: shared by our own workers, refused to everybody else."""

import socket

import pytest

from server.ports import PortInUse, check_free, hold, join


def listening(port, *options):
    opened = socket.socket()
    for option in options:
        opened.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        opened.bind(("127.0.0.1", port))
        opened.listen()
    except OSError:
        opened.close()
        raise
    return opened


def test_a_worker_listens_on_a_held_port_and_comes_back_to_it():
    held = hold("127.0.0.1", 0)
    for _ in range(2):
        worker = listening(held.port, socket.SO_REUSEPORT, socket.SO_REUSEADDR)
        socket.create_connection(("127.0.0.1", held.port)).close()
        worker.close()
    held.close()


def test_no_other_server_gets_a_held_port_while_no_worker_listens():
    held = hold("127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        listening(held.port, socket.SO_REUSEADDR).close()
    held.close()


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)])
def test_a_port_that_somebody_listens_on_is_refused_and_named(options):
    with listening(0, *options) as other, pytest.raises(PortInUse, match=f"127.0.0.1:{other.getsockname()[1]}.*in use"):
        hold("127.0.0.1", other.getsockname()[1])


def test_a_second_server_is_refused_before_any_worker_listens():
    first = hold("127.0.0.1", 0)
    again = first.port
    first.close()
    first = hold("127.0.0.1", again)
    with pytest.raises(PortInUse, match="in use"):
        hold("127.0.0.1", again)
    first.close()
    hold("127.0.0.1", again).close()


def test_connections_that_a_stopped_server_left_behind_do_not_keep_the_port():
    server = listening(0, socket.SO_REUSEADDR)
    port = server.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    accepted, _ = server.accept()
    accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    client.close()
    server.close()
    hold("127.0.0.1", port).close()


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(PortInUse, match=r"192\.0\.2\.1:.*give --host an address of this machine"):
        hold("192.0.2.1", 50051)


@pytest.mark.parametrize(("plane", "setting"), [("control plane", "--control-port"), ("metrics", "--metrics-port"), ("data plane", "--port")])
def test_a_taken_port_is_refused_with_the_setting_that_helps(plane, setting):
    with (
        listening(0) as other,
        pytest.raises(PortInUse, match=rf"\({plane}\): .*in use; stop the server that uses the port, or choose another with {setting}$"),
    ):
        check_free("127.0.0.1", other.getsockname()[1], plane)


def test_a_free_port_passes_and_stays_free():
    with listening(0) as other:
        port = other.getsockname()[1]
    check_free("127.0.0.1", port, "metrics")
    listening(port).close()


def test_addresses_are_written_as_grpc_reads_them():
    assert [join("127.0.0.1", 1), join("::1", 2), join("[::1]", 3)] == ["127.0.0.1:1", "[::1]:2", "[::1]:3"]
