"""Run ``python -m candlewave``."""

from candlewave.cli import main

main()
