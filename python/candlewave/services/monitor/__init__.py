"""Notice when forecasts get worse, alert people, and request a training."""
