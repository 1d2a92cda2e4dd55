"""Trades on their way in: exchanges, archives, files and the market simulator, all through one validator."""
