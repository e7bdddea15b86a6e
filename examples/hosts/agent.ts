// An agent whose telemetry goes through `claude-code-telemetry replay`. It needs only Node.

import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";

type Step = { step: string; [field: string]: unknown };
type Call = { tool_use_id: string } | { request: string };
type Answer = { set?: Record<string, string>; remove?: string[]; traceparent?: string; tracestate?: string };
type Failure = { name?: string; code?: number | string; status_code?: number; stdout?: string };
type Block = { type: string; id: string; name: string; input: { command: string } };

const MODEL = "claude-sonnet-4-6";

/** Records the steps of an agent. Its methods never fail. `messages` says where the messages of the program go. */
class Telemetry {
  process;
  exited: Promise<number>;
  on = true;
  lost = false;
  /** The questions without an answer, oldest first: answers come in the order of the questions. */
  waiting: ((answer: Answer) => void)[] = [];

  constructor(program = "claude-code-telemetry", messages: "inherit" | "ignore" = "inherit") {
    const stdio = ["pipe", "inherit", messages, "pipe"] as const;
    // Detached, the process does not get the Ctrl-C of the terminal, which may only cancel a prompt.
    this.process = spawn(program, ["replay", "--answers", "3", "-"], { stdio: [...stdio], detached: true });
    // The process cannot be started, or ended: the agent continues without telemetry.
    const off = () => {
      this.on = false;
      this.waiting.splice(0).forEach((answered) => answered({}));
    };
    this.process.stdin?.on("error", () => { this.lost = true; off(); });
    this.exited = new Promise((resolve) => {
      this.process.on("error", () => { off(); resolve(1); });
      this.process.on("exit", (status) => { off(); resolve(status ?? 1); });
    });
    const answers = this.process.stdio[3] as Readable | null;
    if (answers) {
      answers.on("error", off);
      createInterface({ input: answers }).on("line", (line) => this.waiting.shift()?.(JSON.parse(line)));
    }
  }

  /** Writes a step without an answer. Await the result to apply back-pressure when you write many lines. */
  async record(step: Step): Promise<void> {
    const { stdin } = this.process;
    const line = toLine(step);
    if (!this.on || !stdin?.writable || !line) {
      this.lost = true;
    } else if (!stdin.write(line)) {
      // After the process has exited, the stream emits "close" and never "drain".
      const done = new AbortController();
      const either = ["drain", "close"].map((event) => once(stdin, event, { signal: done.signal }));
      await Promise.race(either).catch(() => {});
      done.abort();
    }
  }

  /** Returns the environment of a subprocess that belongs to a call. */
  async childEnv(call: Call): Promise<NodeJS.ProcessEnv> {
    const names = Object.keys(process.env).filter((name) => name.startsWith("OTEL_"));
    const { set = {}, remove = names } = await this.ask({ step: "child_env", ...call });
    const inherited = Object.entries(process.env).filter(([name]) => !remove.includes(name));
    return { ...Object.fromEntries(inherited), ...set };
  }

  /** Returns the headers `traceparent` and `tracestate` of a call. There are none while tracing is off. */
  async traceHeaders(call: Call): Promise<Record<string, string>> {
    const { traceparent, tracestate } = await this.ask({ step: "trace_context", ...call });
    return { ...(traceparent && { traceparent }), ...(tracestate && { tracestate }) };
  }

  /** Delivers the rest. Returns 0 if everything was delivered, otherwise a status such as 4: telemetry is off. */
  async close(): Promise<number> {
    this.process.stdin?.end();
    return (await this.exited) || Number(this.lost);
  }

  private async ask(step: Step): Promise<Answer> {
    if (!this.on) return {};
    const answer = new Promise<Answer>((answered) => this.waiting.push(answered));
    this.record(step);
    return answer;
  }
}

/** Returns the line of a step, or "" if JSON cannot express it. */
function toLine(step: Step) {
  // An undefined id becomes null, with which a question is answered with an error.
  const toJson = (_: string, value: unknown) => typeof value === "bigint" ? String(value) : value ?? null;
  try {
    return JSON.stringify(step, toJson) + "\n";
  } catch {
    return "";
  }
}

class Overloaded extends Error {
  name = "Overloaded";
  status_code = 529;
}

