from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from keygen_driver import HOOKS, Keygen, Receiver, running, start_receiver


@pytest.fixture(scope="session")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("hooks")
    found, server = start_receiver(folder)
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def keygen(receiver: Receiver) -> Iterator[Keygen]:
    """Shared by tests that do not mind each other; whoever moves the clock far takes ``fresh_keygen``."""
    with running("--trust", str(receiver.authority), "--resolve", f"{HOOKS}=127.0.0.1") as found:
        yield found


@pytest.fixture(scope="session")
def movable_keygen(receiver: Receiver) -> Iterator[Keygen]:
    with running("--trust", str(receiver.authority), "--resolve", f"{HOOKS}=127.0.0.1") as found:
        yield found


@pytest.fixture
def fresh_keygen(movable_keygen: Keygen) -> Keygen:
    """An empty one at the present instant, whose clock may be moved at will."""
    movable_keygen.control("/reset")
    movable_keygen.control("/clock", {"now": datetime.now(UTC).isoformat()})
    movable_keygen.login()
    return movable_keygen
