"""What the services share: engines, adapters, errors, the set-up of a server."""

import os

# OpenMP reads it when torch is first imported. By default its threads spin while they wait for one another,
# and where other processes want the same cores, a computation then takes five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
