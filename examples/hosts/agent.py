"""An agent whose telemetry goes through `claude-code-telemetry replay`. It needs only the standard library of Python 3.8."""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

MODEL = "claude-sonnet-4-6"


class Telemetry:
    """Records the steps of an agent. Its methods never fail, and can be called from any thread.

    `messages` is the file for the messages of the program, such as `subprocess.DEVNULL`; default: standard error.
    """

    def __init__(self, program="claude-code-telemetry", messages=None):
        self.lock = threading.Lock()
        self.waiting = deque()  # The questions without an answer, oldest first, with the calls that they name.
        self.lost = False
        self.cut = False  # True if the writing of a line was interrupted.
        self.process = self.input = None
        answers, write_end = os.pipe()
        try:
            command = [program, "replay", "--answers", str(write_end), "-"]
            # In its own session, the process does not get the Ctrl-C of the terminal, which may only cancel a prompt.
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages, pass_fds=[write_end],
                                            start_new_session=True)
            self.input = self.process.stdin
        except OSError:
            pass  # The agent continues without telemetry.
        finally:
            os.close(write_end)  # Only the process has the write end now, so the answers end with the process.
        # This thread also reads the answers whose wait was interrupted, such as by Ctrl-C.
        reader = os.fdopen(answers, encoding="utf-8")
        threading.Thread(target=self._read, args=[reader], daemon=True).start()

    def record(self, step, **fields):
        """Writes a step without an answer."""
        with self.lock:
            self._write(step, fields)

    def child_env(self, tool_use_id):
        """Returns the environment of a subprocess that belongs to a tool call."""
        answer = self._ask("child_env", {"tool_use_id": tool_use_id})
        remove = answer.get("remove", [name for name in os.environ if name.startswith("OTEL_")])
        env = {name: value for name, value in os.environ.items() if name not in remove}
        return {**env, **answer.get("set", {})}

    def trace_headers(self, **call):
        """Returns the headers `traceparent` and `tracestate` of a call: `request=...` or `tool_use_id=...`.

        There are none while tracing is off.
        """
        answer = self._ask("trace_context", call)
        return {name: answer[name] for name in ("traceparent", "tracestate") if name in answer}

    def close(self):
        """Delivers the rest. Returns 0 if everything was delivered, otherwise a status such as 4: telemetry is off."""
        if self.process is None:
            return 1
        with self.lock:
            self.input = None
            try:
                self.process.stdin.close()
            except OSError:
                self.lost = True
        return self.process.wait() or int(self.lost)

    def _ask(self, step, call):
        """Writes a step, and returns its answer. The answer is empty if there is none."""
        call = {name: str(identifier) for name, identifier in call.items()}
        answer = Future()
        with self.lock:
            if self.input is None:
                return {}
            self.waiting.append((call, answer))
            if not self._write(step, call):
                return {}
        return answer.result()

    def _read(self, answers):
        for line in answers:
            answer = json.loads(line)
            named = {name: answer[name] for name in ("tool_use_id", "request") if name in answer}
            # An answer without the id of a call belongs to the first question, whose id is invalid.
            asked = any(call == named for call, _ in list(self.waiting))
            while self.waiting:
                call, waiting = self.waiting.popleft()
                if call == named or not asked:
                    waiting.set_result(answer)
                    break
                waiting.set_result({})  # A question whose writing was interrupted has no answer.
        with self.lock:
            self.input = None  # The process ended: the agent continues without telemetry.
        while self.waiting:
            self.waiting.popleft()[1].set_result({})

    def _write(self, step, fields):
        """Returns true if the step was written."""
        try:
            if self.input is not None:
                line = json.dumps({"step": step, **fields}, default=str) + "\n"
                if self.cut:
                    line = "\n" + line
                self.cut = True
                self.input.write(line.encode())
                self.input.flush()
                self.cut = False
                return True
        except OSError:
            self.input = None  # The process ended.
        except Exception:
            pass  # JSON has no such value: only this step is lost.
        self.lost = True
        return False


class Overloaded(Exception):
    status_code = 529


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
    try:
        headers = telemetry.trace_headers(request=request)
        for retries_left in (2, 1, 0):
            telemetry.record("request_attempt", request=request)
            try:
                response = model.send(messages, headers)
                break
            except Overloaded:
                if retries_left == 0:
                    raise
    except Exception as error:
        # No switch withholds an error, and its message could contain content: only its type is recorded.
        telemetry.record("request_end", request=request, error=type(error).__name__,
                         status_code=getattr(error, "status_code", None))
        raise
    except BaseException:  # Such as KeyboardInterrupt.
        telemetry.record("request_end", request=request, canceled=True)
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
    command = ["sh", "-c", call["input"]["command"]]
    try:
        done = subprocess.run(command, env=telemetry.child_env(tool), stdout=subprocess.PIPE, text=True)
    except BaseException as error:
        telemetry.record("tool_end", tool_use_id=tool, success=False, error=type(error).__name__)
        raise
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
try:
    run_prompt(telemetry, Model(), "Fix the failing test")
finally:
    telemetry.close()  # Its status is not that of the agent.
