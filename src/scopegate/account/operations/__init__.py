"""The operations of `iam` and `sts`."""
