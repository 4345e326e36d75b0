"""`python -m training.rollback [TAG]`, which is `make rollback`: the store goes back, then MLflow's alias follows."""

import sys

from serving import rollback, store
from training import registry


def main(arguments: list[str]) -> None:
    rollback.main(arguments)
    registry.mirror()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except store.ModelError as error:
        sys.exit(f"error: {error}")
