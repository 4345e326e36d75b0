"""BentoML's own request metrics with a bounded set of endpoints.

The built-in middleware labels every series with the raw path: a scanner that asks for 100,000 paths leaves 100,000
series in memory, on disk and in every scrape.
"""

from collections.abc import Collection, Sequence

from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

UNMATCHED = "unmatched"
_REAL = "serving.traffic.scope"


class BoundedTrafficMetrics(RunnerTrafficMetricsMiddleware):
    """Shows the built-in middleware a label as the path, and the application behind it the real one.

    Args:
        routes: paths with series of their own.
        folders: prefixes, with their last slash, under which all paths share the series `prefix*`.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Collection[str],
        folders: Sequence[str],
        namespace: str,
        skip_paths: Sequence[str],
    ) -> None:
        async def real(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope.get(_REAL, scope), receive, send)

        super().__init__(real, namespace=namespace, skip_paths=skip_paths)
        self._routes = frozenset(routes)
        self._folders = tuple(folders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "path" in scope:
            scope = {**scope, "path": self._label(scope["path"]), _REAL: scope}
        await super().__call__(scope, receive, send)

    def _label(self, path: str) -> str:
        if path in self._routes:
            return path
        return next((f"{folder}*" for folder in self._folders if path.startswith(folder)), UNMATCHED)
