"""Whether a TCP port can be served on: `python -m serving.port 3000` ends in one sentence if not."""

import socket
import sys


class PortError(Exception):
    """The message is one sentence for whoever starts the server."""


def require_free(port: int, host: str = "") -> None:
    """Raise PortError unless a server could listen on the port of the host's address, by default on every interface."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: connections of the last run that are still closing do not count. SO_REUSEPORT is left out on
        # purpose, with it two servers would share a port and its requests without a word.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except PermissionError:
            raise PortError(f"port {port} needs an administrator's rights") from None
        except OverflowError:
            raise PortError(f"port {port} does not exist, they go from 1 to 65535") from None
        except OSError:
            raise PortError(f"port {port} is in use") from None


def require_free_pair(http: int, grpc: int, host: str = "") -> None:
    """Raise PortError unless servers for HTTP and for gRPC could listen; `grpc` 0 is none."""
    require_free(http, host)
    if not grpc:
        return
    other = "set GRPC_PORT to another port, or to 0 for no gRPC"
    if grpc == http:
        raise PortError(f"port {http} is both HTTP's and gRPC's: {other}")
    try:
        require_free(grpc, host)
    except PortError as error:
        raise PortError(f"{error}: {other}") from None


def main(arguments: list[str]) -> None:
    try:
        [port] = map(int, arguments)
    except ValueError:
        sys.exit("usage: python -m serving.port NUMBER")
    try:
        require_free(port)
    except PortError as error:
        sys.exit(f"error: {error}: choose another, as in: make serve PORT={port + 10 if port < 65525 else 3010}")


if __name__ == "__main__":
    main(sys.argv[1:])
