"""A headless Chromium, driven over a pipe by its DevTools protocol, to measure what a reader sees."""

import base64
import json
import os
import subprocess
import time

# A mouse, which a machine without a screen does not have.
_MOUSE = "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"
_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    f"--blink-settings={_MOUSE}", "--remote-debugging-pipe",
]  # fmt: skip
_PATIENCE = 60  # seconds until an answer must be there


class Browser:
    """One open tab.

    Attributes:
        complaints: exceptions of scripts, and errors and warnings in the console, since the page was opened.
        requests: addresses that the page asked for.
    """

    def __init__(self, program, profile):
        self.complaints, self.requests, self._waiting, self._number = [], [], b"", 0
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        # Chromium reads from descriptor 3 and writes to descriptor 4.
        shell = ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash", *command]
        self._process = subprocess.Popen(shell, pass_fds=(commands, answers), stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self._session = None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self._process.terminate()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, path, width, height=900, mobile=False):
        """Show a file in a window of a width in CSS pixels, as a telephone with a finger if mobile."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.call("Emulation.setTouchEmulationEnabled", enabled=mobile)
        self.call("Emulation.setEmitTouchEventsForMouse", enabled=mobile)
        self.complaints.clear()
        self.requests.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("document.readyState === 'complete'")

    def run(self, script):
        """The value of an expression of JavaScript."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition):
        """Return once an expression holds."""
        deadline = time.monotonic() + _PATIENCE
        while not self.run(condition):
            assert time.monotonic() < deadline, f"still not true: {condition}"
            time.sleep(0.05)

    def resize(self, width, height=900):
        """Change the window's width while the page is open."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self):
        """PNG of what the window shows."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def pdf(self):
        """The page as it is printed on A4."""
        options = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
        return base64.b64decode(self.call("Page.printToPDF", **options)["data"])

    def call(self, method, **params):
        """Send a command and return its result; what comes in between is noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def _next(self):
        while b"\0" not in self._waiting:
            part = os.read(self._answers, 1 << 20)
            assert part, "the browser has gone"
            self._waiting += part
        answer, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(answer)

    def _note(self, event):
        params = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(params["args"])
        elif event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"])
        elif event["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
