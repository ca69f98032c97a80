"""Where a base model is found, and what identifies it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core import cpu
from core.errors import HiperError, InvalidInputError, NotFoundError
from serving.model import ModelFolder, compute_dtype, fingerprint, resolve_model, use_gpus, vocabulary_size
from tests.serving.models import tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_model(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def test_a_local_folder_is_taken_as_it_is(folder: Path) -> None:
    found = resolve_model(str(folder))
    assert (found.path, found.name, found.fingerprint) == (folder, str(folder), fingerprint(folder))


def test_a_folder_is_named_relative_to_where_the_command_was_typed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(folder.parent))
    assert resolve_model(folder.name).path == folder


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_what_a_folder_lacks_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(InvalidInputError, match="lacks") as caught:
        resolve_model(str(folder))
    assert missing.split(".")[1] in str(caught.value)


@pytest.mark.parametrize("name", ["no-such-folder", "/no/such/folder", "a/b/c", ""])
def test_what_is_neither_folder_nor_hub_id_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    with pytest.raises(HiperError):
        resolve_model(name)


def test_a_hub_id_without_a_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(NotFoundError, match="owner/name"):
        resolve_model("owner/name")


def test_the_fingerprint_is_of_the_content_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    before = fingerprint(folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.json", "model.safetensors"):
        (copy / name).write_bytes((folder / name).read_bytes())
    assert fingerprint(copy) == before


def test_the_fingerprint_tells_weights_and_configurations_apart(folder: Path) -> None:
    seen = {fingerprint(folder)}
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] += 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    seen.add(fingerprint(folder))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    seen.add(fingerprint(folder))
    assert len(seen) == 3


def test_the_fingerprint_does_not_depend_on_who_wrote_the_configuration(folder: Path) -> None:
    before = fingerprint(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "transformers_version": "0"}, indent=7))
    assert fingerprint(folder) == before


def test_a_cut_off_weights_file_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(InvalidInputError, match="safetensors"):
        fingerprint(folder)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [({"avx512_bf16"}, torch.bfloat16), ({"amx_bf16"}, torch.bfloat16), ({"avx2"}, torch.float32)],
)
def test_auto_is_bfloat16_only_where_the_cpu_multiplies_in_it(
    flags: set[str], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(cpu, "flags", lambda: frozenset(flags))
    assert compute_dtype("auto") is dtype
    assert compute_dtype("float32") is torch.float32
    assert compute_dtype("bfloat16") is torch.bfloat16


def test_a_process_sees_the_gpus_that_it_may_use_and_else_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    use_gpus(())
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    use_gpus((2, 3))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_a_file_is_not_a_model(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="config.json is a file; a folder is needed"):
        resolve_model(str(folder / "config.json"))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_configuration_that_cannot_be_read_is_named(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    for read in (fingerprint, lambda path: vocabulary_size(ModelFolder(path, "tiny", ""))):
        with pytest.raises(InvalidInputError, match=r"config\.json is not the configuration of a model"):
            read(folder)


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({"vocab_size": 128}, 128),
        ({"text_config": {"vocab_size": 7}}, 7),
        ({"vocab_size": 128, "text_config": {"vocab_size": 7}}, 128),
    ],
)
def test_the_vocabulary_is_what_the_model_has_embeddings_for(
    tmp_path: Path, config: dict[str, object], size: int
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert vocabulary_size(ModelFolder(tmp_path, "name", "")) == size


@pytest.mark.parametrize("config", [{}, {"vocab_size": None}, {"vocab_size": "9"}, {"text_config": None}])
def test_a_model_that_does_not_say_its_vocabulary_is_refused(
    tmp_path: Path, config: dict[str, object]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInputError, match="has no vocab_size"):
        vocabulary_size(ModelFolder(tmp_path, "name", ""))


def test_a_tiny_model_says_its_own_vocabulary(folder: Path) -> None:
    assert vocabulary_size(resolve_model(str(folder))) == 128


def test_a_single_bit_at_the_end_of_the_weights_changes_the_fingerprint(folder: Path) -> None:
    before = fingerprint(folder)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    assert fingerprint(folder) != before
