"""What an ASGI server is given to serve, in tests: the whole server in development mode."""

import os

from scopegate.base.settings import read_settings
from scopegate.server.asgi import make_app

app = make_app(
    read_settings({"development": True, "ephemeral": True, "port": int(os.environ["PORT"])}),
)
