"""Sentiment of headlines without network and key: a lexicon and rules."""
