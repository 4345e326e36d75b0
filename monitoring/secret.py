"""Puts the address of the Discord webhook into Alertmanager's configuration: python -m monitoring.secret IN OUT.

Alertmanager 0.25 reads it from its configuration only, and a secret must not stand in a file of the repository.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from string import Template


class SecretError(Exception):
    """The message is one sentence for whoever starts Alertmanager."""


def webhook(environment: Mapping[str, str]) -> str:
    """Return the address of the webhook: what the file DISCORD_WEBHOOK_FILE holds, else DISCORD_WEBHOOK_URL.

    Raises:
        SecretError: there is none, or it is not an address.
    """
    url = environment.get("DISCORD_WEBHOOK_URL", "").strip()
    if file := environment.get("DISCORD_WEBHOOK_FILE", ""):
        try:
            url = Path(file).read_text().strip()
        except OSError as error:
            raise SecretError(f"DISCORD_WEBHOOK_FILE: {file} cannot be read: {error.strerror}") from error
    if not url.startswith(("https://", "http://")) or any(mark in url for mark in " \n\"'"):
        # Not repeated: who knows it can write to the channel.
        raise SecretError(
            "DISCORD_WEBHOOK_URL, or the file DISCORD_WEBHOOK_FILE, must hold the webhook's https address"
        )
    return url


def main(arguments: list[str]) -> None:
    try:
        source, target = map(Path, arguments)
    except ValueError:
        sys.exit("usage: python -m monitoring.secret IN OUT")
    try:
        text = Template(source.read_text()).substitute(DISCORD_WEBHOOK_URL=webhook(os.environ))
    except SecretError as error:
        sys.exit(f"error: {error}")
    target.touch(mode=0o600)
    target.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
