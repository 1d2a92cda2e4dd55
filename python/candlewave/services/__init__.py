"""The seven services, each in a room of its own; none imports another."""
