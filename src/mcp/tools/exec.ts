import { randomUUID } from "node:crypto";
import { boolean, strictObject } from "valibot";
import { attachProcess, type Machine, startDetached } from "../../machine/index.ts";
import { exitCodeOf } from "../../protocol/index.ts";
import { piecesOf } from "../../serve/live/output.ts";
import { boundedOutputs } from "../output.ts";
import { writeGuest } from "./guest-files.ts";
import { shown } from "./result.ts";
import { Spool } from "./spool.ts";
import {
  argvOf,
  type Call,
  commandField,
  envField,
  field,
  inMachine,
  MAX_WAIT_S,
  machineField,
  path,
  tool,
  variablesOf,
  waitSeconds,
} from "./tool.ts";

export const execTool = tool({
  name: "exec",
  description:
    "Run a command in a machine that keeps its files. What runs longer than timeout_s goes on in the background: " +
    "the result has a process id for the tool process.",
  schema: strictObject({
    command: commandField,
    machine: machineField,
    cwd: field(path, "Default: the image's."),
    env: envField,
    timeout_s: field(
      waitSeconds,
      "Seconds to wait for its end. Default and most: 50, less what a start took.",
    ),
    background: field(boolean(), "Return at once; its stdin stays open for process write."),
  }),
  annotations: { title: "Run in a machine", readOnlyHint: false, destructiveHint: true },
  run: async ({ command, machine: named, cwd, env, timeout_s = MAX_WAIT_S, background = false }, call) => {
    return await inMachine(call, named, async ({ machine, isNew }) => {
      const request = { argv: argvOf(command), cwd, env: variablesOf(env), stdin: background };
      const { id } = await startDetached(machine, request);
      const made = isNew ? true : undefined;
      if (!background)
        return await followed(machine, id, Math.min(timeout_s * 1000, call.leftMs()), call, made);
      return {
        text: `started: process ${id}`,
        structured: { process: id, running: true, new_machine: made },
      };
    });
  },
});

/** Reads a process to its end, or as long as a call may last: it goes on then. */
async function followed(
  machine: Machine,
  id: string,
  limitMs: number,
  { machines, signal }: Call,
  isNew: true | undefined,
) {
  const { maxOutputBytes } = machines.ceilings;
  const output = boundedOutputs(maxOutputBytes);
  const since = { stdout: 0, stderr: 0 };
  // It waits for us: all of its output is to be seen here.
  const process = await attachProcess(machine, { process: id, since, stdin: false, hold: randomUUID() });
  const spool = new Spool(`/tmp/smolvm-${id}.log`, (file, content) => writeGuest(machine, file, content));
  let hasLeft = false;
  const leave = () => {
    hasLeft = true;
    process.kill();
  };
  const timer = setTimeout(leave, limitMs);
  signal.addEventListener("abort", leave, { once: true });
  try {
    for await (const { channel, bytes } of piecesOf(process)) {
      output[channel].add(bytes);
      await spool.add(bytes, !(output.stdout.isWhole && output.stderr.isWhole));
    }
    const result = await process.result;
    const exitCode = hasLeft ? undefined : exitCodeOf(result);
    signal.throwIfAborted();
    const file = await spool.end();
    return shown(output, maxOutputBytes, {
      ...(exitCode === undefined
        ? {
            running: true,
            process: id,
            stdout_offset: output.stdout.total,
            stderr_offset: output.stderr.total,
          }
        : { exit_code: exitCode }),
      output_file: file,
      new_machine: isNew,
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", leave);
    spool.drop();
  }
}
