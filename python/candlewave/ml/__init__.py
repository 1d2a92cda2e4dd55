"""Models: what a forecast is, how models are trained, judged, registered and loaded."""
