"""The calls to Ray, in one place: actors that are detached and named, in a namespace of the deployment."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

from core import shown
from core.errors import HiperError, NotFoundError, PreconditionError, UnavailableError
from deploy.ray import actor
from deploy.ray.placement import LEARNER, Node, Placement, placements, shortage, too_many
from deploy.ray.processes import process
from deploy.ray.settings import Deployment

_KEEPER = "deployment"
"""Name of the actor that keeps the description of the deployment."""
_ANSWER_SECONDS = 5.0
_SLOW_START_SECONDS = 300.0
"""Further time for processes that have a node, on machines that are too busy to start them sooner."""


class ShortageError(HiperError):
    """Processes could not be placed; the message says what they wanted, and what there is."""


class Cluster:
    """A deployment in a Ray cluster."""

    def __init__(self, ray: Any, namespace: str) -> None:
        self._ray, self._namespace = ray, namespace

    @classmethod
    def join(cls, address: str, namespace: str) -> Self:
        """Connects to the cluster.

        Raises:
            PreconditionError: Ray is not installed.
            UnavailableError: no cluster answers at this address.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise PreconditionError(
                f"Ray is not installed here: {shown.installation('ray')}; an environment that has "
                "ray==2.60.0 will do, too"
            ) from None
        # Workers need not have this checkout on their path: the class travels with its source.
        ray.cloudpickle.register_pickle_by_value(actor)
        try:
            ray.init(address=address, namespace=namespace, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UnavailableError(
                f"no Ray cluster at {address}: {error}. `ray start --head` starts one on this machine"
            ) from error
        return cls(ray, namespace)

    def leave(self) -> None:
        """Disconnects; the deployment is not affected."""
        self._ray.shutdown()

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        from ray._private.state import available_resources_per_node

        free = available_resources_per_node()
        return [
            Node(
                id=node["NodeID"],
                address=node["NodeManagerAddress"],
                labels=node["Labels"],
                total=node["Resources"],
                free=free.get(node["NodeID"], {}),
            )
            for node in self._ray.nodes()
            if node["Alive"]
        ]

    def names(self) -> list[str]:
        """Names of the deployment's processes, whether they are placed or wait for a node."""
        found = self._ray.util.list_named_actors(all_namespaces=True)
        return [
            one["name"] for one in found if one["namespace"] == self._namespace and one["name"] != _KEEPER
        ]

    def deployment(self) -> Deployment:
        """The description that `keep` was given.

        Raises:
            NotFoundError: no deployment has this name.
        """
        try:
            keeper = self._ray.get_actor(_KEEPER, namespace=self._namespace)
        except ValueError:
            raise NotFoundError(
                f"nothing is deployed as {self._namespace} in this cluster: `up` does that"
            ) from None
        return Deployment.model_validate_json(self._ray.get(keeper.deployment.remote()))

    def keep(self, deployment: Deployment) -> None:
        """Keeps the description as long as the cluster lives.

        Raises:
            PreconditionError: something is deployed under this name already.
        """
        try:
            self._ray.get_actor(_KEEPER, namespace=self._namespace)
        except ValueError:
            keeper = self._remote(actor.Keeper, _KEEPER, num_cpus=0)
            handle = keeper.remote(deployment.model_dump_json())
            self._ray.get(handle.deployment.remote())
            return
        raise PreconditionError(
            f"a run is deployed as {self._namespace} already: `scale` changes its pools, `down` ends it, "
            f"and --namespace NAME deploys another"
        )

    def start(self, deployment: Deployment, requests: Sequence[Placement], seconds: float) -> None:
        """Starts processes, and waits until each has a node.

        Raises:
            ShortageError: some have none within that many seconds; only these are given up.
        """
        waiting = {}
        for request in requests:
            handle = self._create(deployment, request)
            waiting[handle.describe.remote()] = request
        placed, unplaced = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=seconds)
        others = [name for name in self.names() if name not in {request.name for request in requests}]
        lacking = too_many([*placements(deployment, others), *requests], self.nodes())
        if unplaced and not any(waiting[reference].name in lacking for reference in unplaced):
            # There is room for all of them: they have been placed, and their workers are slow to start.
            placed, unplaced = self._ray.wait(
                list(waiting), num_returns=len(waiting), timeout=_SLOW_START_SECONDS
            )
        for reference in placed:
            # One that has died meanwhile, and is being started again, had a node as well.
            with contextlib.suppress(self._ray.exceptions.ActorUnavailableError):
                self._ray.get(reference)
        if unplaced:
            message = shortage([waiting[reference] for reference in unplaced], self.nodes(), seconds)
            for reference in unplaced:
                self.end(waiting[reference].name)
            raise ShortageError(message)

    def _create(self, deployment: Deployment, request: Placement) -> Any:
        started = process(deployment, request.name)
        options: dict[str, Any] = {
            "num_cpus": request.cpus,
            "num_gpus": request.gpus,
            "label_selector": dict(request.labels),
        }
        if request.reserved:
            options = {**options, **self._reservation(request)}
        return self._remote(actor.Supervisor, request.name, **options).remote(
            name=request.name,
            arguments=list(started.arguments),
            port=started.port,
            ends=started.ends,
            configuration=deployment.configuration,
            path=list(deployment.path),
            namespace=self._namespace,
        )

    def _reservation(self, request: Placement) -> dict[str, Any]:
        """Options that reserve resources on one node for an actor, and place it there."""
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group = placement_group(
            [{"CPU": request.cpus, **({"GPU": request.gpus} if request.gpus else {})}],
            name=f"{self._namespace}-{request.name}",
            lifetime="detached",
            bundle_label_selector=[dict(request.labels)],
        )
        return {
            "label_selector": None,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(group, 0),
        }

    def _remote(self, kind: type, name: str, **options: Any) -> Any:
        return self._ray.remote(kind).options(
            name=name,
            namespace=self._namespace,
            lifetime="detached",
            max_restarts=-1,
            max_concurrency=16,
            **options,
        )

    def described(self, names: Collection[str]) -> dict[str, Mapping[str, str]]:
        """What each process says of itself; those without a node, or being restarted, are left out."""
        present = set(self.names())
        asked = {self._actor(name).describe.remote(): name for name in names if name in present}
        if not asked:
            return {}
        answered, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_SECONDS)
        found = {}
        for reference in answered:
            try:
                found[asked[reference]] = self._ray.get(reference)
            except self._ray.exceptions.RayError:
                continue  # It ended between the two calls.
        return found

    def stop(self, names: Collection[str], seconds: float) -> None:
        """Asks processes to end in order, and ends them after that many seconds at the latest."""
        placed = self.described(names)
        asked = [self._actor(name).stop.remote(seconds) for name in placed]
        if asked:
            self._ray.wait(asked, num_returns=len(asked), timeout=seconds + _ANSWER_SECONDS)
        for name in names:
            self.end(name)

    def end(self, name: str) -> None:
        """Ends a process at once, and for good."""
        self._ray.kill(self._actor(name), no_restart=True)
        if name == LEARNER:
            self._release(name)
        until = time.monotonic() + _ANSWER_SECONDS
        while name in self.names() and time.monotonic() < until:
            time.sleep(0.1)

    def _release(self, name: str) -> None:
        from ray.util.placement_group import get_placement_group, remove_placement_group

        with contextlib.suppress(ValueError):  # It may have no reservation.
            remove_placement_group(get_placement_group(f"{self._namespace}-{name}"))

    def forget(self) -> None:
        """Ends the actor that keeps the description, if there is one."""
        with contextlib.suppress(ValueError):
            self._ray.kill(self._ray.get_actor(_KEEPER, namespace=self._namespace), no_restart=True)

    def _actor(self, name: str) -> Any:
        try:
            return self._ray.get_actor(name, namespace=self._namespace)
        except ValueError:
            raise NotFoundError(
                f"{self._namespace} has no process {name}; it has {', '.join(sorted(self.names())) or 'none'}"
            ) from None