/** Stands for a client of the Messages API. Its first attempt fails, then it calls two tools, then it is done. */
class Model {
  turns = [null, ["tool_use", "tool_use"], ["text"]];

  async send(messages: unknown[], headers: Record<string, string>) {
    const turn = this.turns.shift();
    if (!turn) throw new Overloaded();
    const input = { command: "sleep 0.5; echo $TRACEPARENT" };
    const content = turn.map((type, n) => ({ type, id: `toolu_0${n + 1}`, name: "Bash", input }));
    const stop_reason = turn[0] === "tool_use" ? "tool_use" : "end_turn";
    return { model: MODEL, content, stop_reason, usage: { input_tokens: 1200, output_tokens: 86 } };
  }
}

/** Sends a request, and repeats it if the model is overloaded. */
async function askModel(telemetry: Telemetry, model: Model, messages: unknown[]) {
  const request = randomUUID(); // The host's own id, which is never sent.
  telemetry.record({ step: "request_begin", request, model: MODEL });
  try {
    const headers = await telemetry.traceHeaders({ request });
    for (let retriesLeft = 2; ; retriesLeft--) {
      telemetry.record({ step: "request_attempt", request });
      try {
        const response = await model.send(messages, headers);
        const { usage, stop_reason } = response;
        const cost_usd = (usage.input_tokens * 3 + usage.output_tokens * 15) / 1_000_000;
        telemetry.record({ step: "request_end", request, model: response.model, cost_usd, stop_reason, ...usage });
        return response;
      } catch (error) {
        if (!(error instanceof Overloaded) || retriesLeft === 0) throw error;
      }
    }
  } catch (failure) {
    // No switch withholds an error, and its message could contain content: only its name is recorded.
    const { name: error = "Error", status_code } = failure as Failure;
    telemetry.record({ step: "request_end", request, error, status_code });
    throw failure;
  }
}

/** Runs a tool call in a subprocess, which continues the trace of this call. */
async function runTool(telemetry: Telemetry, call: Block) {
  const tool_use_id = call.id;
  telemetry.record({ step: "tool_begin", tool_use_id, tool_name: call.name, input: call.input });
  // ... here the agent asks the user or its rules ...
  telemetry.record({ step: "tool_decided", tool_use_id, decision: "accept", source: "config" });
  telemetry.record({ step: "tool_executing", tool_use_id });
  const env = await telemetry.childEnv({ tool_use_id });
  try {
    const { stdout } = await promisify(execFile)("sh", ["-c", call.input.command], { env });
    telemetry.record({ step: "tool_end", tool_use_id, result_size_bytes: Buffer.byteLength(stdout) });
    return { type: "tool_result", tool_use_id, content: stdout };
  } catch (failure) {
    const { name, code, stdout = "" } = failure as Failure;
    const error = typeof code === "number" ? `exit status ${code}` : name; // Without content: no switch withholds it.
    telemetry.record({ step: "tool_end", tool_use_id, success: false, error });
    return { type: "tool_result", tool_use_id, content: stdout };
  }
}

/** Answers a prompt: asks the model and runs the tools that it calls, until it calls none. */
async function runPrompt(telemetry: Telemetry, model: Model, text: string) {
  await telemetry.record({ step: "prompt", text });
  try {
    const messages: unknown[] = [{ role: "user", content: text }];
    for (;;) {
      const { content } = await askModel(telemetry, model, messages);
      messages.push({ role: "assistant", content });
      const calls = content.filter((block) => block.type === "tool_use");
      if (calls.length === 0) return;
      // The tools run in parallel.
      const results = await Promise.all(calls.map((call) => runTool(telemetry, call)));
      messages.push({ role: "user", content: results });
      for (const { tool_use_id, content } of results) console.log(tool_use_id, content.trimEnd());
    }
  } finally {
    await telemetry.record({ step: "prompt_end" });
  }
}

const telemetry = new Telemetry(process.argv[2]);
await telemetry.record({ step: "session", app_version: "1.2.3", user_id: "kim" });
try {
  await runPrompt(telemetry, new Model(), "Fix the failing test");
} finally {
  await telemetry.close(); // Its status is not that of the agent.
}
