"""Tells the container engine whether this container is ready: exit code 0 or 1, and one line that says why."""

import http.client
import os
import ssl
import sys

port = int(os.environ.get("PORT") or os.environ.get("BENTOML_PORT") or 3000)
try:
    connection = http.client.HTTPConnection("localhost", port, timeout=5)
    if os.environ.get("TLS_CERT"):
        # The certificate is for the clients' name of this host, which is not localhost.
        context = ssl._create_unverified_context()  # noqa: S323
        connection = http.client.HTTPSConnection("localhost", port, timeout=5, context=context)
    connection.request("GET", "/readyz")
    status = connection.getresponse().status
except OSError as error:
    sys.exit(f"/readyz does not answer: {error}")
if status != http.HTTPStatus.OK:
    sys.exit(f"/readyz answered {status}")
