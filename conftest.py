"""Fixtures of a real server process, for every test that proves behaviour from outside."""

from hypothesis import settings

pytest_plugins = ["tests.server", "tests.operators", "tests.people"]

# Forty examples a property, fresh ones in each run: the suite has to end within minutes on two cores.
settings.register_profile("suite", max_examples=40)
settings.load_profile("suite")
