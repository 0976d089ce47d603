"""A local emulator of the Segmind v2 API, for demos without a key and for tests.

From the command line::

    python -m airflow_provider_runway.emulator --port 8081 --time-scale 0.1

In a test::

    with Emulator(time_scale=0.01) as gateway: ...

It is written from the API's documents and imports nothing else of this package, so that the client and the
emulator cannot share one mistake.
"""

from .control_api import EmulatorControl
from .emulator import Emulator
from .fault_kinds import FAULTS
from .history_forms import HISTORY_FORMS, HistoryForm
from .options import EmulatorOptions

__all__ = ["FAULTS", "HISTORY_FORMS", "Emulator", "EmulatorControl", "EmulatorOptions", "HistoryForm"]
