"""The typed clients against real gRPC servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from hiper.v1 import (
    adapter_pb2,
    adapter_pb2_grpc,
    episode_pb2,
    episode_pb2_grpc,
    executor_pb2,
    executor_pb2_grpc,
    learner_pb2,
    learner_pb2_grpc,
    planner_pb2,
    planner_pb2_grpc,
)

from core.errors import (
    BehindError,
    ExhaustedError,
    HiperError,
    InvalidInputError,
    LapsedError,
    PreconditionError,
    UnavailableError,
)
from core.role import Role
from orchestrator.clients.directory import Directory, static_table
from orchestrator.clients.identity import check_role
from orchestrator.clients.learner import EpisodeClient, LearnerClient
from orchestrator.clients.models import CallTime, ExecutorClient, PlannerClient
from orchestrator.clients.pool_calls import CallLimits, EpisodeCalls, PoolCalls
from serving.adapters.client import AdapterClient
from serving.rpc.connection import Connection, Server
from serving.rpc.retry import RetryPolicy
from tests.play.answers import act, lease, switch
from tests.serving.running import listening
from trajectory.episode import (
    AdmissibleAction,
    Decision,
    Episode,
    EpisodeKey,
    PastTurn,
    Span,
    TurnContext,
)
from trajectory.fence import Fence
from trajectory.learner_status import Phase
from trajectory.learner_wire import task_list_from_pb
from trajectory.lease import Finished, TaskList, Wait
from trajectory.machine import Assignment, StepOutcome, begin
from trajectory.wire import actions_from_pb, episode_to_pb, fence_from_pb

ACTIONS = (AdmissibleAction("open drawer 1"), AdmissibleAction("look", follows=True))
CONTEXT = TurnContext("put a mug", 1, (PastTurn("room", "look"),), "desk", "find a mug", 1)


class PlannerService(planner_pb2_grpc.PlannerServiceServicer):
    """Answers after as many refusals as it is told."""

    def __init__(self, refusals: int = 0, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        self.refusals, self.code = refusals, code
        self.requests: list[planner_pb2.PlanRequest] = []

    async def Plan(
        self, request: planner_pb2.PlanRequest, context: grpc.aio.ServicerContext
    ) -> planner_pb2.PlanResponse:
        self.requests.append(request)
        if len(self.requests) <= self.refusals:
            await context.abort(self.code, "not now")
        return planner_pb2.PlanResponse(
            decision=episode_pb2.DECISION_SWITCH,
            subgoal="take a mug",
            valid=True,
            generation=episode_pb2.Generation(
                prompt_ids=[5, 6],
                token_ids=[1, 2],
                logprobs=[-1.0, -2.0],
                adapter_version=3,
                engine_seconds=0.25,
            ),
            decision_span=episode_pb2.TokenSpan(begin=0, end=1),
            subgoal_span=episode_pb2.TokenSpan(begin=1, end=2),
        )


class ExecutorService(executor_pb2_grpc.ExecutorServiceServicer):
    def __init__(self) -> None:
        self.requests: list[executor_pb2.ActRequest] = []

    async def Act(
        self, request: executor_pb2.ActRequest, context: grpc.aio.ServicerContext
    ) -> executor_pb2.ActResponse:
        self.requests.append(request)
        return executor_pb2.ActResponse(
            action=request.admissible_actions[0],
            valid=True,
            generation=episode_pb2.Generation(
                prompt_ids=[7], token_ids=[1], logprobs=[-1.0], engine_seconds=0.5
            ),
            action_span=episode_pb2.TokenSpan(begin=0, end=1),
        )


class AdapterService(adapter_pb2_grpc.AdapterServiceServicer):
    def __init__(self, role: "adapter_pb2.Role") -> None:
        self.role = role

    async def GetState(
        self, request: adapter_pb2.GetStateRequest, context: grpc.aio.ServicerContext
    ) -> adapter_pb2.AdapterState:
        return adapter_pb2.AdapterState(
            role=self.role, model="bundled", version=4, run_id="r", generated_tokens=9
        )


class EpisodeService(episode_pb2_grpc.EpisodeServiceServicer):
    def __init__(self, *answers: episode_pb2.LeaseResponse) -> None:
        self.answers = list(answers)
        self.holder = ""
        self.loads: dict[str, int] = {}
        self.tasks: TaskList | None = None
        self.submitted: list[episode_pb2.Episode] = []
        self.reasons: dict[str, str] = {}

    async def Lease(
        self, request: episode_pb2.LeaseRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.LeaseResponse:
        self.holder, self.tasks = request.holder, task_list_from_pb(request)
        return self.answers.pop(0)

    async def Renew(
        self, request: episode_pb2.RenewRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.RenewResponse:
        assert (request.run_id, request.holder) == ("run", "host:1")
        self.loads = {load.address: load.episodes for load in request.loads}
        return episode_pb2.RenewResponse(lapsed_ids=request.lease_ids[1:])

    async def Submit(
        self, request: episode_pb2.SubmitRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.SubmitResponse:
        duplicate = request.episode in self.submitted
        self.submitted.append(request.episode)
        return episode_pb2.SubmitResponse(duplicate=duplicate)

    async def SetAside(
        self, request: episode_pb2.SetAsideRequest, context: grpc.aio.ServicerContext
    ) -> episode_pb2.SetAsideResponse:
        assert (request.run_id, request.holder) == ("run", "host:1")
        self.reasons[request.lease_id] = request.reason
        return episode_pb2.SetAsideResponse()


class LearnerService(learner_pb2_grpc.LearnerServiceServicer):
    def __init__(self) -> None:
        self.stopped = False

    async def GetStatus(
        self, request: learner_pb2.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> learner_pb2.LearnerStatus:
        return learner_pb2.LearnerStatus(
            run_id="r",
            phase=learner_pb2.LEARNER_PHASE_UPDATING,
            message="update 1",
            progress=0.5,
            metrics={"adapter/version": 1.0},
        )

    async def Stop(
        self, request: learner_pb2.StopRequest, context: grpc.aio.ServicerContext
    ) -> learner_pb2.StopResponse:
        self.stopped = True
        return learner_pb2.StopResponse()


@asynccontextmanager
async def served(
    section: str, *add: Callable[[grpc.aio.Server], None], seconds: float = 20.0, patience: float = 2.0
) -> AsyncIterator[Connection]:
    """A server with these services on a free port, and a connection to it that never really pauses."""
    async with listening(*add) as address, grpc.aio.insecure_channel(address) as channel:
        yield Connection(channel, Server(section, address), seconds, unhurried(patience))


@asynccontextmanager
async def pooled(
    section: str, *add: Callable[[grpc.aio.Server], None], seconds: float = 20.0, patience: float = 2.0
) -> AsyncIterator[EpisodeCalls]:
    """A server with these services, and the calls of an episode to a pool of it alone."""
    async with listening(*add) as address, pool_of(section, address, seconds, patience) as calls:
        yield calls


@asynccontextmanager
async def pool_of(
    section: str, address: str, seconds: float = 20.0, patience: float = 2.0
) -> AsyncIterator[EpisodeCalls]:
    role = Role(section)
    limits = CallLimits(seconds, unhurried(patience), unready_seconds=patience)
    pool = PoolCalls(role, Directory(static_table({role: [address]})), limits, grpc.aio.insecure_channel)
    try:
        yield EpisodeCalls(pool, "0.0")
    finally:
        await pool.close()


def unhurried(patience: float) -> RetryPolicy:
    """Pauses take no time, except on a clock of their own."""
    now = [0.0]

    async def pause(seconds: float) -> None:
        now[0] += seconds

    return RetryPolicy(patience, sleep=pause, clock=lambda: now[0])


def planner(service: PlannerService) -> Callable[[grpc.aio.Server], None]:
    return lambda server: planner_pb2_grpc.add_PlannerServiceServicer_to_server(service, server)


def adapters(role: "adapter_pb2.Role") -> Callable[[grpc.aio.Server], None]:
    return lambda server: adapter_pb2_grpc.add_AdapterServiceServicer_to_server(AdapterService(role), server)


def learner(service: LearnerService) -> Callable[[grpc.aio.Server], None]:
    return lambda server: learner_pb2_grpc.add_LearnerServiceServicer_to_server(service, server)


def episodes(service: EpisodeService) -> Callable[[grpc.aio.Server], None]:
    return lambda server: episode_pb2_grpc.add_EpisodeServiceServicer_to_server(service, server)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_plan_comes_back_typed_and_timed() -> None:
    async def work() -> None:
        service, spent = PlannerService(), CallTime()
        async with pooled("planner", planner(service)) as calls:
            client = PlannerClient(calls, spent, clock=iter([1.0, 3.0]).__next__)
            plan = await client.plan(CONTEXT, seed=2**64 - 1)
        assert plan.decision is Decision.SWITCH
        assert (plan.subgoal, plan.valid) == ("take a mug", True)
        assert plan.generation.prompt_ids == (5, 6)
        assert (plan.decision_span, plan.subgoal_span) == (Span(0, 1), Span(1, 2))
        assert (spent.elapsed, spent.engine) == (2.0, 0.25)
        (request,) = service.requests
        assert request.seed == 2**64 - 1
        assert request.context.history[0].action == "look"
        assert not request.prompt_only

    run(work())


def test_an_act_carries_the_admissible_actions_in_their_order() -> None:
    async def work() -> None:
        service, spent = ExecutorService(), CallTime()
        fence = Fence("run", 1, 3)

        def add(server: grpc.aio.Server) -> None:
            executor_pb2_grpc.add_ExecutorServiceServicer_to_server(service, server)

        async with pooled("executor", add) as calls:
            client = ExecutorClient(calls, spent)
            done = await client.act(CONTEXT, ACTIONS, seed=5, fence=fence)
            prompt = await client.prompt(CONTEXT, ACTIONS[1:])
        assert (done.action, done.action_span) == ("open drawer 1", Span(0, 1))
        assert prompt == (7,)
        assert [request.prompt_only for request in service.requests] == [False, True]
        sent = [actions_from_pb(r.admissible_actions, r.told_actions) for r in service.requests]
        assert sent == [ACTIONS, ACTIONS[1:]]
        assert [fence_from_pb(r) for r in service.requests] == [fence, None]
        assert spent.engine == 0.5

    run(work())


def test_a_server_that_is_not_ready_is_asked_again() -> None:
    async def work() -> None:
        service = PlannerService(refusals=2)
        async with pooled("planner", planner(service)) as calls:
            await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)
        assert len(service.requests) == 3

    run(work())


def test_refusals_without_end_name_the_server() -> None:
    async def work() -> None:
        service = PlannerService(refusals=99, code=grpc.StatusCode.RESOURCE_EXHAUSTED)
        async with pooled("planner", planner(service)) as calls:
            with pytest.raises(
                ExhaustedError, match=r"the planner at 127.0.0.1:\d+ answered RESOURCE_EXHAUSTED: not now"
            ):
                await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)
        assert 3 <= len(service.requests) < 99

    run(work())


def test_bad_input_is_not_tried_again() -> None:
    async def work() -> None:
        service = PlannerService(refusals=9, code=grpc.StatusCode.INVALID_ARGUMENT)
        async with pooled("planner", planner(service)) as calls:
            with pytest.raises(InvalidInputError, match="not now"):
                await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)
        assert len(service.requests) == 1

    run(work())


def test_nobody_there() -> None:
    async def work() -> None:
        # Port 1 is privileged: no test leaves a server there.
        async with pool_of("planner", "127.0.0.1:1", patience=0) as calls:
            with pytest.raises(UnavailableError, match="the planner at 127.0.0.1:1 is not there"):
                await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)

    run(work())


def test_a_server_that_ends_during_a_call_is_asked_again() -> None:
    async def work() -> None:
        service = PlannerService(refusals=1, code=grpc.StatusCode.CANCELLED)
        async with pooled("planner", planner(service)) as calls:
            await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)
        assert len(service.requests) == 2

    run(work())


def test_a_silent_server_meets_the_deadline() -> None:
    class Silent(PlannerService):
        async def Plan(
            self, request: planner_pb2.PlanRequest, context: grpc.aio.ServicerContext
        ) -> planner_pb2.PlanResponse:
            await asyncio.Event().wait()
            raise AssertionError

    async def work() -> None:
        async with pooled("planner", planner(Silent()), seconds=0.05, patience=0) as calls:
            with pytest.raises(
                HiperError, match=r"the planner at .* did not answer within 0.05 s. .*call_seconds"
            ):
                await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)

    run(work())


def test_one_slow_answer_is_asked_for_again() -> None:
    class SlowOnce(PlannerService):
        async def Plan(
            self, request: planner_pb2.PlanRequest, context: grpc.aio.ServicerContext
        ) -> planner_pb2.PlanResponse:
            if not self.requests:
                self.requests.append(request)
                await asyncio.Event().wait()
            return await super().Plan(request, context)

    async def work() -> None:
        service = SlowOnce()
        async with pooled("planner", planner(service), seconds=1.0) as calls:
            await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)
        assert len(service.requests) == 2

    run(work())


def test_a_fence_goes_with_the_request_and_a_server_behind_it_is_asked_again() -> None:
    class Behind(PlannerService):
        async def Plan(
            self, request: planner_pb2.PlanRequest, context: grpc.aio.ServicerContext
        ) -> planner_pb2.PlanResponse:
            if not self.requests:
                self.requests.append(request)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "served is 2", (("hiper-reason", "behind"),))
            return await super().Plan(request, context)

    async def work() -> None:
        service = Behind()
        fence = Fence("run", 1, 3)
        async with pooled("planner", planner(service)) as calls:
            await PlannerClient(calls, CallTime()).plan(CONTEXT, 1, fence)
        assert [fence_from_pb(request) for request in service.requests] == [fence, fence]
        service = Behind()
        async with pooled("planner", planner(service), patience=0) as calls:
            with pytest.raises(BehindError, match=r"the planner at .*: served is 2"):
                await PlannerClient(calls, CallTime()).plan(CONTEXT, 1, fence)

    run(work())


@pytest.mark.parametrize(
    ("section", "add", "message"),
    [
        ("planner", adapters(adapter_pb2.ROLE_EXECUTOR), "is an executor; --planner.address needs a planner"),
        (
            "executor",
            adapters(adapter_pb2.ROLE_PLANNER),
            "is a planner; --executor.address needs an executor",
        ),
        ("learner", adapters(adapter_pb2.ROLE_PLANNER), "is a planner; --learner.address needs a learner"),
        ("planner", learner(LearnerService()), "is a learner; --planner.address needs a planner"),
        ("executor", episodes(EpisodeService()), "is not one of ours; --executor.address needs an executor"),
    ],
)
def test_the_wrong_role_is_named(section: str, add: Callable[[grpc.aio.Server], None], message: str) -> None:
    async def work() -> None:
        async with served(section, add) as connected:
            with pytest.raises(PreconditionError, match=message):
                await check_role(connected)

    run(work())


def test_the_right_role_passes() -> None:
    async def work() -> None:
        async with served("executor", adapters(adapter_pb2.ROLE_EXECUTOR)) as connected:
            await check_role(connected)
            state = await AdapterClient(connected).state()
        assert (state.role, state.version, state.generated_tokens) == ("executor", 4, 9)
        async with served("learner", learner(LearnerService())) as connected:
            await check_role(connected)

    run(work())


def test_a_call_to_the_wrong_server_says_what_is_needed() -> None:
    async def work() -> None:
        async with pooled("planner", learner(LearnerService())) as calls:
            with pytest.raises(PreconditionError, match="is no planner; --planner.address needs one"):
                await PlannerClient(calls, CallTime()).plan(CONTEXT, 1)

    run(work())


def short_episode() -> Episode:
    assignment = Assignment(EpisodeKey("r", "t", 2**63, 1), 3, 2, "3.1", "alfworld", "pick", 2)
    outcome = StepOutcome("done", 1.0, True, False, True, 1.0, 0.5)
    ended = begin(assignment, "goal", "room").planned(switch("find")).acted(act("look")).stepped(outcome, 1.0)
    return ended.episode(1.5)


def test_leases_waits_and_the_end() -> None:
    async def work() -> None:
        service = EpisodeService(
            episode_pb2.LeaseResponse(
                lease=episode_pb2.EpisodeLease(
                    lease_id="3.1",
                    run_id="r",
                    number=3,
                    group=2,
                    attempt=1,
                    task_seed=2**64 - 1,
                    seed=5,
                    version=0,
                    epoch=2,
                    seconds=30.0,
                )
            ),
            episode_pb2.LeaseResponse(
                wait=episode_pb2.LeaseWait(retry_after_ms=250, reason="update 1 is running")
            ),
            episode_pb2.LeaseResponse(finished=episode_pb2.RunFinished()),
        )
        async with served("learner", episodes(service)) as connected:
            client = EpisodeClient(connected, "host:1", TaskList(7, b"digest"))
            lease = await client.lease()
            assert not isinstance(lease, Wait | Finished)
            assert (lease.number, lease.group, lease.attempt, lease.task_seed) == (3, 2, 1, 2**64 - 1)
            assert (lease.fence, lease.seconds) == (Fence("r", 2, 0), 30.0)
            assert await client.lease() == Wait("update 1 is running", 0.25)
            assert await client.lease() == Finished()
        assert (service.holder, service.tasks) == ("host:1", TaskList(7, b"digest"))

    run(work())


def test_leases_are_renewed_and_those_that_have_lapsed_are_named() -> None:
    async def work() -> None:
        service = EpisodeService()
        async with served("learner", episodes(service)) as connected:
            client = EpisodeClient(connected, "host:1", loads=lambda: {"a:1": 2, "b:1": 1})
            assert set(await client.renew([lease(0), lease(1), lease(2)])) == {"1.0", "2.0"}
        assert service.loads == {"a:1": 2, "b:1": 1}

    run(work())


def test_a_renewal_whose_answer_is_lost_is_tried_again_before_a_lease_lapses() -> None:
    left: list[float] = []

    class SilentOnce(EpisodeService):
        async def Renew(
            self, request: episode_pb2.RenewRequest, context: grpc.aio.ServicerContext
        ) -> episode_pb2.RenewResponse:
            left.append(context.time_remaining())
            if len(left) == 1:
                await asyncio.Event().wait()
            return await super().Renew(request, context)

    async def work() -> None:
        async with served("learner", episodes(SilentOnce()), seconds=60.0) as connected:
            held = [replace(lease(number), seconds=seconds) for number, seconds in enumerate((30.0, 3.0))]
            assert set(await EpisodeClient(connected, "host:1").renew(held)) == {"1.0"}
        # A third of the shorter lease; on its way gRPC rounds it up.
        assert len(left) == 2 and max(left) < 1.5

    run(work())


def test_an_episode_whose_lease_has_lapsed_is_told_from_other_refusals() -> None:
    class Refusing(EpisodeService):
        async def Submit(
            self, request: episode_pb2.SubmitRequest, context: grpc.aio.ServicerContext
        ) -> episode_pb2.SubmitResponse:
            reason = (("hiper-reason", "lapsed"),) if request.episode.number == 3 else ()
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not as leased", reason)
            raise AssertionError

    async def work() -> None:
        async with served("learner", episodes(Refusing())) as connected:
            client = EpisodeClient(connected, "host:1")
            with pytest.raises(LapsedError, match=r"the learner at .*: not as leased"):
                await client.submit(short_episode())
            with pytest.raises(PreconditionError) as caught:
                await client.submit(replace(short_episode(), number=4))
            assert not isinstance(caught.value, LapsedError)

    run(work())


def test_a_broken_environment_is_reported_with_its_lease() -> None:
    async def work() -> None:
        service = EpisodeService()
        async with served("learner", episodes(service)) as connected:
            await EpisodeClient(connected, "host:1").set_aside(lease(3), "task a, turn 2: a bug")
        assert service.reasons == {"3.0": "task a, turn 2: a bug"}

    run(work())


def test_an_episode_arrives_as_it_was_and_twice_is_once() -> None:
    async def work() -> None:
        service = EpisodeService()
        async with served("learner", episodes(service)) as connected:
            client = EpisodeClient(connected, "host:1")
            assert await client.submit(short_episode()) is False
            assert await client.submit(short_episode()) is True
        assert service.submitted[0] == episode_to_pb(short_episode())

    run(work())


def test_the_learners_state() -> None:
    async def work() -> None:
        service = LearnerService()
        async with served("learner", learner(service)) as connected:
            client = LearnerClient(connected)
            status = await client.status()
            assert (status.phase, status.message, status.progress) == (Phase.UPDATING, "update 1", 0.5)
            assert status.metrics == {"adapter/version": 1.0}
            await client.stop()
        assert service.stopped

    run(work())
