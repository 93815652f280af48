"""cluster.py - the few calls of Kubernetes' API that fly-atc makes, over TLS, with pods that are processes.

What it is strict about, as the API server is (kubernetes.io/docs/reference/kubernetes-api): the token of the account, which is
renewed; what the account may do; the media type of a patch; StatefulSets whose pods are NAME-0, NAME-1, …, that are started when
they are scaled up and get SIGTERM when they are scaled down; a pod that ends by itself is started again.
SPDX-License-Identifier: MIT
"""
import http.server
import json
import pathlib
import re
import signal
import ssl
import subprocess
import tempfile
import threading
import time

from waiting import stretched, wait_until

SPACE = "calendars"
EVERYTHING = ("get pods", "list pods", "get statefulsets/scale", "patch statefulsets/scale")


class Pod:
    """One process, started again by its StatefulSet as long as it is wanted."""

    def __init__(self, name, ip, start, schedule):
        self.name, self.ip, self.begin, self.schedule = name, ip, start, schedule
        self.phase, self.is_deleted, self.process, self.codes = "Pending", False, None, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.schedule.wait(0.05):
            if self.is_deleted:
                return
        while not self.is_deleted:
            self.process = self.begin(self)
            self.phase = "Running"
            if self.is_deleted:
                self.process.send_signal(signal.SIGTERM)
            self.codes.append(self.process.wait())

    def delete(self):
        self.is_deleted = True
        if self.process:
            self.process.send_signal(signal.SIGTERM)

    def object(self):
        status = {"phase": self.phase, "conditions": []}
        if self.phase == "Running":
            status["podIP"] = self.ip
        else:
            status["conditions"].append({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                         "message": "0/3 nodes are available: 3 Insufficient memory."})
        metadata = {"name": self.name, "namespace": SPACE}
        if self.is_deleted:
            metadata["deletionTimestamp"] = "2026-11-28T00:00:00Z"
        return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "status": status}


