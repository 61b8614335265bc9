"""One port for everything: who is asked for (hosts), who may ask (guard), which rooms answer, in which processes."""
