"""The operations of `iam` that deployment tools use: roles, policies, their versions and tags.

They are stored and returned whole; what a policy says is not evaluated yet (design, "Functions run as processes").
Source: AWS IAM API reference; AWS's answers as recorded in LocalStack's snapshots (2023-09).
"""
