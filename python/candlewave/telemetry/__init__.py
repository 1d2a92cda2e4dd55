"""What a process tells about itself: logs, metrics, traces, health, progress; and the frame every service runs in."""

from candlewave.telemetry.logs import configure_logging, get_logger

__all__ = ["configure_logging", "get_logger"]
