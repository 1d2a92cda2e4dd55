"""What every room may use: configuration, settings, paths, times, errors."""
