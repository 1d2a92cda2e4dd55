"""The kinds that entries may name, computed a second way: TA-Lib where it has them, NumPy where not.

One function per kind, registered under its name; it returns its columns without parameters in their names. Nothing
follows the SQL. To add a kind, write ``sql/indicators/<kind>.sql.j2`` and a function here, in the module that fits.
"""

from candlewave.services.indicators.oracles import averages, flows, oscillators, trends, volatility
from candlewave.services.indicators.oracles.registry import ORACLES, Bars, Parameters

__all__ = ["ORACLES", "Bars", "Parameters", "averages", "flows", "oscillators", "trends", "volatility"]
