"""Speed and memory of candlewave, measured on the machine that runs it: `make bench`."""
