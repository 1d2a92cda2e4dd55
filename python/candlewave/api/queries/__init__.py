"""SQL behind the endpoints: values are always bound; the same text for RisingWave and the embedded engine."""
