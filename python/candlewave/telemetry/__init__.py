"""What a process reports about itself: logs, metrics, traces, health, progress; and the frame of a long-running one."""

from candlewave.telemetry.logs import configure_logging, get_logger

__all__ = ["configure_logging", "get_logger"]
