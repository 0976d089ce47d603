"""A local gateway of the Segmind v2 API, written from its documents: for demos without a key, and for tests.

From the command line::

    python -m airflow_provider_runway.emulator --port 8081 --time-scale 0.1

In a test::

    with Emulator(time_scale=0.01) as gateway: ...

It imports nothing else of this package, so that the client and it cannot share one misreading.
"""

from .fault_table import TABLE as FAULTS
from .remote import EmulatorControl
from .server import Emulator
from .settings import Settings

__all__ = ["FAULTS", "Emulator", "EmulatorControl", "Settings"]
