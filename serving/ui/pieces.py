"""POST /ui/rows: a piece of a CSV file in, predictions and reasons for refusals out.

A file goes through in pieces, so its progress shows and no worker has to remember it: each piece carries the header.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pydantic_core
from starlette.requests import Request
from starlette.responses import Response

from serving.errors import error_response
from serving.predictor import Predictor
from serving.schema import CLASSES, NAMES
from serving.ui.csvfile import HeaderError, Piece, read
from serving.ui.texts import texts

COLUMNS = ("line", *NAMES, "label", "probability", *CLASSES, "outlier", "prediction_id", "model")


async def answer_piece(request: Request, predictor: Callable[[], Predictor]) -> Response:
    """Answer `{"columns", "rows", "rejected"}`: rows as lists in the order of the columns, rejected as [line, reason].

    The query says the number of the line below the header (`first`) and the `language` of the reasons.
    """
    first = request.query_params.get("first", "2")
    if not (first.isdecimal() and len(first) < 10):
        return error_response(400, f"first is {first[:20]!r}; expected the number of a line")
    try:
        text = (await request.body()).decode()
        piece = await asyncio.to_thread(read, text, int(first), texts(request.query_params.get("language")))
    except UnicodeDecodeError:
        return error_response(400, "the piece is not text in UTF-8")
    except HeaderError as error:
        return error_response(400, str(error))
    answers = _answers(predictor(), piece)
    content = pydantic_core.to_json({"columns": COLUMNS, "rows": answers, "rejected": piece.rejected})
    return Response(content, media_type="application/json")


def _answers(predictor: Predictor, piece: Piece) -> list[list[Any]]:
    predictor.refused(piece.implausible)
    if not piece.lines:
        return []
    predictions = predictor.predict(piece.values, "ui").to_dicts()
    return [
        [
            line,
            *row,
            each["label"],
            each["probability"],
            *each["probabilities"].values(),
            each["outlier"],
            each["prediction_id"],
            each["model"],
        ]
        for line, row, each in zip(piece.lines, piece.values.tolist(), predictions, strict=True)
    ]
