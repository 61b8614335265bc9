"""Scopegate: Amazon Cognito's OAuth 2.0 server, Amazon API Gateway and a Lambda-compatible function runtime."""


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - heavy, and few ask

    return version("scopegate")
