"""Load on a running service while something happens to it: every answer and every failure is kept."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import httpx
import numpy as np

from serving.protos import open_inference_pb2 as pb
from serving.schema import NAMES
from tests.models import as_rows, plausible_rows
from tests.servers import Server

ROWS = plausible_rows(1, seed=20)
MESSAGE = pb.ModelInferRequest(
    model_name="gender_classifier",
    inputs=[{"name": "input", "datatype": "FP64", "shape": [1, len(NAMES)]}],
    outputs=[{"name": "probabilities"}],
    raw_input_contents=[ROWS.tobytes()],
)


@dataclass
class Load:
    """What came back so far: (full tag of the model, probability of the last class) for each answer; failures."""

    answers: list[tuple[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


def _over_http(server: Server) -> Iterator[Callable[[], tuple[str, float]]]:
    with httpx.Client(base_url=server.url, timeout=60) as client:

        def ask() -> tuple[str, float]:
            answer = client.post("/predict_one", json=as_rows(ROWS)[0]).raise_for_status().json()
            return answer["model"], [*answer["probabilities"].values()][-1]

        yield ask


def _over_grpc(server: Server) -> Iterator[Callable[[], tuple[str, float]]]:
    # A connection for each client, so that both workers get some.
    with grpc.insecure_channel(server.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            pb.ModelInferRequest.SerializeToString,
            pb.ModelInferResponse.FromString,
        )

        def ask() -> tuple[str, float]:
            answer = infer(MESSAGE, timeout=60)
            value = float(np.frombuffer(answer.raw_output_contents[0])[-1])
            return f"{answer.model_name}:{answer.model_version}", value

        yield ask


@contextmanager
def load(server: Server, clients: int = 3) -> Iterator[Load]:
    """Ask over HTTP and gRPC, with a number of clients for each, until the block ends or `stop` is set."""
    result = Load()

    def run(connect: Callable[[Server], Iterator[Callable[[], tuple[str, float]]]]) -> None:
        with contextmanager(connect)(server) as ask:
            while not result.stop.is_set():
                try:
                    result.answers.append(ask())
                except (httpx.HTTPError, grpc.RpcError) as error:
                    result.failures.append(f"{connect.__name__}: {error!r}")

    threads = [
        threading.Thread(target=run, args=(connect,)) for connect in (_over_http, _over_grpc) for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        result.stop.set()
        for thread in threads:
            thread.join()
