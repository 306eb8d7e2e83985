"""Where a server listens: taken before anything is loaded, or refused with the reason."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tuneport.errors import ConfigError
from tuneport.serving import Service


@contextmanager
def bound(service: Service) -> Iterator[socket.socket]:
    """The address, taken before anything is loaded. Raises ConfigError saying why it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            service.host, service.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"{service.host} is no address of this machine: {error.strerror or error}.") from None
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
        except OSError as error:
            raise ConfigError(
                f"port {service.port} of {service.host} cannot be had: {error.strerror or error}.",
                remedy="Choose another with --port; 0 takes a free one.",
            ) from None
        yield listening
