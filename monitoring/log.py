"""What the prediction log says about a span of time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import case, func, select
from sqlalchemy.exc import SQLAlchemyError

from monitoring.settings import MonitorError
from serving.log_store import PROBABILITIES, LogStore, feedback, first_id, predictions
from serving.log_url import LogError, check
from serving.model import Floats
from serving.schema import CLASSES, NAMES

MOST_ROWS = 100_000  # of a report or a measure: the newest ones


@dataclass(frozen=True)
class Labelled:
    """n predictions whose truth is known: `probabilities` [n, K] and `codes` int [n], the true class."""

    probabilities: Floats
    codes: NDArray[np.intp]


class Log:
    """Reads the log. Methods raise MonitorError if it cannot be read."""

    def __init__(self, url: str) -> None:
        try:
            check(url)
            self._store = LogStore(url)
        except LogError as error:
            raise MonitorError(str(error)) from error

    def _read(self, query: object) -> pd.DataFrame:
        try:
            if not self._prepared():
                self._store.prepare()
            with self._store.engine.connect() as connection:
                result = connection.execute(query)  # type: ignore[call-overload]
                return pd.DataFrame(result.all(), columns=list(result.keys()))
        except (SQLAlchemyError, OSError) as error:
            why = str(error).split("\n", 1)[0]
            raise MonitorError(f"the prediction log cannot be read: {why}") from error

    def _prepared(self) -> bool:
        # The service may never have written: an empty log is not an error.
        return not self._store.vanished() and self._store.ready

    def models(self, since: float) -> dict[str, int]:
        """Return how many predictions each model made since a time (seconds since 1970), the newest model first."""
        query = (
            select(predictions.c.model, func.count().label("rows"), func.max(predictions.c.prediction_id).label("last"))
            .where(predictions.c.prediction_id >= first_id(since))
            .group_by(predictions.c.model)
        )
        found = self._read(query).sort_values("last", ascending=False)
        return dict(zip(found["model"], map(int, found["rows"]), strict=True))

    def labelled(self, model: str, since: float) -> Labelled:
        """Return the predictions of a model since a time whose truth is known."""
        joined = predictions.join(feedback, predictions.c.prediction_id == feedback.c.prediction_id)
        query = (
            select(feedback.c.actual, *(predictions.c[name] for name in PROBABILITIES))
            .select_from(joined)
            .where(predictions.c.prediction_id >= first_id(since), predictions.c.model == model)
            .order_by(predictions.c.prediction_id.desc())
            .limit(MOST_ROWS)
        )
        found = self._read(query)
        codes = np.array(pd.Categorical(found["actual"], categories=list(CLASSES)).codes, dtype=np.intp)
        probabilities = found[list(PROBABILITIES)].to_numpy(dtype=np.float64)
        return Labelled(probabilities[codes >= 0], codes[codes >= 0])

    def outside(self, model: str, since: float, ranges: dict[str, tuple[float, float]]) -> dict[str, float]:
        """Return, by feature, the share of a model's rows since a time that lie outside a range."""
        shares = [
            func.avg(case((predictions.c[name].between(low, high), 0.0), else_=1.0)).label(name)
            for name, (low, high) in ranges.items()
        ]
        where = (predictions.c.prediction_id >= first_id(since), predictions.c.model == model)
        [row] = self._read(select(*shares).where(*where)).to_dict("records")
        return {str(name): float(share) for name, share in row.items() if share is not None and pd.notna(share)}

    def rows(self, model: str, since: float) -> pd.DataFrame:
        """Return the newest rows of a model since a time: features, probabilities, label, and actual where known.

        Rows with a feature that is missing or not finite, of another schema's log, are left out.
        """
        joined = predictions.outerjoin(feedback, predictions.c.prediction_id == feedback.c.prediction_id)
        columns = [predictions.c[name] for name in (*NAMES, *PROBABILITIES, "label")]
        query = (
            select(*columns, feedback.c.actual)
            .select_from(joined)
            .where(predictions.c.prediction_id >= first_id(since), predictions.c.model == model)
            .order_by(predictions.c.prediction_id.desc())
            .limit(MOST_ROWS)
        )
        found = self._read(query)
        numbers = found[[*NAMES, *PROBABILITIES]].apply(pd.to_numeric, errors="coerce")
        usable = np.isfinite(numbers.to_numpy(dtype=np.float64)).all(axis=1)
        whole: pd.DataFrame = pd.concat([numbers.astype("float64"), found[["label", "actual"]]], axis=1).loc[usable]
        return whole.reset_index(drop=True)

    def close(self) -> None:
        self._store.engine.dispose()
