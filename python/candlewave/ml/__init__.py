"""Models: what a forecast is, how models are trained, judged, registered and loaded."""

import os

# LightGBM's threads wait for each other by spinning, which on a machine or container that is not all theirs takes the
# time they wait for: a training was eight times slower beside other work. Sleeping at once is three times slower on a
# machine of their own, for they wait often and shortly. GNU's OpenMP can do both: spin for some microseconds, then
# sleep. It must be set before OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
