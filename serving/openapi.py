"""The OpenAPI document: every route, every status it can answer with, and the ranges of the schema."""

from collections.abc import Iterable
from typing import Any

from _bentoml_sdk import IODescriptor
from _bentoml_sdk.io_models import IORootModel
from _bentoml_sdk.method import APIMethod
from pydantic import BaseModel, Field, TypeAdapter

OPEN_INFERENCE = "https://github.com/kserve/open-inference-protocol"
_REF = "#/components/schemas/{model}"


class Error(BaseModel):
    """What every error looks like."""

    error: str = Field(description="one sentence", examples=["forehead_width_cm is 99; expected a number"])
    detail: list[Any] = Field(description="machine-readable items behind the sentence")


_ERRORS = {
    400: "malformed or implausible; the sentence names the place, what came and what was expected",
    401: "the key is missing or wrong",
    405: "another method is expected here",
    413: "the body is too large",
    415: "the body is not application/json",
    429: "too many requests at once; `Retry-After` says when to try again",
    503: "overloaded, shutting down or without a model",
}
_UNKNOWN = "no prediction has this id"
_PLAIN = {
    "/livez": ("The process is alive", "text/plain"),
    "/readyz": ("Requests are answered", "text/plain"),
    "/metrics": ("Prometheus metrics", "text/plain"),
    "/docs.json": ("This document", "application/json"),
}


def _adapter(spec: type[IODescriptor]) -> TypeAdapter[Any]:
    # A root model of bentoml's is an object with the one field `root`, until bentoml dumps it.
    shown: Any = spec.model_fields["root"].annotation if issubclass(spec, IORootModel) else spec
    return TypeAdapter(shown)


def document(
    title: str, description: str, version: str, apis: Iterable[APIMethod[..., Any]], keys: bool
) -> dict[str, Any]:
    """Describe the service as OpenAPI 3.1.

    Args:
        apis: the BentoML API methods, whose input and output are pydantic models.
        keys: whether a key is needed.
    """
    methods = list(apis)
    specs = [spec for method in methods for spec in (method.input_spec, method.output_spec)]
    schemas, definitions = TypeAdapter.json_schemas(
        [*((spec, "validation", _adapter(spec)) for spec in specs), (Error, "validation", TypeAdapter(Error))],
        ref_template=_REF,
    )
    error = {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}
    components: dict[str, Any] = {"schemas": definitions["$defs"]}
    if keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    paths: dict[str, Any] = {}
    for method in methods:
        paths[method.route] = {
            "post": {
                "operationId": method.name,
                "summary": (method.doc or method.name).strip().splitlines()[0],
                "tags": ["predict"],
                **({"security": [{"key": []}]} if keys else {}),
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": schemas[method.input_spec, "validation"]}},
                },
                "responses": {
                    "200": {
                        "description": "the answer",
                        "content": {"application/json": {"schema": schemas[method.output_spec, "validation"]}},
                    },
                    **{
                        str(status): {"description": text, "content": error}
                        for status, text in _ERRORS.items()
                        if keys or status != 401
                    },
                    **({"404": {"description": _UNKNOWN, "content": error}} if method.name == "feedback" else {}),
                },
            }
        }
    for path, (text, content) in _PLAIN.items():
        answer = {"description": text, "content": {content: {}}}
        failures = {"503": {"description": "not now", "content": error}} if path == "/readyz" else {}
        paths[path] = {"get": {"summary": text, "tags": ["operate"], "responses": {"200": answer, **failures}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": version},
        "externalDocs": {"description": "/v2 speaks the Open Inference Protocol", "url": OPEN_INFERENCE},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": components,
    }
