"""Tells schemathesis how to send bodies that are not JSON; test/schemathesis.toml names this file."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
