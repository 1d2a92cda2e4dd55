"""Live events: one feed asks the engine, one hub hands its events to all clients."""
