"""Scopegate: Amazon Cognito's OAuth 2.0 server, Amazon API Gateway and a Lambda-compatible function runtime."""

from importlib.metadata import version

__version__ = version("scopegate")
