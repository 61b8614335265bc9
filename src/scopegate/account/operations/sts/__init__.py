"""The operations of `sts`."""
