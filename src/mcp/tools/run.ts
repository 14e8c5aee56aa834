import { randomBytes } from "node:crypto";
import { maxLength, pipe, record, strictObject, string } from "valibot";
import { SmolError } from "../../errors.ts";
import { connectMachine, openEphemeral, type Process } from "../../machine/index.ts";
import { runToEnd } from "../../serve/live/command.ts";
import { piecesOf } from "../../serve/live/output.ts";
import { boundedOutputs } from "../output.ts";
import { contentOf, writeGuest } from "./guest-files.ts";
import { shown } from "./result.ts";
import {
  argvOf,
  type Call,
  commandField,
  envField,
  field,
  hosts,
  MAX_WAIT_S,
  path,
  tool,
  variablesOf,
  waitSeconds,
} from "./tool.ts";

/** What a shell waits for before it becomes the command: files come first. */
const GATE = ["/bin/sh", "-c", 'read -r _ && exec "$@"', "sh"];

const TIMED_OUT = 124;

export const runTool = tool({
  name: "run",
  description:
    "Run one command in a fresh machine that is deleted afterwards. Use exec to keep files between commands. " +
    "Killed after timeout_s.",
  schema: strictObject({
    command: commandField,
    image: field(pipe(string(), maxLength(500)), "OCI image, such as python:3.13-slim."),
    files: field(record(path, pipe(string(), maxLength(1_000_000))), "Files to write first: path to text."),
    env: envField,
    cwd: field(path, "Default: the image's."),
    network: field(hosts, "Hosts to allow; [] for none. Default: all that the server allows."),
    timeout_s: field(waitSeconds, "Default and most: 50."),
  }),
  annotations: { title: "Run in a fresh machine", readOnlyHint: false, destructiveHint: false },
  run: async ({ command, files = {}, env, cwd, timeout_s = MAX_WAIT_S, ...wanted }, call) => {
    const { machines, signal, leftMs } = call;
    // What is thrown away afterwards lives no longer than what stays.
    const wantedMs = Math.min(timeout_s * 1000, machines.ceilings.ttlMs ?? Number.POSITIVE_INFINITY);
    const hasFiles = Object.keys(files).length > 0;
    const name = `run-${randomBytes(4).toString("hex")}`;
    const words = [...(hasFiles ? GATE : []), ...argvOf(command)];
    const described = machines.describe(name, wanted, true, words);
    const spec = {
      ...described,
      env: [...described.env, ...(variablesOf(env) ?? [])],
      workdir: cwd ?? described.workdir,
    };
    const release = machines.hold(spec.memoryMib);
    try {
      await machines.fetch(spec.image, leftMs(), signal);
      if (leftMs() < wantedMs / 2) throw arrivedLate();
      const machine = await openEphemeral(machines.context, spec, { interactive: hasFiles, signal });
      const onAbort = () => void machine.end();
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        const process = await machine.command;
        const output = boundedOutputs(machines.ceilings.maxOutputBytes);
        const reading = (async () => {
          for await (const { channel, bytes } of piecesOf(process)) output[channel].add(bytes);
        })();
        reading.catch(() => {});
        await machine.started;
        if (hasFiles) await giveFiles(call, spec.name, process, files);
        const timeoutMs = Math.min(wantedMs, leftMs());
        const exitCode = await runToEnd(process, { stdin: undefined, timeoutMs }, signal);
        await reading.catch(() => {});
        return shown(output, machines.ceilings.maxOutputBytes, {
          exit_code: exitCode,
          timed_out: exitCode === TIMED_OUT || undefined,
        });
      } finally {
        signal.removeEventListener("abort", onAbort);
        await machine.end();
      }
    } finally {
      release();
    }
  },
});

/** The command would be killed before its time: it runs in the next call instead. */
const arrivedLate = () =>
  new SmolError("mcp.starting", "the machine's image took most of the time that a call has", {
    hint: "it is there now; call the tool again",
  });

/** Writes files while the command waits, and lets it go. */
async function giveFiles(
  { machines, signal }: Call,
  name: string,
  process: Process,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const machine = await connectMachine(machines.context, name);
  try {
    for (const [file, text] of Object.entries(files))
      await writeGuest(machine, file, contentOf(Buffer.from(text)), { signal });
  } finally {
    machine.close();
  }
  await process.write(Buffer.from("\n")).catch((error) => {
    // It has ended already, and says how.
    if (!(error instanceof SmolError)) throw error;
  });
  process.end();
}
