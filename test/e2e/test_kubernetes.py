"""Pods of a cluster, whose API is a double: machines are scaled to 0 and back, by what the account of a pod may do.
SPDX-License-Identifier: MIT
"""
import re
import pathlib

import pytest
import yaml

from atc import Background, knobs_config, together
from cluster import EVERYTHING
from targets import AWAY, KubernetesTarget, machines, wait_state
from waiting import wait_until

MANIFESTS = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "kubernetes"


class SeveralPods(KubernetesTarget):
    """One StatefulSet of two pods, which are always on."""

    here, there, sets = "fleet-0", "fleet-1", {"fleet": 2}

    def pod_of(self, machine):
        return machine


def finish(made):
    complaints = made.finish()
    logs = "".join(atc.log[-4000:] for atc in made.pods.values()) if complaints else ""
    made.remove()
    assert not complaints, complaints + "\n" + logs


@pytest.fixture
def fleet():
    made = KubernetesTarget()
    yield made
    finish(made)


@pytest.fixture
def pods():
    made = SeveralPods()
    yield made
    finish(made)


# --- one pod for each machine ---------------------------------------------

def test_a_request_for_a_machine_that_was_scaled_to_nothing_is_answered(fleet):
    fleet.bring_asleep("m2")
    answer = fleet.ask("GET", AWAY + "/whoami")
    assert answer.status == 200, answer
    assert fleet.cluster.replicas["m2"] == 1


def test_many_requests_scale_it_once(fleet):
    fleet.bring_asleep("m2")
    answers = together(8, lambda i: fleet.ask("GET", "%s/once?id=%d" % (AWAY, i)).status)
    assert answers == [200] * 8
    assert len([asked for asked in fleet.cluster.asked if asked.startswith("PATCH")]) == 1
    assert len(fleet.atc("m2").lines("journal", "boston/2025/april")) == 8


def test_a_machine_is_stopped_by_scaling_it_to_nothing(fleet):
    assert fleet.ask("GET", AWAY + "/whoami").status == 200
    done = fleet.command("machine", "sleep", "m2", "stop")
    assert done.returncode == 0, done
    wait_state(fleet, "m2", ("stopped",))
    assert fleet.cluster.replicas == {"m1": 1, "m2": 0}


def test_a_pod_cannot_be_suspended_and_says_so(fleet):
    done = fleet.command("machine", "sleep", "m2", "suspend")
    assert done.returncode == 1 and "cannot be suspended" in done.stderr, done


def test_states_are_listed_in_words(fleet):
    fleet.bring_asleep("m2")
    assert {name: each["state"] for name, each in machines(fleet).items()} == {"m1": "started", "m2": "stopped"}


def test_a_pod_that_finds_no_node_is_waited_for_and_the_reason_is_told(fleet):
    fleet.bring_asleep("m2")
    fleet.cluster.schedule.clear()
    waiting = Background(fleet.ask, "GET", AWAY + "/whoami")
    wait_until(lambda: fleet.cluster.replicas["m2"] == 1)
    assert machines(fleet)["m2"]["state"] == "starting"
    fleet.cluster.schedule.set()
    assert waiting.result().status == 200


# --- several pods in one StatefulSet --------------------------------------

def test_pods_of_one_stateful_set_reach_each_other(pods):
    answer = pods.ask("GET", AWAY + "/whoami")
    assert answer.status == 200, answer
    assert not [asked for asked in pods.cluster.asked if asked.startswith("PATCH")]


def test_one_pod_of_several_cannot_sleep_alone(pods):
    done = pods.command("machine", "sleep", "fleet-1", "stop")
    assert done.returncode == 1 and "cannot sleep alone" in done.stderr, done
    assert pods.cluster.replicas == {"fleet": 2}


def test_a_pod_that_dies_is_waited_for(pods):
    pods.cluster.pods["fleet-1"].process.kill()
    answers = [pods.ask("GET", AWAY + "/whoami").status for _ in range(2)]
    assert answers[-1] == 200


# --- what goes wrong ------------------------------------------------------

@pytest.mark.parametrize("fault, words", [(500, "500 as was ordered"), (429, "429 as was ordered"), ("garbage", "the cluster does not")])
def test_a_fault_of_the_api_is_told_and_passes(fleet, fault, words):
    fleet.bring_asleep("m2")
    fleet.cluster.faults = [fault]
    done = fleet.command("machine", "wake", "m2")
    assert done.returncode == 1 and words in done.stderr, done
    assert fleet.command("machine", "wake", "m2").returncode == 0


def test_a_token_that_was_renewed_is_used(fleet):
    fleet.cluster.renew_token("second")
    assert fleet.command("machine", "wake", "m2").returncode == 0
    fleet.cluster.token = "third"
    done = fleet.command("machine", "wake", "m2")
    assert done.returncode == 1 and "401 Unauthorized" in done.stderr, done


def test_another_certificate_is_not_believed(fleet):
    fleet.cluster.make_certificate()       # the server goes on with the former one
    done = fleet.command("machine", "wake", "m2")
    assert done.returncode == 1 and "SSL" in done.stderr, done
    assert "first" not in fleet.atc("m1").log + done.stderr


def test_without_leave_to_scale_the_reason_is_told(fleet):
    fleet.bring_asleep("m2")
    fleet.cluster.allowed -= {"patch statefulsets/scale"}
    answer = fleet.ask("GET", AWAY + "/whoami")
    assert answer.status in (502, 503), answer
    fleet.atc("m1").wait_log("cannot patch resource")


def test_outside_of_a_cluster_it_says_what_is_missing(atc):
    atc.write_config({**knobs_config(), "machines": {"m1": {}}, "machine": {"name": "m1", "target": "kubernetes"}})
    done = atc.cli("run", "-c", str(atc.config_file), env={"HTTP_PORT": "0"})
    assert done.returncode == 1 and "KUBERNETES_SERVICE_HOST is not set" in done.stderr, done


# --- the manifests --------------------------------------------------------

def manifests():
    return [(path.name, each) for path in sorted(MANIFESTS.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text()) if each]


def test_the_role_of_the_manifests_allows_what_is_asked_and_no_more():
    granted = {"%s %s" % (verb, resource) for _, each in manifests() if each["kind"] == "Role"
               for rule in each["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == set(EVERYTHING)


def test_pods_of_the_manifests_have_time_to_end_and_a_name():
    sets = [each for _, each in manifests() if each["kind"] == "StatefulSet"]
    assert sets
    for each in sets:
        pod = each["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] >= 90
        assert "ATC_MACHINE" in [variable["name"] for variable in pod["containers"][0]["env"]]
        services = [other["metadata"]["name"] for _, other in manifests() if other["kind"] == "Service"]
        assert each["spec"]["serviceName"] in services


def test_the_configuration_of_the_manifests_is_accepted(atc):
    for name, each in manifests():
        for file, text in (each.get("data") or {}).items() if each["kind"] == "ConfigMap" else ():
            machine = next(iter(yaml.safe_load(text)["machines"]))
            atc.write_config(re.sub(r"root: .*", "root: %s" % atc.app, text))
            done = atc.cli("check", "-c", str(atc.config_file), env={
                "ATC_MACHINE": machine, "KUBERNETES_SERVICE_HOST": "10.96.0.1", "FLY_ATC_FLEET_SECRET": "0123456789abcdef",
                "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1", "RAILS_ENV": "production"})
            assert done.returncode == 0 and "warning" not in done.stderr, (name, file, done.stdout, done.stderr)
