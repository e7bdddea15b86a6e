"""An agent whose telemetry goes through `claude-code-telemetry replay`. It needs only the standard library of Python 3.8."""

import json
import os
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

MODEL = "claude-sonnet-4-6"


class Telemetry:
    """Records the steps of an agent. Its methods never fail, and can be called from any thread."""

    def __init__(self, program="claude-code-telemetry"):
        self.lock = threading.Lock()
        self.process = self.input = None
        answers, write_end = os.pipe()
        self.answers = os.fdopen(answers, encoding="utf-8")
        try:
            command = [program, "replay", "--answers", str(write_end), "-"]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[write_end])
            self.input = self.process.stdin
        except OSError:
            pass  # The agent continues without telemetry.
        finally:
            os.close(write_end)  # Only the process has it now, so that its end is the end of the answers.

    def record(self, step, **fields):
        """Writes a step without an answer."""
        with self.lock:
            self._write(step, fields)

    def child_env(self, **call):
        """Returns the environment of a subprocess that belongs to a call: `tool_use_id=...` or `request=...`."""
        answer = self._ask("child_env", call)
        remove = answer.get("remove", [name for name in os.environ if name.startswith("OTEL_")])
        env = {name: value for name, value in os.environ.items() if name not in remove}
        return {**env, **answer.get("set", {})}

    def trace_headers(self, **call):
        """Returns the headers `traceparent` and `tracestate` of a call. There are none while tracing is off."""
        answer = self._ask("trace_context", call)
        return {name: answer[name] for name in ("traceparent", "tracestate") if name in answer}

    def close(self):
        """Delivers the rest. Returns 0 if everything was delivered."""
        if self.process is None:
            return 1
        with self.lock:
            self.input = None
            try:
                self.process.stdin.close()
            except OSError:
                pass
        return self.process.wait()

    def _ask(self, step, fields):
        with self.lock:  # The next line of the answers belongs to this step.
            self._write(step, fields)
            line = self.answers.readline() if self.input else ""
        return json.loads(line) if line else {}

    def _write(self, step, fields):
        if self.input is None:
            return
        line = json.dumps({"step": step, **fields}) + "\n"
        try:
            self.input.write(line.encode())
            self.input.flush()
        except OSError:
            self.input = None  # The process ended: the agent continues without telemetry.


class Overloaded(Exception):
    pass


class Model:
    """Stands for a client of the Messages API. Its first attempt fails, then it calls two tools, then it is done."""

    def __init__(self):
        command = "sleep 0.5; echo $TRACEPARENT"
        calls = [
            {"type": "tool_use", "id": f"toolu_0{n}", "name": "Bash", "input": {"command": command}}
            for n in (1, 2)
        ]
        self.turns = [None, calls, [{"type": "text", "text": "Done."}]]

    def send(self, messages, headers):
        content = self.turns.pop(0)
        if content is None:
            raise Overloaded("Overloaded")
        stop_reason = "tool_use" if content[0]["type"] == "tool_use" else "end_turn"
        usage = {"input_tokens": 1200, "output_tokens": 86}
        return {"model": MODEL, "content": content, "stop_reason": stop_reason, "usage": usage}


def ask_model(telemetry, model, messages):
    """Sends a request, and repeats it if the model is overloaded."""
    request = str(uuid.uuid4())  # The host's own id, which is never sent.
    telemetry.record("request_begin", request=request, model=MODEL)
    headers = telemetry.trace_headers(request=request)
    for retries_left in (2, 1, 0):
        telemetry.record("request_attempt", request=request)
        try:
            response = model.send(messages, headers)
            break
        except Overloaded as error:
            if retries_left == 0:
                telemetry.record("request_end", request=request, error=str(error), status_code=529)
                raise
    usage = response["usage"]
    cost = (usage["input_tokens"] * 3 + usage["output_tokens"] * 15) / 1_000_000
    telemetry.record("request_end", request=request, model=response["model"], cost_usd=cost,
                     stop_reason=response["stop_reason"], **usage)
    return response


def run_tool(telemetry, call):
    """Runs a tool call in a subprocess, which continues the trace of this call."""
    tool = call["id"]
    telemetry.record("tool_begin", tool_use_id=tool, tool_name=call["name"], input=call["input"])
    # ... here the agent asks the user or its rules ...
    telemetry.record("tool_decided", tool_use_id=tool, decision="accept", source="config")
    telemetry.record("tool_executing", tool_use_id=tool)
    env = telemetry.child_env(tool_use_id=tool)
    command = ["sh", "-c", call["input"]["command"]]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        size = len(done.stdout.encode())
        telemetry.record("tool_end", tool_use_id=tool, result_size_bytes=size)
    else:
        error = f"exit status {done.returncode}"  # Without content: no switch withholds it.
        telemetry.record("tool_end", tool_use_id=tool, success=False, error=error)
    return {"type": "tool_result", "tool_use_id": tool, "content": done.stdout}


def run_prompt(telemetry, model, text):
    """Answers a prompt: asks the model and runs the tools that it calls, until it calls none."""
    telemetry.record("prompt", text=text)
    try:
        messages = [{"role": "user", "content": text}]
        while True:
            content = ask_model(telemetry, model, messages)["content"]
            messages.append({"role": "assistant", "content": content})
            calls = [block for block in content if block["type"] == "tool_use"]
            if not calls:
                return content
            with ThreadPoolExecutor() as pool:  # The tools run in parallel.
                results = list(pool.map(lambda call: run_tool(telemetry, call), calls))
            messages.append({"role": "user", "content": results})
            for result in results:
                print(result["tool_use_id"], result["content"], end="")
    finally:
        telemetry.record("prompt_end")


telemetry = Telemetry(*sys.argv[1:])
telemetry.record("session", app_version="1.2.3", user_id="kim")
run_prompt(telemetry, Model(), "Fix the failing test")
sys.exit(telemetry.close())
