"""Notice when forecasts go bad, tell people, and ask for a training."""
