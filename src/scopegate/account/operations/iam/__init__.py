"""The operations of `iam` that deployment tools use: roles, users and their keys, policies, their versions and tags.

They are stored and returned whole; what policies say is decided in `account/identities.py`.
Source: AWS IAM API reference; AWS's answers as recorded in LocalStack's snapshots (2023-09).
"""
