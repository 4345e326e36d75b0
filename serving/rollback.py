"""Take a promotion back: `python -m serving.rollback [TAG]`. Running servers follow within MODEL_POLL_SECONDS."""

import sys

from serving import store
from serving.schema import MODEL_NAME


def rollback(tag: str = "") -> tuple[str, str]:
    """Move the store's latest back to `tag`, else to the model made before the present one.

    Returns:
        The full tags of before and of now.

    Raises:
        store.ModelError: there is no such model, or it could not be served.
    """
    before = store.resolve()
    if not tag:
        known = store.tags()
        older = known[known.index(before) + 1 :]
        if not older:
            raise store.ModelError(f"there is no older model than {before} in the BentoML model store")
        tag = older[0]
    elif ":" not in tag:
        tag = f"{MODEL_NAME}:{tag}"
    after = store.load(tag).tag
    store.set_latest(after)
    return before, after


def main(arguments: list[str]) -> None:
    try:
        before, after = rollback(*arguments[:1])
    except store.ModelError as error:
        sys.exit(f"error: {error}")
    print(f"{store.LATEST} was {before} and is {after}")


if __name__ == "__main__":
    main(sys.argv[1:])
