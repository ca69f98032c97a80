"""The parts that all services share: engines, adapters, gRPC, and the texts of prompts."""

import os

# OpenMP reads this when torch is first imported. By default its threads spin while they wait for one another;
# if other processes need the same cores, a computation then takes five times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
