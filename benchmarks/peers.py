"""Who is measured: how each server is started, and on which lanes it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.environments import OURS

# In commands and variables, {port}, {grpc_port} and {other_port} are free ports, {folder} is a scratch folder of the
# peer's own, {sink_port} is where traces can go.
_BENTOML = ("bentoml", "serve", "--host", "127.0.0.1", "--port", "{port}")


@dataclass(frozen=True)
class Peer:
    """One server with one worker.

    Args:
        environment: a file in benchmarks/requirements, or `serve` for ours.
        command: the program is the environment's; it runs in benchmarks/servers, ours in the project's folder.
        ready: a path that is 200 when the server takes requests; empty where only the port tells.
        lanes: the ways in, by their names in `benchmarks.lanes`.
        bulk: those that are asked for many rows at once.
        prepare: run before every start, which its time does not count.
        variables: environment variables of the server.
        variant: only asked what tells its cost apart from the server that it is a variant of.
        base: the least that speaks a protocol. It runs all along, and others are measured in turns with it.
    """

    name: str
    environment: str
    command: tuple[str, ...]
    ready: str
    lanes: tuple[str, ...] = ()
    bulk: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    variant: bool = False
    base: bool = False


def _mlserver(name: str, pool: int) -> Peer:
    return Peer(
        name,
        "mlserver",
        ("mlserver", "start", "{folder}"),
        "/v2/models/classifier/ready",
        ("MLServer JSON", "MLServer gRPC"),
        ("MLServer JSON", "MLServer gRPC"),
        prepare=("python", "mlserver_prepare.py", "{folder}", "{port}", "{grpc_port}", "{other_port}", str(pool)),
    )


_OURS = (*_BENTOML[:2], "service:GenderClassifier", *_BENTOML[2:])
_EVERYTHING = {"GRPC_PORT": "{grpc_port}", "PREDICTION_LOG_URL": "sqlite:///{folder}/predictions.db"}
_HTTP_ALONE = {"GRPC_PORT": "0", "UI": "off", "PREDICTION_LOG_URL": ""}
_SINGLE = ("/predict_one", "OIP JSON", "OIP gRPC")


def _variant(name: str, lanes: tuple[str, ...], *bulk: str, **variables: str) -> Peer:
    return Peer(name, OURS, _OURS, "/readyz", lanes, bulk, variables=_EVERYTHING | variables, variant=True)


OUR_NAME, UNLOGGED = "ours", "ours, no prediction log"
HTTP_ALONE, EMPTY = "ours, HTTP alone", "empty BentoML"
PEERS = (
    Peer("floor", "floor", ("python", "floor.py", "{port}"), "/livez", ("/predict_one",), ("/predict",), base=True),
    Peer("grpc.aio echo", "echo", ("python", "grpc_echo.py", "{grpc_port}"), "", ("echo",), base=True),
    Peer(
        OUR_NAME,
        OURS,
        _OURS,
        "/readyz",
        ("/predict_one", "/predict", "OIP JSON", "OIP binary", "OIP gRPC"),
        ("/predict", "OIP JSON", "OIP binary", "OIP binary, probabilities", "OIP gRPC"),
        variables=_EVERYTHING,
    ),
    _variant(UNLOGGED, _SINGLE, "OIP binary, probabilities", PREDICTION_LOG_URL=""),
    _variant("ours, access log on", _SINGLE, ACCESS_LOG="on"),
    _variant("ours, tracing on", _SINGLE, TRACING="http://127.0.0.1:{sink_port}"),
    _variant(HTTP_ALONE, (), **_HTTP_ALONE),
    Peer(
        "FastAPI + scikit-learn",
        "fastapi",
        ("uvicorn", "fastapi_sklearn:app", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log"),
        "/livez",
        ("/predict_one",),
        ("/predict",),
    ),
    _mlserver("MLServer", 1),
    _mlserver("MLServer, no worker pool", 0),
    Peer("LitServe", "litserve", ("python", "litserve_sklearn.py", "{port}"), "/health", ("LitServe",), ("LitServe",)),
    Peer(
        "MLflow",
        "mlflow",
        (
            *("mlflow", "models", "serve", "--model-uri", "{folder}/model", "--host", "127.0.0.1", "--port", "{port}"),
            *("--workers", "1", "--env-manager", "local"),
        ),
        "/ping",
        ("MLflow",),
        ("MLflow",),
        prepare=("python", "mlflow_prepare.py", "{folder}/model"),
    ),
    Peer(
        "stock BentoML",
        "bentoml",
        (*_BENTOML[:2], "bentoml_sklearn:Stock", *_BENTOML[2:]),
        "/readyz",
        ("stock",),
        ("stock",),
    ),
    Peer(EMPTY, "bentoml", (*_BENTOML[:2], "bentoml_empty:Empty", *_BENTOML[2:]), "/readyz"),
)
