"""Fixtures of a real server process, for every test that proves behaviour from outside."""

pytest_plugins = ["tests.server", "tests.operators", "tests.people"]
