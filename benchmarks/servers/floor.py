"""The least that answers a row over HTTP in Python: uvicorn, msgspec and the closed form. No router, no guard."""

import sys
from math import exp, log, tau
from typing import Any

import msgspec
import uvicorn
from given import model

GIVEN = model()
CLASSES = GIVEN["classes"]
TERMS = [
    (prior - 0.5 * sum(log(tau * v) for v in var), list(zip(mean, (0.5 / v for v in var), strict=True)))
    for prior, mean, var in zip(GIVEN["log_prior"], GIVEN["mean"], GIVEN["var"], strict=True)
]
Row = msgspec.defstruct("Row", [(name, float) for name in GIVEN["features"]])
Rows = msgspec.defstruct("Rows", [("rows", list[Row])])  # type: ignore[valid-type]
ONE, MANY = msgspec.json.Decoder(Row), msgspec.json.Decoder(Rows)
ENCODER = msgspec.json.Encoder()


def predict(row: Any) -> dict[str, Any]:
    values = msgspec.structs.astuple(row)
    joint = [c - sum(h * (x - m) ** 2 for x, (m, h) in zip(values, terms, strict=True)) for c, terms in TERMS]
    top = max(joint)
    weights = [exp(j - top) for j in joint]
    total = sum(weights)
    return {
        "label": CLASSES[joint.index(top)],
        "probabilities": {name: weight / total for name, weight in zip(CLASSES, weights, strict=True)},
    }


async def app(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    answer: Any = None
    if scope["path"] == "/predict_one":
        answer = predict(ONE.decode(body))
    elif scope["path"] == "/predict":
        answer = [predict(row) for row in MANY.decode(body).rows]
    content = ENCODER.encode(answer)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), lifespan="off", access_log=False, loop="uvloop", http="httptools"
    )
