/** Commands in machines. */

import { constants } from "node:os";
import { array, boolean, type InferOutput, number, optional, picklist, strictObject, string } from "valibot";
import {
  createContainer,
  execEnvironment,
  execInContainer,
  inspectMachine,
  killProcess,
  listProcesses,
  type Machine,
  type Process,
  type ProcessInfo,
  removeContainer,
  startContainer,
  startDetached,
} from "../../machine/index.ts";
import type { PackSource } from "../../pack/index.ts";
import { exitCodeIn } from "../../protocol/index.ts";
import { Refused } from "../errors.ts";
import { type Asked, jsonRoute, MACHINE, rawRoute } from "../http/route.ts";
import { runToEnd } from "../live/command.ts";
import { MAX_MESSAGE_BYTES, MAX_SIDE, Session } from "../live/interactive.ts";
import { Kept, piecesOf } from "../live/output.ts";
import { eventStream, type ServerEvent } from "../live/sse.ts";
import { openAllowedImage } from "../machine/host-paths.ts";
import { openPackBehind } from "../machine/named-pack.ts";
import { reach, withMachine } from "../machine/reach.ts";
import {
  command,
  count,
  environmentOf,
  field,
  guestPath,
  imageName,
  MAX_WAIT_SECONDS,
  milliseconds,
  queryWord,
  seconds,
  variables,
  word,
} from "../schema/fields.ts";
import { AUTH_ABOUT, credentialsOf, registryAuth } from "../schema/registry-auth.ts";
import type { Serving } from "../serving.ts";
import { TimeLimit } from "../time-limit.ts";

const tag = "exec";

/** Of each output that an answer holds; what is more is read and dropped, and said so. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

const surroundings = {
  env: field(variables, "Win over the machine's."),
  workdir: field(guestPath, "Default: the machine's."),
  timeoutSecs: field(
    seconds(0.001, MAX_WAIT_SECONDS),
    "The command is killed then, and its exit code is 124. Default: the server's limit of a request, then 408.",
  ),
  secrets: field(strictObject({}), "Empty: a request cannot name secrets of the server's host."),
};

const execSchema = strictObject({
  command,
  ...surroundings,
  user: field(word, "USER[:GROUP]. Default: the machine's."),
  stdin: field(word, "Default: none."),
  background: field(boolean(), "Do not wait for its end; see processes. Default: false."),
  autoStart: field(boolean(), "Start the machine when it does not run. Default: true."),
});

const resultSchema = strictObject({
  exitCode: number(),
  /** UTF-8, with U+FFFD for what is none. */
  stdout: string(),
  stderr: string(),
  stdoutB64: string(),
  stderrB64: string(),
  /** There was more than the answer holds. */
  truncated: optional(boolean()),
  /** Of one in the background. */
  id: optional(string()),
});

/** The shape of `exec` in a stream has no part of what waits for the end. */
const { background: _, ...streamed } = execSchema.entries;
const streamSchema = strictObject(streamed);

type Body = InferOutput<typeof streamSchema>;

async function requestOf({ serving, params }: Pick<Asked, "serving" | "params">, body: Body) {
  const env = await execEnvironment(serving.context, params.name, { env: environmentOf(body.env) });
  const { command: argv, workdir: cwd, user } = body;
  return { argv, env, cwd, user, stdin: body.stdin !== undefined };
}

/** All of a command: its output is kept, as far as an answer may be long. */
async function complete(
  { serving, signal }: Pick<Asked, "serving" | "signal">,
  process: Process,
  { stdin, timeoutSecs }: Pick<Body, "stdin" | "timeoutSecs">,
) {
  const begun = performance.now();
  const kept = { stdout: new Kept(MAX_OUTPUT_BYTES), stderr: new Kept(MAX_OUTPUT_BYTES) };
  const reading = (async () => {
    for await (const { channel, bytes } of piecesOf(process)) kept[channel].add(bytes);
  })();
  reading.catch(() => {});
  const limit = new TimeLimit(timeoutSecs === undefined ? serving.options.requestTimeoutMs : undefined);
  const either = AbortSignal.any([signal, limit.signal]);
  const exitCode = await runToEnd(process, { stdin, timeoutMs: milliseconds(timeoutSecs) }, either).finally(
    () => limit.clear(),
  );
  // What was killed may have left its last words unsaid.
  await reading.catch(() => {});
  serving.metrics.exec.observe((performance.now() - begun) / 1000);
  const [stdout, stderr] = [kept.stdout.bytes(), kept.stderr.bytes()];
  return {
    exitCode,
    stdout: stdout.toString(),
    stderr: stderr.toString(),
    stdoutB64: stdout.toString("base64"),
    stderrB64: stderr.toString("base64"),
    truncated: kept.stdout.truncated || kept.stderr.truncated || undefined,
  };
}

