"""The command line. Thin: it speaks to a running server as any client does; only `keys` opens the store itself."""
