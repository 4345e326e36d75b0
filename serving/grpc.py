"""The Open Inference Protocol over gRPC: `inference.GRPCInferenceService` with health and reflection beside it.

A server in every worker, all on one port: the kernel spreads connections over them (SO_REUSEPORT).
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc.aio import ServicerContext
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from serving import workers
from serving.admission import Admission
from serving.errors import RequestError
from serving.grpc_tensors import infer
from serving.protos import open_inference_pb2 as pb
from serving.repository import Repository
from serving.settings import Settings
from serving.tracing import traced
from serving.traffic import Traffic

logger = logging.getLogger("bentoml.service")
access_logger = logging.getLogger("bentoml.access")

SERVICE: str = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_GUARDED = ("ModelInfer", "RepositoryModelLoad", "RepositoryModelUnload")
M = TypeVar("M", bound=Message)
# What a call gives may be serialized already.
Answer = Message | bytes
Call = Callable[[Repository, bytes], Awaitable[Answer]]


class GrpcServer:
    """The gRPC server of one worker."""

    def __init__(self, settings: Settings, admission: Admission, repository: Repository, traffic: Traffic) -> None:
        self._settings = settings
        self._admission = admission
        self._repository = repository
        self._traffic = traffic
        options = [
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            # 10,000 rows with every output are .7 MB; an answer is never refused for its size
            ("grpc.max_send_message_length", -1),
        ]
        self._server = grpc.aio.server(options=options)
        self._health = health.aio.HealthServicer()
        self._server.add_generic_rpc_handlers((self._handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        host = os.environ.get(workers.HOST, "0.0.0.0")  # noqa: S104 - as BentoML does for HTTP
        address = f"[{host}]:{settings.grpc_port}" if ":" in host else f"{host}:{settings.grpc_port}"
        if settings.tls_cert:
            pair = (Path(settings.tls_key).read_bytes(), Path(settings.tls_cert).read_bytes())
            self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            self._server.add_insecure_port(address)

    async def start(self) -> None:
        await self._server.start()
        for service in ("", SERVICE):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def not_ready(self) -> None:
        """Answer health checks with NOT_SERVING from now on."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, seconds: float) -> None:
        """Take no new calls, give those in flight some seconds, end."""
        await self._server.stop(seconds)

    def _handlers(self) -> grpc.GenericRpcHandler:
        methods = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for method in methods:
            handle = self._handler(method.name, _CALLS[method.name])
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(
                traced(SERVICE, method.name, handle) if self._settings.tracing else handle,
                response_serializer=_serialize,
            )
        self._traffic.expect(f"/{SERVICE}/ModelInfer")
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _handler(self, name: str, call: Call) -> Any:
        endpoint = f"/{SERVICE}/{name}"
        in_progress = self._traffic.in_progress(endpoint)
        guarded = name in _GUARDED
        logs = self._settings.access_log == "on"

        async def handle(raw: bytes, context: ServicerContext[Any, Any]) -> Answer:
            start, status = perf_counter(), 500
            in_progress.add()
            try:
                if guarded and self._admission.closed:
                    self._admission.check_key(_authorization(context))
                left = context.time_remaining()
                if left is not None and left <= 0:
                    raise RequestError(504, "the deadline passed before the call began")
                with self._admission:
                    answer = await call(self._repository, raw)
                status = 200
                return answer
            except DecodeError:
                status = 400
                await context.abort(_CODES[status], f"the message is not a {name} request")
            except RequestError as error:
                status = error.status
                self._repository.predictor.refused(error.implausible)
                await context.abort(_CODES[status], error.message)
            except asyncio.CancelledError:
                status = 499
                raise
            except Exception:
                logger.exception("%s failed", name)
                await context.abort(grpc.StatusCode.INTERNAL, "an unexpected error; the server's log has it")
            finally:
                in_progress.add(-1)
                seconds = perf_counter() - start
                self._traffic.answered(endpoint, status, seconds)
                if logs:
                    access_logger.info(
                        "%s (scheme=grpc,path=%s) (status=%d) %.3fms", context.peer(), endpoint, status, 1e3 * seconds
                    )
            raise AssertionError("abort raises")

        return handle


def _serialize(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _authorization(context: ServicerContext[Any, Any]) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""


async def _server_live(repository: Repository, _: pb.ServerLiveRequest) -> Message:
    return pb.ServerLiveResponse(live=True)


async def _server_ready(repository: Repository, _: pb.ServerReadyRequest) -> Message:
    return pb.ServerReadyResponse(ready=repository.ready)


async def _model_ready(repository: Repository, request: pb.ModelReadyRequest) -> Message:
    repository.check(request.name, request.version)
    return pb.ModelReadyResponse(ready=repository.ready)


async def _server_metadata(repository: Repository, _: pb.ServerMetadataRequest) -> Message:
    return pb.ServerMetadataResponse(**repository.server_metadata())


async def _model_metadata(repository: Repository, request: pb.ModelMetadataRequest) -> Message:
    repository.check(request.name, request.version)
    return pb.ModelMetadataResponse(**repository.model_metadata())


async def _model_infer(repository: Repository, message: bytes) -> bytes:
    return infer(repository, message)


async def _index(repository: Repository, request: pb.RepositoryIndexRequest) -> Message:
    return pb.RepositoryIndexResponse(models=await repository.index(request.ready))


async def _load(repository: Repository, request: pb.RepositoryModelLoadRequest) -> Message:
    repository.check(request.model_name)
    if request.parameters:
        raise RequestError(400, f"load takes no parameters, and {', '.join(request.parameters)} came")
    await repository.load()
    return pb.RepositoryModelLoadResponse()


async def _unload(repository: Repository, request: pb.RepositoryModelUnloadRequest) -> Message:
    repository.check(request.model_name)
    raise repository.unload_refused()


def _decoded(request: type[M], call: Callable[[Repository, M], Awaitable[Message]]) -> Call:
    # Decoded by us: grpc would answer a message that is none with INTERNAL, as if it were our fault.
    return lambda repository, message: call(repository, request.FromString(message))


_CALLS: dict[str, Call] = {
    "ServerLive": _decoded(pb.ServerLiveRequest, _server_live),
    "ServerReady": _decoded(pb.ServerReadyRequest, _server_ready),
    "ModelReady": _decoded(pb.ModelReadyRequest, _model_ready),
    "ServerMetadata": _decoded(pb.ServerMetadataRequest, _server_metadata),
    "ModelMetadata": _decoded(pb.ModelMetadataRequest, _model_metadata),
    "ModelInfer": _model_infer,
    "RepositoryIndex": _decoded(pb.RepositoryIndexRequest, _index),
    "RepositoryModelLoad": _decoded(pb.RepositoryModelLoadRequest, _load),
    "RepositoryModelUnload": _decoded(pb.RepositoryModelUnloadRequest, _unload),
}
