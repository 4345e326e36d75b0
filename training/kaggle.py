"""The public data set, fetched from Kaggle by whoever has an account there."""

from pathlib import Path

from training.stage import TrainingError

_HOW = (
    "get a token at https://www.kaggle.com/settings (API, Create New Token) and save it as ~/.kaggle/kaggle.json, "
    "or set KAGGLE_USERNAME and KAGGLE_KEY; or download the file yourself and run `make train DATA=path/to/it.csv`"
)


def fetch(name: str) -> Path:
    """Download a file, or find it in kagglehub's cache.

    Args:
        name: owner/data set/file.

    Raises:
        TrainingError: no credentials, no network, no such file. The message says how to get a token.
    """
    import kagglehub
    from kagglehub.exceptions import BackendError, CredentialError, DataCorruptionError, UnauthenticatedError

    handle, _, file = name.rpartition("/")
    try:
        return Path(kagglehub.dataset_download(handle, path=file))
    # OSError covers the network: requests' exceptions derive from it.
    except (OSError, ValueError, BackendError, CredentialError, DataCorruptionError, UnauthenticatedError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise TrainingError(f"Kaggle did not give {name} ({reason}): {_HOW}") from error