class Cluster:
    def __init__(self, start):
        """start(pod) begins the process of a pod."""
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="cluster-", dir="/tmp"))
        self.begin, self.replicas, self.pods, self.ips = start, {}, {}, {}
        self.allowed, self.faults, self.asked = set(EVERYTHING), [], []
        self.lock, self.schedule = threading.RLock(), threading.Event()
        self.schedule.set()
        self.make_certificate()
        self.renew_token("first")
        (self.home / "namespace").write_text(SPACE)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.server.cluster = self
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.home / "ca.crt", self.home / "ca.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=kubernetes",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.home / "ca.key", "-out", self.home / "ca.crt"],
                       check=True, capture_output=True)

    def renew_token(self, token):
        self.token = token
        (self.home / "token").write_text(token)

    @property
    def environment(self):
        """What each pod of a cluster is told."""
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.server.server_port),
                "ATC_KUBERNETES_ACCOUNT": str(self.home)}

    def scale(self, name, replicas):
        with self.lock:
            self.replicas[name] = replicas
            for pod in [pod for pod in self.pods.values() if pod.name.rpartition("-")[0] == name]:
                if int(pod.name.rpartition("-")[2]) >= replicas:
                    self.end_pod(pod)
            for i in range(replicas):
                self.add_pod("%s-%d" % (name, i))

    def add_pod(self, name):
        """At once, or when the one before it of this name is gone."""
        ip = self.ips.setdefault(name, "127.77.0.%d" % (len(self.ips) + 1))
        if name not in self.pods:
            self.pods[name] = Pod(name, ip, self.begin, self.schedule)

    def end_pod(self, pod):
        def gone():
            pod.thread.join()
            with self.lock:
                self.pods.pop(pod.name, None)
                owner, _, number = pod.name.rpartition("-")
                if self.replicas.get(owner, 0) > int(number):
                    self.add_pod(pod.name)
        if not pod.is_deleted:
            pod.delete()
            threading.Thread(target=gone, daemon=True).start()

    def delete(self, name):
        """kubectl delete pod; its StatefulSet makes another one."""
        with self.lock:
            self.end_pod(self.pods[name])

    def finish(self):
        codes = [code for pod in self.pods.values() for code in pod.codes]
        for name in list(self.replicas):
            self.scale(name, 0)
        wait_until(lambda: not self.pods, stretched(60), "all pods have ended")
        self.server.shutdown()
        self.server.server_close()
        bad = [code for code in codes if code not in (0, -signal.SIGKILL)]
        return "pods ended with %s" % bad if bad else ""


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    PODS = re.compile(r"/api/v1/namespaces/%s/pods(?:/([a-z0-9.-]+))?" % SPACE)
    SCALE = re.compile(r"/apis/apps/v1/namespaces/%s/statefulsets/([a-z0-9.-]+)/scale" % SPACE)

    @property
    def cluster(self):
        return self.server.cluster

    def answer(self, status, content, headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", len(body)), *headers):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, reason, message, headers=()):
        self.answer(status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status,
                             "message": message}, headers)

    def is_refused(self, verb, resource):
        if self.headers.get("Authorization") != "Bearer " + self.cluster.token:
            self.refuse(401, "Unauthorized", "Unauthorized")
        elif "%s %s" % (verb, resource) not in self.cluster.allowed:
            self.refuse(403, "Forbidden", "%s is forbidden: User \"system:serviceaccount:%s:fly-atc\" cannot %s resource" % (
                resource, SPACE, verb))
        else:
            return False
        return True

    def meets_fault(self):
        with self.cluster.lock:
            fault = self.cluster.faults.pop(0) if self.cluster.faults else None
        if fault == "silence":
            time.sleep(stretched(30))
        elif fault == "garbage":
            self.answer(200, b"<html>")
        elif fault:
            self.refuse(fault, "Fault", "as was ordered", [("Retry-After", 7)] if fault == 429 else [])
        return fault is not None

    def begin(self):
        self.cluster.asked.append("%s %s" % (self.command, self.path))
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)

    def do_GET(self):
        self.begin()
        if self.meets_fault():
            return
        with self.cluster.lock:
            pods, scale = self.PODS.fullmatch(self.path), self.SCALE.fullmatch(self.path)
            if pods and not pods.group(1):
                if not self.is_refused("list", "pods"):
                    self.answer(200, {"kind": "PodList", "apiVersion": "v1",
                                      "items": [pod.object() for pod in self.cluster.pods.values()]})
            elif pods:
                if not self.is_refused("get", "pods"):
                    self.show_pod(pods.group(1))
            elif scale:
                if not self.is_refused("get", "statefulsets/scale"):
                    self.show_scale(scale.group(1))
            else:
                self.refuse(404, "NotFound", "the server could not find the requested resource")

    def show_pod(self, name):
        pod = self.cluster.pods.get(name)
        if pod:
            self.answer(200, pod.object())
        else:
            self.refuse(404, "NotFound", 'pods "%s" not found' % name)

    def show_scale(self, name):
        if name not in self.cluster.replicas:
            self.refuse(404, "NotFound", 'statefulsets.apps "%s" not found' % name)
            return
        wanted = self.cluster.replicas[name]
        self.answer(200, {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": name, "namespace": SPACE},
                          "spec": {"replicas": wanted} if wanted else {}, "status": {"replicas": wanted}})

    def do_PATCH(self):
        self.begin()
        if self.meets_fault():
            return
        scale = self.SCALE.fullmatch(self.path)
        with self.cluster.lock:
            if not scale:
                self.refuse(404, "NotFound", "the server could not find the requested resource")
            elif self.is_refused("patch", "statefulsets/scale"):
                return
            elif self.headers.get("Content-Type") != "application/merge-patch+json":
                self.refuse(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
            elif scale.group(1) not in self.cluster.replicas:
                self.refuse(404, "NotFound", 'statefulsets.apps "%s" not found' % scale.group(1))
            else:
                self.cluster.scale(scale.group(1), json.loads(self.body)["spec"]["replicas"])
                self.show_scale(scale.group(1))

    def log_message(self, *_):
        pass
