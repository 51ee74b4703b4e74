"""The manifests of the example for Kubernetes: every line in review, every field known to Kubernetes
and to CloudNativePG, no secret in them."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pgstack.planning import sizing
from pgstack.planning.config import StackConfig
from pgstack.planning.hardware import Hardware
from pgstack.planning.packages import NEWEST
from pgstack.rendering import kubernetes

GOLDEN = Path(__file__).with_name("golden") / "kubernetes.yaml"
GB = 1024**3
VERSIONS = ("1.34", "1.36")
"""of Kubernetes: the oldest and the newest that CloudNativePG 1.30 supports"""
CRD = "CNPG_CRD"
"""names its file config/crd/bases/postgresql.cnpg.io_clusters.yaml, which is not copied here"""


def text() -> str:
    config = StackConfig(
        target="compose", address="*", web_hosts=2, hosts="shop.example", proxy="on"
    )
    return kubernetes.text(sizing.plan(config, Hardware(2, 4 * GB, NEWEST, 65536)))


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text()))


@pytest.fixture(scope="module")
def pod(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (spec,) = [manifest["spec"] for manifest in manifests if manifest["kind"] == "Deployment"]
    template: dict[str, Any] = spec["template"]["spec"]
    return template


def own(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose schema is Kubernetes' own."""
    return [manifest for manifest in manifests if "cnpg" not in manifest["apiVersion"]]


def misspelt(manifest: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    changed["spec"]["replicaz"] = 2
    return changed


def test_manifests_equal_the_golden_ones() -> None:
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text())
    assert text() == GOLDEN.read_text()


def test_what_is_rendered(manifests: list[dict[str, Any]]) -> None:
    """A Secret is none of it."""
    assert [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests] == [
        ("Cluster", "stack-database"),
        ("Deployment", "stack-web"),
        ("Service", "stack-web"),
        ("PodDisruptionBudget", "stack-web"),
        ("NetworkPolicy", "stack-web"),
        ("NetworkPolicy", "stack-database"),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(manifests: list[dict[str, Any]], version: str) -> None:
    schemas = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is missing: make install-dev"
    )
    for manifest in own(manifests):
        schemas.validate(manifest, version, strict=True)
        with pytest.raises(jsonschema.ValidationError, match="replicaz"):
            schemas.validate(misspelt(manifest), version, strict=True)


def strict(schema: Any) -> Any:
    """A structural schema that refuses what it would silently leave out."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(part) for name, part in schema.items()}
    open_ended = "additionalProperties" in schema or schema.get(
        "x-kubernetes-preserve-unknown-fields"
    )
    if isinstance(schema.get("properties"), dict) and not open_ended:
        closed["additionalProperties"] = False
    return closed


def test_cloudnativepg_knows_every_field(manifests: list[dict[str, Any]]) -> None:
    if not (path := os.environ.get(CRD)):
        pytest.skip(
            f"the schema of CloudNativePG is not here: fetch cloudnative-pg and name its file in "
            f"{CRD} (docs/kubernetes.md)"
        )
    (version,) = yaml.safe_load(Path(path).read_text())["spec"]["versions"]
    spec = strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    (cluster,) = [manifest for manifest in manifests if manifest["kind"] == "Cluster"]
    jsonschema.validate(cluster["spec"], spec)
    with pytest.raises(jsonschema.ValidationError, match="replicaz"):
        jsonschema.validate(misspelt(cluster)["spec"], spec)


def test_every_container_has_no_more_rights_than_it_needs(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    containers = [*pod["initContainers"], *pod["containers"]]
    users = {
        container["name"]: container["securityContext"]["runAsUser"] for container in containers
    }
    assert users == {"configure": 5004, "migrate": 5004, "pgbouncer": 5002, "web": 5003}
    for container in containers:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert (
            container["resources"]["limits"]["memory"]
            == container["resources"]["requests"]["memory"]
        )


def test_only_what_makes_the_roles_is_given_passwords(pod: dict[str, Any]) -> None:
    """Of the rest the web has Django's key, and PgBouncer and the migration their own logins."""
    secret = {volume["name"] for volume in pod["volumes"] if "secret" in volume}
    assert secret == {"login", "given", "authority"}
    given = {
        container["name"]: {mount["name"] for mount in container["volumeMounts"]}
        & (secret | {"secrets", "database"})
        for container in [*pod["initContainers"], *pod["containers"]]
    }
    assert given == {
        "configure": secret | {"secrets", "database"},
        "migrate": {"secrets", "database"},
        "pgbouncer": {"database"},
        "web": {"secrets"},
    }


def test_variables_of_services_are_not_taken_for_inputs(pod: dict[str, Any]) -> None:
    """Of the service `stack-web` there would be STACK_WEB_PORT, which the planner refuses."""
    assert pod["enableServiceLinks"] is False
