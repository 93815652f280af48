"""pages.py - tenants that answer what a test has written down for them (test/apps/pages).
SPDX-License-Identifier: MIT
"""
import json
import sys

from atc import APPS

COMMAND = [sys.executable, "-S", "-E", str(APPS / "pages" / "pages.py")]
PUBLIC = ["Cache-Control", "public, max-age=600"]


def pages_config(cache=None, users=None, server=None, **app):
    server = {"log_level": "debug", **({"cache": cache} if cache else {}), **(server or {})}
    return {"server": server,
            "app": {"framework": "generic", "command": COMMAND, "env": {"PAGES_DIR": "${tenant.dir}"}, **app},
            "users": users or {"bellevue": {"tenants": ["2025/winter"]}}}


def public(body="answer #", **page):
    """A page that says that it is for all."""
    return {"headers": [PUBLIC], "body": body, **page}


def says(control, *fields, body="answer #", **page):
    """A page with this Cache-Control."""
    return {"headers": [["Cache-Control", control], *fields], "body": body, **page}


class Site:
    """One tenant of it, with its pages."""

    def __init__(self, atc, name="bellevue/2025/winter", **pages):
        self.atc, self.name, self.prefix = atc, name, "/" + name
        self.put(**{"/" + path: page for path, page in pages.items()})

    def put(self, **pages):
        folder = self.atc.tenant_dir(self.name)
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / "pages.new"
        new.write_text(json.dumps({path if path[0] == "/" else "/" + path: page for path, page in pages.items()}))
        new.rename(folder / "pages.json")

    def allow(self, step):
        """Pages that wait `until` this are answered from now on."""
        self.atc.allow(step, self.name)

    def get(self, path, *fields, **more):
        return self.atc.get(self.prefix + path, list(fields), **more)

    def ask(self, method, path, *fields, **more):
        return self.atc.ask(method, self.prefix + path, list(fields), **more)

    def asked(self, path=None):
        """What the tenant was asked: a list of {method, target, headers}, the latter a dict."""
        lines = [json.loads(line) for line in self.atc.lines("asked", self.name)]
        for each in lines:
            each["headers"] = dict(each["headers"])
        return [each for each in lines if path is None or each["target"].partition("?")[0] == path]


def x_cache(response):
    return response.header("X-Cache")


