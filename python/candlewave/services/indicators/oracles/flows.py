"""What volume says."""

import numpy as np
import talib

from candlewave.services.indicators.oracles.registry import Bars, Parameters, oracle
from candlewave.services.indicators.series import Floats, call_talib


@oracle("adosc")
def _adosc(bars: Bars, p: Parameters) -> dict[str, Floats]:
    return {"adosc": call_talib(talib.ADOSC, *bars.bars, bars.volume, p["fast"], p["slow"])}


@oracle("force_index")
def _force_index(bars: Bars, p: Parameters) -> dict[str, Floats]:
    force = (np.diff(bars.close) * bars.volume[1:]) if len(bars.close) > 1 else np.empty(0)
    smooth = call_talib(talib.EMA, force, p["period"]) if len(force) else force
    return {"force_index": np.concatenate([[np.nan], smooth])}
