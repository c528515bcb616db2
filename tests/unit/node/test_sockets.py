"""Where the driver listens: what a dead one left is cleared, a living one is not pushed away."""

import socket

import pytest

from farthing.model.errors import InvalidError, PermanentError
from farthing.node.sockets import Sockets


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("k")


def listen(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def test_sockets_of_a_dead_driver_are_cleared(folder):
    sockets = Sockets(folder, "d")
    listen(sockets.service).close()
    listen(sockets.registration).close()
    sockets.clear()
    assert not sockets.service.exists()
    assert not sockets.registration.exists()


def test_a_driver_that_listens_is_left_alone_and_said(folder):
    sockets = Sockets(folder, "d")
    with listen(sockets.registration), pytest.raises(PermanentError, match="--instance"):
        sockets.clear()
    assert sockets.registration.exists()


def test_an_instance_of_its_own_is_beside_the_other(folder):
    with listen(Sockets(folder, "d").registration):
        Sockets(folder, "d", "new").clear()
    assert Sockets(folder, "d").registration.exists()


def test_a_path_that_is_too_long_for_a_socket_is_said(folder):
    with pytest.raises(InvalidError, match="longer than a socket's path may be"):
        Sockets(folder / ("x" * 90), "d").clear()
