"""Adapters over a real socket, into a real engine: pushed, refused, kept, rolled back."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configuration.servers import ServerSettings, TlsSettings
from core.role import Role
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.slot import AdapterSlot
from serving.embedded.engine import EmbeddedEngine
from serving.engine import GenerationRequest
from serving.model import ModelFolder
from serving.model_server import adapter_service
from serving.rpc.channel import open_channel
from serving.rpc.server import GrpcServer
from tests.serving.models import plain_logprobs, random_adapter, tiny_model
from tests.small_disk import files_of_at_most

RUNS = itertools.count()
ASKED = GenerationRequest(tuple(range(1, 30)), 6, 1.0, 7, frozenset())


@dataclass
class Stage:
    """A server with one slot, and a client."""

    runner: asyncio.Runner
    model: ModelFolder
    engine: EmbeddedEngine
    stub: pb_grpc.AdapterServiceStub
    clock: list[float]
    """Seconds of the slot's clock, one number."""
    files: Path
    """Where the slot keeps adapters."""

    def arriving(self) -> list[Path]:
        """Folders of adapters that have not arrived whole."""
        return list(self.files.glob("*/incoming-*"))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)

    def push(self, parts: list[pb.PushRequest]) -> pb.PushResponse:
        return self.runner.run(self._push(parts))

    async def _push(self, parts: list[pb.PushRequest]) -> pb.PushResponse:
        return await self.stub.Push(iter(parts), timeout=20)

    def rollback(self, version: int, **fields: Any) -> pb.AdapterState:
        async def call() -> pb.RollbackResponse:
            return await self.stub.Rollback(pb.RollbackRequest(version=version, **fields), timeout=20)

        return self.runner.run(call()).state

    def claim(self, run_id: str, seconds: float = 30.0) -> pb.AdapterState:
        async def call() -> pb.ClaimResponse:
            request = pb.ClaimRequest(run_id=run_id, holder="host:1", seconds=seconds)
            return await self.stub.Claim(request, timeout=20)

        return self.runner.run(call()).state

    def state(self) -> pb.AdapterState:
        async def call() -> pb.AdapterState:
            return await self.stub.GetState(pb.GetStateRequest(), timeout=20)

        return self.runner.run(call())

    def version_that_answers(self) -> int:
        return self.runner.run(self.engine.generate(ASKED)).adapter_version

    def refuses(self, parts: list[pb.PushRequest]) -> tuple[grpc.StatusCode, str]:
        """Pushes what must be refused, and checks that nothing has changed."""
        before = self.state()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            self.push(parts)
        after = self.state()
        assert (after.run_id, after.version) == (before.run_id, before.version)
        assert list(after.kept_versions) == list(before.kept_versions)
        assert self.version_that_answers() == before.version
        assert not self.arriving()
        return caught.value.code(), caught.value.details()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folders(model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = [tmp_path_factory.mktemp(f"adapter{version}") for version in range(5)]
    for version, folder in enumerate(made):
        random_adapter(model, folder, seed=version)
    return made


@pytest.fixture
def idle_seconds() -> float:
    return 30.0


@pytest.fixture
def stage(
    model: ModelFolder, idle_seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with asyncio.Runner() as runner:
        clock = [0.0]
        engine = EmbeddedEngine(model, "float32", context_length=64)
        runner.run(engine.start())
        slot = AdapterSlot(
            engine, Role.PLANNER, model, max_rank=4, keep=3, max_arriving=2, clock=lambda: clock[0]
        )

        async def start() -> tuple[GrpcServer, grpc.aio.Channel]:
            server = GrpcServer(
                ServerSettings(drain_seconds=0.1), [adapter_service(slot, engine, idle_seconds)]
            )
            await server.start()
            return server, open_channel(server.address, TlsSettings())

        server, channel = runner.run(start())
        yield Stage(runner, model, engine, pb_grpc.AdapterServiceStub(channel), clock, tmp_path)

        async def stop() -> None:
            await channel.close()
            await server.drain()
            await engine.close()

        runner.run(stop())
        slot.close()
        assert not list(tmp_path.iterdir())


@dataclass
class Push:
    """The parts of a push, and ways to spoil them."""

    folder: Path
    base_model: str
    version: int = 0
    run_id: str = "run"
    role: int = pb.ROLE_PLANNER
    chunk: int = 7000
    changes: dict[str, object] = field(default_factory=dict)

    def parts(self) -> list[pb.PushRequest]:
        config = (self.folder / CONFIG_FILE).read_bytes()
        weights = (self.folder / WEIGHTS_FILE).read_bytes()
        fields = {
            "run_id": self.run_id,
            "role": self.role,
            "version": self.version,
            "base_model": self.base_model,
            "config_json": config,
            "weights_size": len(weights),
            "sha256": hashlib.sha256(config + weights).digest(),
            **self.changes,
        }
        chunks = [weights[i : i + self.chunk] for i in range(0, len(weights), self.chunk)]
        header = pb.PushRequest(header=pb.AdapterHeader(**fields))
        return [header, *(pb.PushRequest(chunk=chunk) for chunk in chunks)]


def test_a_pushed_adapter_answers_the_next_call(stage: Stage, folders: list[Path]) -> None:
    assert (stage.state().version, stage.version_that_answers()) == (-1, -1)
    response = stage.push(Push(folders[0], stage.model.fingerprint).parts())
    assert not response.already_held
    assert (response.state.run_id, response.state.version) == ("run", 0)
    assert response.state.base_model == stage.model.fingerprint
    assert response.state.role == pb.ROLE_PLANNER
    got = stage.runner.run(stage.engine.generate(ASKED))
    reference = random_adapter(stage.model, folders[0], seed=0)
    assert got.adapter_version == 0
    assert got.logprobs == pytest.approx(plain_logprobs(reference, ASKED.prompt_ids, got.token_ids), abs=1e-4)
    assert stage.state().generated_tokens == 12


def test_the_last_versions_are_kept_and_can_be_rolled_back_to(stage: Stage, folders: list[Path]) -> None:
    for version, folder in enumerate(folders):
        stage.push(Push(folder, stage.model.fingerprint, version).parts())
    assert list(stage.state().kept_versions) == [2, 3, 4]
    assert stage.rollback(3).version == 3
    assert stage.version_that_answers() == 3
    assert stage.rollback(-1).version == -1
    assert stage.version_that_answers() == -1
    with pytest.raises(grpc.aio.AioRpcError, match="held are: 2, 3, 4") as caught:
        stage.rollback(1)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert stage.version_that_answers() == -1


def test_the_same_push_again_is_acknowledged(stage: Stage, folders: list[Path]) -> None:
    pushes = [Push(folders[v], stage.model.fingerprint, v).parts() for v in (0, 1)]
    for parts in pushes:
        stage.push(parts)
    assert stage.push(pushes[1]).already_held
    old = stage.push(pushes[0])
    assert (old.already_held, old.state.version) == (True, 1)


def test_a_held_version_is_served_again_when_it_is_pushed_after_a_rollback(
    stage: Stage, folders: list[Path]
) -> None:
    pushes = [Push(folders[v], stage.model.fingerprint, v).parts() for v in (0, 1)]
    for parts in pushes:
        stage.push(parts)
    stage.rollback(0)
    again = stage.push(pushes[1])
    assert (again.already_held, again.state.version, stage.version_that_answers()) == (True, 1, 1)


def test_another_run_begins_anew(stage: Stage, folders: list[Path]) -> None:
    stage.push(Push(folders[0], stage.model.fingerprint, 4).parts())
    state = stage.push(Push(folders[1], stage.model.fingerprint, 0, run_id="other").parts()).state
    assert (state.run_id, state.version, list(state.kept_versions)) == ("other", 0, [0])


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"run_id": ""}, "INVALID_ARGUMENT", "run_id"),
        ({"role": pb.ROLE_EXECUTOR}, "FAILED_PRECONDITION", "this server is the planner"),
        ({"role": pb.ROLE_UNSPECIFIED}, "FAILED_PRECONDITION", "unspecified"),
        ({"version": -1}, "INVALID_ARGUMENT", "version"),
        ({"base_model": "0" * 64}, "FAILED_PRECONDITION", "fingerprint"),
        ({"sha256": b"short"}, "INVALID_ARGUMENT", "32"),
        ({"sha256": b"0" * 32}, "DATA_LOSS", "sha256"),
        ({"weights_size": 0}, "INVALID_ARGUMENT", "weights_size"),
        ({"weights_size": 1 << 40}, "INVALID_ARGUMENT", "weights_size"),
        ({"weights_size": 100}, "INVALID_ARGUMENT", "weights_size"),
        ({"config_json": b"{"}, "INVALID_ARGUMENT", "JSON"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_and_nothing_changes(
    stage: Stage, folders: list[Path], changes: dict[str, object], code: str, message: str
) -> None:
    stage.push(Push(folders[0], stage.model.fingerprint).parts())
    got, details = stage.refuses(
        Push(folders[1], stage.model.fingerprint, version=1, changes=changes).parts()
    )
    assert got.name == code
    assert message in details


def test_streams_that_are_not_a_push_are_refused(stage: Stage, folders: list[Path]) -> None:
    parts = Push(folders[0], stage.model.fingerprint).parts()
    assert stage.refuses([])[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert stage.refuses(parts[1:])[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert stage.refuses([parts[0], *parts])[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert stage.refuses(parts[:-1])[0] is grpc.StatusCode.DATA_LOSS


def test_versions_go_up_and_never_change_their_content(stage: Stage, folders: list[Path]) -> None:
    for version in (1, 2):
        stage.push(Push(folders[version], stage.model.fingerprint, version).parts())
    older = Push(folders[0], stage.model.fingerprint, version=0).parts()
    assert stage.refuses(older)[0] is grpc.StatusCode.FAILED_PRECONDITION
    changed = Push(folders[3], stage.model.fingerprint, version=2).parts()
    assert stage.refuses(changed)[0] is grpc.StatusCode.ALREADY_EXISTS


def test_a_later_epoch_makes_versions_again_that_servers_hold_with_other_weights(
    stage: Stage, folders: list[Path]
) -> None:
    def push(folder: int, version: int, epoch: int) -> list[pb.PushRequest]:
        changes = {"epoch": epoch}
        return Push(folders[folder], stage.model.fingerprint, version, changes=changes).parts()

    for version in (1, 2, 3):
        stage.push(push(version, version, epoch=0))
    state = stage.push(push(1, 1, epoch=1)).state
    assert (state.epoch, state.version, list(state.kept_versions)) == (1, 1, [1])
    remade = push(4, 2, epoch=1)
    state = stage.push(remade).state
    assert (state.epoch, state.version, state.sha256) == (1, 2, remade[0].header.sha256)
    assert stage.version_that_answers() == 2
    for version in (1, 3, 4):
        code, details = stage.refuses(push(version, version, epoch=0))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "epoch 0 of run run is over" in details


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pushes=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=6
    )
)
def test_what_is_served_never_goes_back_in_epoch_and_version(
    stage: Stage, folders: list[Path], pushes: list[tuple[int, int, int]]
) -> None:
    """Whatever is pushed in whatever order; the third number is the weights."""
    run_id = f"run {next(RUNS)}"
    held: dict[tuple[int, int], int] = {}
    newest = (0, -1)
    for epoch, version, weights in pushes:
        push = Push(folders[weights], stage.model.fingerprint, version, run_id, changes={"epoch": epoch})
        place = (epoch, version)
        known = held.get(place) if epoch == newest[0] else None
        if place > newest or known == weights:
            state = stage.push(push.parts()).state
            newest = max(newest, place)
            held[place] = weights
            kept = sorted(v for e, v in held if e == newest[0])
            for old in kept[:-3]:
                del held[newest[0], old]
            assert (state.run_id, state.epoch, state.version) == (run_id, *newest)
        else:
            before = (stage.state().epoch, stage.state().version)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                stage.push(push.parts())
            code = caught.value.code()
            conflict = known is not None
            assert code is (
                grpc.StatusCode.ALREADY_EXISTS if conflict else grpc.StatusCode.FAILED_PRECONDITION
            )
            assert (stage.state().epoch, stage.state().version) == before


def test_what_a_run_has_claimed_only_this_run_changes(stage: Stage, folders: list[Path]) -> None:
    mine = [Push(folders[v], stage.model.fingerprint, v).parts() for v in (0, 1)]
    stage.claim("run")
    stage.push(mine[0])
    stage.clock[0] = 12.0
    other = Push(folders[2], stage.model.fingerprint, 0, run_id="other").parts()
    code, details = stage.refuses(other)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "run run (host:1) has claimed this server: renewed 12 s ago, it lapses in 18 s" in details
    for version in (-1, 0):
        with pytest.raises(grpc.aio.AioRpcError, match="run run .* has claimed this server") as caught:
            stage.rollback(version)
        assert ("hiper-reason", "claimed") in tuple(caught.value.trailing_metadata() or ())
    with pytest.raises(grpc.aio.AioRpcError, match="run run .* has claimed this server"):
        stage.claim("other")
    assert stage.push(mine[1]).state.claim.run_id == "run"
    assert stage.rollback(0, run_id="run").version == 0


def test_a_claim_ends_when_it_lapses_is_given_up_or_is_taken_over(stage: Stage, folders: list[Path]) -> None:
    stage.claim("run", seconds=30.0)
    stage.clock[0] = 30.0
    assert stage.claim("other").claim.run_id == "other"
    assert not stage.claim("other", seconds=0.0).HasField("claim")
    stage.claim("run")
    taken = Push(folders[0], stage.model.fingerprint, run_id="other", changes={"take_over": True}).parts()
    state = stage.push(taken).state
    assert state.run_id == "other" and not state.HasField("claim")
    stage.claim("run")
    assert not stage.rollback(-1, take_over=True).HasField("claim")


def test_names_from_the_network_are_no_paths(stage: Stage, folders: list[Path]) -> None:
    state = stage.push(Push(folders[0], stage.model.fingerprint, run_id="../../evil/\x00").parts()).state
    assert state.run_id == "../../evil/\x00"
    assert stage.version_that_answers() == 0


async def _then_nothing(parts: list[pb.PushRequest]) -> AsyncIterator[pb.PushRequest]:
    """The parts of a push whose sender stays connected and sends no more."""
    for part in parts:
        yield part
    await asyncio.Event().wait()


def test_a_full_disk_is_told_as_such_and_nothing_of_the_adapter_stays(
    stage: Stage, folders: list[Path]
) -> None:
    parts = Push(folders[0], stage.model.fingerprint).parts()
    whole = (folders[0] / WEIGHTS_FILE).stat().st_size
    for room in (100, whole - 1):
        with files_of_at_most(room):
            code, details = stage.refuses(parts)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "cannot be written" in details
    assert stage.push(parts).state.version == 0


def test_a_cancelled_push_leaves_nothing(stage: Stage, folders: list[Path]) -> None:
    async def play() -> None:
        call = stage.stub.Push(_then_nothing(Push(folders[0], stage.model.fingerprint).parts()[:2]))
        await stage.until(lambda: bool(stage.arriving()))
        call.cancel()
        await stage.until(lambda: not stage.arriving())

    stage.runner.run(play())
    assert stage.state().version == -1


@pytest.mark.parametrize("idle_seconds", [0.2])
@pytest.mark.parametrize("sent", [0, 1, 2])
def test_a_push_that_stops_in_its_middle_is_ended(stage: Stage, folders: list[Path], sent: int) -> None:
    parts = Push(folders[0], stage.model.fingerprint).parts()[:sent]

    async def play() -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stage.stub.Push(_then_nothing(parts), timeout=20)
        return caught.value

    error = stage.runner.run(play())
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "no part of the push has come for 0.2 s" in error.details()
    assert not stage.arriving()


def test_only_some_adapters_arrive_at_once(stage: Stage, folders: list[Path]) -> None:
    parts = Push(folders[0], stage.model.fingerprint).parts()

    async def play() -> None:
        idle = [stage.stub.Push(_then_nothing(parts[:2])) for _ in range(2)]
        await stage.until(lambda: len(stage.arriving()) == 2)
        with pytest.raises(grpc.aio.AioRpcError, match="2 adapters arrive already") as caught:
            await stage.stub.Push(iter(parts), timeout=20)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for call in idle:
            call.cancel()
        await stage.until(lambda: not stage.arriving())

    stage.runner.run(play())
    assert stage.push(parts).state.version == 0


def test_a_change_that_fails_after_its_caller_has_left_is_one_line_of_the_log(
    model: ModelFolder, caplog: pytest.LogCaptureFixture
) -> None:
    slot = AdapterSlot(EmbeddedEngine(model), Role.PLANNER, model, max_rank=8, keep=3)
    unhandled: list[object] = []

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        asked = asyncio.create_task(slot.rollback(9))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await asyncio.sleep(0)

    asyncio.run(leave())
    slot.close()
    gc.collect()
    assert "version 9 is not held" in caplog.text
    assert not unhandled


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(st.integers(-1, 6), max_size=9),
    cut=st.integers(1, 8000),
    extra=st.binary(max_size=20),
)
def test_whatever_parts_come_in_whatever_order_the_slot_is_whole(
    stage: Stage, folders: list[Path], order: list[int], cut: int, extra: bytes
) -> None:
    """Parts dropped, repeated, swapped, cut or made up: refused, unless the same bytes arrive in the end."""
    parts = Push(folders[0], stage.model.fingerprint).parts()
    made_up = [pb.PushRequest(chunk=extra), pb.PushRequest(), pb.PushRequest(chunk=parts[1].chunk[:cut])]
    sent = [parts[0], *((*parts, *made_up)[index] for index in order)]
    whole = b"".join(part.chunk for part in parts)
    valid = all(part.HasField("chunk") for part in sent[1:])
    if valid and b"".join(part.chunk for part in sent) == whole:
        assert stage.push(sent).state.version == 0
        stage.rollback(-1)
    else:
        code, _ = stage.refuses(sent)
        assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DATA_LOSS)
