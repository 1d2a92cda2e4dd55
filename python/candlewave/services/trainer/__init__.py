"""Training as a service: by schedule, and on request."""
