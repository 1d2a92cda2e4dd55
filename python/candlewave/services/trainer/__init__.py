"""Training as a service: by schedule, and when somebody asks for it."""
