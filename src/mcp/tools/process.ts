import { constants } from "node:os";
import { boolean, maxLength, picklist, pipe, strictObject, string } from "valibot";
import { SmolError } from "../../errors.ts";
import {
  attachProcess,
  killProcess,
  listProcesses,
  type Machine,
  type ProcessInfo,
} from "../../machine/index.ts";
import { exitCodeIn } from "../../protocol/index.ts";
import { piecesOf } from "../../serve/live/output.ts";
import { count } from "../../serve/schema/fields.ts";
import { boundedOutputs } from "../output.ts";
import { defined, listOf, shown } from "./result.ts";
import {
  type Call,
  field,
  inMachine,
  machineField,
  nameOf,
  type Outcome,
  tool,
  waitSeconds,
} from "./tool.ts";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

const offset = count(0, Number.MAX_SAFE_INTEGER);

export const processTool = tool({
  name: "process",
  description:
    "Background processes of a machine. poll: output behind the offsets, and exit_code once it has ended; give the " +
    "returned offsets next time. write: to its stdin. signal, list.",
  schema: strictObject({
    action: picklist(["poll", "write", "signal", "list"]),
    id: field(pipe(string(), maxLength(200)), "All but list."),
    machine: machineField,
    wait_s: field(waitSeconds, "poll: seconds to wait for output or the end. Default: 0."),
    stdout_offset: field(offset, "poll. Default: 0."),
    stderr_offset: field(offset, "poll. Default: 0."),
    input: field(pipe(string(), maxLength(1_000_000)), "write."),
    eof: field(boolean(), "write: end its stdin."),
    signal: field(picklist(SIGNALS), "Default: SIGTERM."),
  }),
  annotations: { title: "Background processes", readOnlyHint: false, destructiveHint: true },
  run: async ({ action, id = "", machine: named, ...rest }, call) => {
    if (id === "" && action !== "list") throw new SmolError("mcp.bad_arguments", `id: ${action} needs one`);
    return await inMachine(call, named, async ({ machine }) => {
      if (action === "list") return list(await listProcesses(machine), call.machines.ceilings.maxOutputBytes);
      if (action === "poll") {
        const since = { stdout: rest.stdout_offset ?? 0, stderr: rest.stderr_offset ?? 0 };
        return await poll(machine, id, since, (rest.wait_s ?? 0) * 1000, call);
      }
      if (action === "signal") {
        const { signal = "SIGTERM" } = rest;
        await killProcess(machine, id, constants.signals[signal]);
        return { text: `sent ${signal}`, structured: { process: id, signal } };
      }
      return await write(call, machine, id, nameOf(named), rest.input ?? "", rest.eof ?? false);
    });
  },
});

/** Characters of a command in a list: who started it knows the rest. */
const MAX_COMMAND = 200;

/** Those that run, then those that ended last: as many as fit. */
function list(processes: readonly ProcessInfo[], limit: number): Outcome {
  const rank = (one: ProcessInfo) => (one.state === "running" ? Number.MAX_SAFE_INTEGER : (one.endedAt ?? 0));
  const told = processes
    .toSorted((one, other) => rank(other) - rank(one))
    .map((one) => defined({ id: one.id, command: brief(one.argv.join(" ")), ...stateOf(one) }));
  return listOf("processes", told, limit);
}

const brief = (text: string) => (text.length > MAX_COMMAND ? `${text.slice(0, MAX_COMMAND)}…` : text);

const stateOf = (info: ProcessInfo) =>
  info.state === "running" ? { running: true } : { exit_code: exitCodeIn(info) };

async function infoOf(machine: Machine, id: string): Promise<ProcessInfo> {
  const found = (await listProcesses(machine)).find((one) => one.id === id || one.name === id);
  if (found !== undefined) return found;
  throw new SmolError("process.not_found", `no process ${id} in this machine`, {
    hint: "action list shows them",
  });
}

/** What a process has written behind the offsets; waits for the first of it, or for its end. */
async function poll(
  machine: Machine,
  id: string,
  since: { readonly stdout: number; readonly stderr: number },
  waitMs: number,
  { machines, signal, leftMs }: Call,
) {
  const limit = machines.ceilings.maxOutputBytes;
  const before = await infoOf(machine, id);
  const there = before.written.stdout - since.stdout + before.written.stderr - since.stderr;
  const process = await attachProcess(machine, { process: id, since, stdin: false });
  const output = boundedOutputs(limit);
  const leave = () => process.kill();
  signal.addEventListener("abort", leave, { once: true });
  const isWaiting = before.state === "running" && there <= 0;
  const timer = setTimeout(leave, isWaiting ? Math.min(waitMs, leftMs()) : leftMs());
  try {
    // One that has ended is read to the end of what it wrote.
    for await (const { channel, bytes } of piecesOf(process)) {
      const room = limit - output.stdout.total - output.stderr.total;
      output[channel].add(bytes.subarray(0, room));
      const got = output.stdout.total + output.stderr.total;
      if (got >= limit || (before.state === "running" && got >= there)) break;
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
    leave();
  }
  signal.throwIfAborted();
  const after = await infoOf(machine, id);
  return shown(output, limit, {
    process: id,
    ...stateOf(after),
    stdout_offset: since.stdout + output.stdout.total,
    stderr_offset: since.stderr + output.stderr.total,
  });
}

async function write(
  { machines, signal, leftMs }: Call,
  machine: Machine,
  id: string,
  name: string,
  input: string,
  eof: boolean,
) {
  const { stdin, state } = await infoOf(machine, id);
  if (!stdin || state !== "running")
    throw new SmolError("mcp.no_input", `process ${id} ${stdin ? "has ended" : "has no stdin"}`, {
      hint: "exec with background: true starts one that has",
    });
  const bytes = Buffer.from(input);
  const waitMs = leftMs();
  const late = AbortSignal.timeout(waitMs);
  try {
    await machines.inputs.write(machines, { name, id, bytes, eof }, AbortSignal.any([signal, late]));
  } catch (error) {
    if (!late.aborted) throw error;
    throw new SmolError("mcp.no_input", `process ${id} does not read its input`, {
      hint: `what it had not taken after ${Math.round(waitMs / 1000)} s is lost`,
    });
  }
  return { text: `wrote ${bytes.length} bytes`, structured: { process: id, bytes: bytes.length } };
}
