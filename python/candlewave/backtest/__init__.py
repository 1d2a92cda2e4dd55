"""Backtest: the model as production would have trained and used it, judged on what it could not know."""