async function* eventsOf(
  { serving, signal }: Pick<Asked, "serving" | "signal">,
  machine: Machine,
  process: Process,
  body: Body,
  encoding: "text" | "base64",
): AsyncGenerator<ServerEvent, void, void> {
  const begun = performance.now();
  const leaving = new AbortController();
  const either = AbortSignal.any([signal, leaving.signal, serving.ending]);
  const ended = runToEnd(process, { stdin: body.stdin, timeoutMs: milliseconds(body.timeoutSecs) }, either);
  ended.catch(() => {});
  // A character may be split between two pieces.
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  try {
    for await (const { channel, bytes } of piecesOf(process)) {
      const data =
        encoding === "base64"
          ? Buffer.from(bytes).toString("base64")
          : decoders[channel].decode(bytes, { stream: true });
      if (data !== "") yield { event: channel, data };
    }
    const exitCode = await ended;
    serving.metrics.exec.observe((performance.now() - begun) / 1000);
    yield { event: "exit", data: JSON.stringify({ exitCode }) };
  } finally {
    leaving.abort();
    machine.close();
  }
}

const side = count(1, MAX_SIDE);

export const execRoutes = [
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/exec`, id: "exec", tag, limit: "own", failures: [404, 408, 409] },
    gives: { id: "/id" },
    summary: "Run a command in a machine, and wait for its end",
    description: "The machine is started when it does not run, unless `autoStart` is false.",
    body: { schema: execSchema, former: { cmd: "command" } },
    answer: {
      schema: resultSchema,
      about: "How it ended, and what it wrote: 16 MiB of each output at most.",
    },
    handle: async (asked) => {
      const { params, body, serving, signal } = asked;
      const machine = await reach(serving, params.name, signal, body.autoStart ?? true);
      try {
        const request = await requestOf(asked, body);
        if (!body.background) return await complete(asked, machine.exec(request), body);
        if (body.stdin !== undefined)
          throw new Refused("BAD_REQUEST", "stdin: a command in the background gets none");
        const { id, pid } = await startDetached(machine, { ...request, stdin: false });
        const stdout = `pid=${pid}\n`;
        const stdoutB64 = Buffer.from(stdout).toString("base64");
        return { id, exitCode: 0, stdout, stderr: "", stdoutB64, stderrB64: "" };
      } finally {
        machine.close();
      }
    },
  }),
  rawRoute({
    ...{ method: "post", path: `${MACHINE}/exec/stream`, id: "execStream", tag, limit: "none" },
    summary: "Run a command in a machine, and get its output as it comes",
    description:
      'Events `stdout` and `stderr` have pieces of output, `exit` has `{"exitCode":N}` and is the last; `error` ' +
      "ends the stream when the command or the machine was lost. In the encoding `text` the format makes every CR " +
      "an LF. The command is killed when the client goes.",
    failures: [404, 409],
    query: strictObject({ encoding: field(picklist(["text", "base64"]), "Of pieces. Default: text.") }),
    body: { schema: streamSchema, former: { cmd: "command" } },
    answer: { type: "text/event-stream", about: "The output, and how it ended." },
    handle: async (asked) => {
      const { params, body, query, serving, signal } = asked;
      const machine = await reach(serving, params.name, signal, body.autoStart ?? true);
      try {
        const process = machine.exec(await requestOf(asked, body));
        // What cannot be started is an answer of its own, and no stream.
        await process.started;
        return eventStream(eventsOf(asked, machine, process, body, query.encoding ?? "text"), asked);
      } catch (error) {
        machine.close();
        throw error;
      }
    },
  }),
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/exec/interactive`, id: "execInteractive", tag, limit: "none" },
    summary: "A terminal in a machine, over a WebSocket",
    description:
      'Binary messages are what is typed and what the terminal shows. Text messages of the client: `{"type":"resize",' +
      '"cols":N,"rows":N}`, `{"type":"stdin","data":TEXT}`; other text is typed. The server\'s last one is ' +
      `\`{"type":"exit","code":N}\`. A message has at most ${MAX_MESSAGE_BYTES} bytes.`,
    failures: [404, 409],
    query: strictObject({
      cmd: field(array(queryWord), "The program; repeated: its arguments. Default: /bin/sh."),
      cols: field(side, "Default: 80."),
      rows: field(side, "Default: 24."),
      workdir: field(guestPath, "Default: the machine's."),
      user: field(queryWord, "Default: the machine's."),
    }),
    answer: { type: "", status: 101, about: "The connection is a WebSocket now." },
    handle: async (asked) => {
      const { params, query, request, serving, signal } = asked;
      if (request.method !== "GET" || request.headers.get("upgrade")?.toLowerCase() !== "websocket")
        throw new Refused("BAD_REQUEST", "this takes a WebSocket");
      const machine = await reach(serving, params.name, signal, true);
      try {
        const { cmd = ["/bin/sh"], cols: columns = 80, rows = 24, ...rest } = query;
        const made = await requestOf(asked, {
          command: cmd,
          env: [{ name: "TERM", value: "xterm-256color" }],
          ...rest,
        });
        const process = machine.exec({ ...made, stdin: true, tty: { columns, rows } });
        await process.started;
        const end = () => session.leave();
        const session = new Session(machine, process, asked, () => {
          serving.ending.removeEventListener("abort", end);
          asked.ended();
        });
        serving.ending.addEventListener("abort", end, { once: true });
        if (!serving.upgrade(request, session)) {
          session.end();
          throw new Refused("BAD_REQUEST", "this takes a WebSocket");
        }
        return new Response(null);
      } catch (error) {
        machine.close();
        throw error;
      }
    },
  }),
  jsonRoute({
    ...{
      method: "post",
      path: `${MACHINE}/run`,
      id: "runInImage",
      tag,
      limit: "own",
      failures: [403, 404, 408, 409],
    },
    summary: "Run a command in an image of its own inside a machine; nothing of it stays",
    description:
      "The image may be a pack of a registry: its files, environment, user and directory are taken, and nothing of what " +
      "it says about a machine. By the name of the machine's own image, what the machine has is meant: no registry is " +
      "asked.",
    body: {
      schema: strictObject({
        ...{ image: imageName, command, ...surroundings },
        registryAuth: field(registryAuth, AUTH_ABOUT),
      }),
    },
    answer: { schema: resultSchema, about: "How it ended, and what it wrote." },
    handle: async (asked) => {
      const { params, body, serving, signal } = asked;
      const {
        path: image = body.image,
        file,
        close,
      } = openAllowedImage(body.image, serving.options.mountRoots);
      let machine: Machine | undefined;
      let pack: PackSource | undefined;
      try {
        const credentials = credentialsOf(body.registryAuth);
        machine = await reach(serving, params.name, signal, true);
        const own = ownImage(serving, params.name, body.image);
        if (own === undefined) pack = await openPackBehind(body.image, serving, credentials, signal);
        const { workdir } = body;
        const env = environmentOf(body.env);
        const options = { workdir, env, file: file ?? own, pack, credentials, signal };
        const { id } = await createContainer(serving.context, machine, image, options);
        try {
          await startContainer(machine, id);
          const request = { argv: body.command, env, cwd: workdir, stdin: false };
          return await complete(asked, await execInContainer(machine, id, request), body);
        } finally {
          await removeContainer(machine, id, true).catch(() => {});
        }
      } finally {
        machine?.close();
        await pack?.close();
        close?.();
      }
    },
  }),
  jsonRoute({
    ...{ method: "get", path: `${MACHINE}/processes`, id: "listProcesses", tag, limit: "server" },
    gives: { id: "/processes/0/id" },
    summary: "List the workload and what runs in the background",
    failures: [404, 409],
    answer: {
      about: "The latest first.",
      schema: strictObject({
        processes: array(
          strictObject({
            id: string(),
            pid: optional(number()),
            command: array(string()),
            running: boolean(),
            exitCode: optional(number()),
          }),
        ),
      }),
    },
    handle: ({ params, serving, signal }) =>
      withMachine(serving, params.name, signal, async (machine) => ({
        processes: (await listProcesses(machine)).map(processOf),
      })),
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/processes/{id}/kill`, id: "killProcess", tag, limit: "server" },
    summary: "Send a signal to a process in the background",
    failures: [404, 409],
    body: {
      optional: true,
      schema: strictObject({ signal: field(picklist(signalNames()), "Default: SIGKILL.") }),
    },
    answer: { schema: strictObject({ signalled: string() }), about: "It was sent." },
    handle: async ({ params, body, serving, signal }) => {
      const { name, id } = params;
      const number = constants.signals[(body.signal ?? "SIGKILL") as NodeJS.Signals];
      await withMachine(serving, name, signal, (machine) => killProcess(machine, id, number));
      return { signalled: id };
    },
  }),
];

/** The machine's own image, which no registry is asked for: that of a pack is known here only. @returns its id */
function ownImage({ context }: Serving, name: string, image: string): string | undefined {
  const { record } = inspectMachine(context, name);
  return record?.image === image ? (record.imageId ?? undefined) : undefined;
}

function signalNames(): readonly string[] {
  return Object.keys(constants.signals).filter((name) => name.startsWith("SIG"));
}

function processOf(info: ProcessInfo) {
  const { id, pid, argv, state } = info;
  return { id, pid, command: [...argv], running: state === "running", exitCode: exitCodeIn(info) };
}
