"""A small client of the station's REST API (docs/API.md)."""
import base64
import json
import urllib.error
import urllib.request

from .errors import LabError


class Refused(LabError):
    """The station answered with an error. status: the HTTP status; code: the problem's code."""

    def __init__(self, status, problem):
        super().__init__(problem.get("detail") or problem.get("title") or f"HTTP status {status}")
        self.status, self.code, self.problem = status, problem.get("code"), problem


class Unanswered(LabError):
    """The station cannot be reached."""


class Client:
    """url: of the station. token, or password of the user admin."""

    def __init__(self, url, token=None, password=None, timeout=30):
        self.url, self.timeout = url, timeout
        if token:
            self.authorization = "Bearer " + token
        elif password:
            self.authorization = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
        else:
            self.authorization = None
        # No proxy of the environment lies between us and a loopback address.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method, path, body=None, raw=None):
        """The answer as Python data. body: to be sent as JSON; raw: bytes to be sent as they are."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + "/api/v1" + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        if self.authorization:
            request.add_header("Authorization", self.authorization)
        try:
            with self.opener.open(request, timeout=self.timeout) as answer:
                text = answer.read()
        except urllib.error.HTTPError as e:
            with e:
                try:
                    problem = json.loads(e.read())
                except ValueError:
                    problem = {}
            raise Refused(e.code, problem if isinstance(problem, dict) else {}) from e
        except OSError as e:
            raise Unanswered(f"The station does not answer at {self.url}: "
                             f"{getattr(e, 'reason', e)}.") from e
        try:
            return json.loads(text) if text else None
        except ValueError as e:
            raise LabError(f"The station's answer to {method} {path} is not JSON.") from e

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body):
        return self.ask("POST", path, body)

    def delete(self, path):
        return self.ask("DELETE", path)
