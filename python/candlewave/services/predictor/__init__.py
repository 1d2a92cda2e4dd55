"""Forecasts of each closed minute, from the registered models and the baseline."""
