"""Learning how reliable sources are from many claims about many quantities."""
