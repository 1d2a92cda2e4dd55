"""What the SQL project offers by name: indicators and the constants of their smoothing."""
