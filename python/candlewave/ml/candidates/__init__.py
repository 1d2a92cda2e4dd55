"""Candidates: each file is a way to forecast one horizon; training, search, judge and backtest loop over them.

A candidate of your own is a module whose ``CANDIDATE`` satisfies :class:`~candlewave.ml.candidates.protocol.Candidate`,
named in TRAIN_CANDIDATES.
"""
