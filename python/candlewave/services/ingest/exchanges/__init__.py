"""Exchanges through ccxt: live trades over websockets, past trades and candles over REST, in one shape for all."""
