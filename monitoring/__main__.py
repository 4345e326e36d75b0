"""The monitor: python -m monitoring watches until it is stopped, --once looks once, makes a report and ends."""

import argparse
import signal
import sys
import threading

from monitoring import pages
from monitoring.monitor import Monitor
from monitoring.settings import MonitorError, Settings


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring", description=__doc__)
    parser.add_argument("--once", action="store_true", help="look once, make a report, end")
    once = parser.parse_args(arguments).once
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        settings = Settings.from_environment()
        monitor = Monitor(settings, say)
        if once:
            monitor.look(report=True)
            return
        server = pages.serve(
            settings.monitor_host, settings.monitor_port, settings.monitor_folder, monitor.gauges.registry
        )
    except MonitorError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: port {settings.monitor_port} of {settings.monitor_host} cannot be used: {error.strerror}")
    say(f"reports on http://{settings.monitor_host}:{settings.monitor_port}, metrics at /metrics; Ctrl-C stops")
    while not stopped.is_set():
        monitor.look()
        stopped.wait(settings.monitor_interval_seconds)
    server.shutdown()
    monitor.close()


if __name__ == "__main__":
    main(sys.argv[1:])
