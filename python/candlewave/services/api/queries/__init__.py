"""SQL behind the endpoints: values are always bound; the same text for RisingWave and the embedded engine.

Only the length of a page is written out, as an integer: RisingWave binds no LIMIT.
"""
