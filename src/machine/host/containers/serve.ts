/** What clients can ask of a machine's containers, and how it is done. Loaded when one does. */
import {
  array,
  boolean,
  type InferOutput,
  nullable,
  number,
  object,
  optional,
  safeParse,
  string,
} from "valibot";
import { failureOf, type Stream, StreamFailure } from "../../../protocol/index.ts";
// Not the folder's face, which does without valibot.
import { containerImageSchema } from "../../model/container-schema.ts";
import { checkedExec } from "../guest-exec.ts";
import type { LastingMachine } from "../lasting.ts";
import { relayExec } from "../relay.ts";
import type { Containers } from "./containers.ts";
import { containerExec } from "./run.ts";

/** What these methods use of a machine. */
interface Machine {
  readonly lasting: LastingMachine | undefined;
}

type Method = (machine: Machine, stream: Stream) => Promise<void>;

/** What happens while a container is made: so many bytes of its image are in the machine. */
export interface CopyEvent {
  readonly type: "copying";
  readonly done: number;
  readonly total: number;
}

/** Between two events about a copy, in milliseconds: nobody sees more. */
const EVENT_PAUSE_MS = 100;

/** docker's, for those who say nothing. */
const STOP_TIMEOUT_MS = 10_000;

const createParams = object({
  reference: string(),
  image: containerImageSchema,
  cmd: array(string()),
  env: array(string()),
  workdir: nullable(string()),
  volumes: array(object({ source: string(), target: string(), readOnly: boolean() })),
});
const idParams = object({ id: string() });
const stopParams = object({ id: string(), timeoutMs: optional(number()) });
const removeParams = object({ id: string(), force: optional(boolean()) });

export type CreateParams = InferOutput<typeof createParams>;
export type StopParams = InferOutput<typeof stopParams>;
export type RemoveParams = InferOutput<typeof removeParams>;

export const serveContainers = {
  containerCreate: served(async (containers, stream) => {
    const request = checked(createParams, stream);
    const abort = new AbortController();
    stream.onCancel = () => abort.abort(givenUp());
    const record = await containers.create(request, {
      signal: abort.signal,
      onProgress: tellNowAndThen((event) => stream.event(event)),
    });
    stream.finish(record);
  }),

  containerStart: served(async (containers, stream) => {
    stream.finish(await containers.start(checked(idParams, stream).id));
  }),

  containerStop: served(async (containers, stream) => {
    const { id, timeoutMs = STOP_TIMEOUT_MS } = checked(stopParams, stream);
    stream.finish(await containers.stop(id, Math.max(0, timeoutMs)));
  }),

  containerRemove: served(async (containers, stream) => {
    const { id, force = false } = checked(removeParams, stream);
    stream.finish(await containers.remove(id, force));
  }),

  /** One more process in a container that runs: `exec`, with an `id`. */
  containerExec: served(async (containers, stream, machine) => {
    const { record, process } = containers.find(checked(idParams, stream).id);
    if (process === undefined) throw notRunning(record.id);
    const { argv, env, cwd, user, tty, stdin, rlimits } = checkedExec(stream.request.params);
    if (argv.length === 0)
      throw new StreamFailure({ code: "exec.bad_request", message: "malformed exec: argv" });
    const options = { env, workdir: cwd, user, stdin, tty: tty !== undefined, rlimits };
    const exec = containerExec(record, argv, options, tty);
    const { guest } = await machine.session();
    const forget = process.onOutOfMemory(() => stream.event({ type: "out_of_memory" }));
    await relayExec(stream, exec, { exec: (exec) => guest.exec(exec), rootMade: Promise.resolve() });
    forget();
  }),
} satisfies Readonly<Record<string, Method>>;

/** Work for a client keeps the machine from being idle. */
function served(
  serve: (containers: Containers, stream: Stream, machine: LastingMachine) => Promise<void>,
): Method {
  return async ({ lasting }, stream) => {
    if (lasting === undefined) throw ephemeral();
    const done = lasting.begin();
    try {
      await serve(lasting.containers, stream, lasting);
    } catch (error) {
      stream.fail(failureOf(error));
    } finally {
      done();
    }
  };
}

/** The first figures, the last ones, and some of those between. */
function tellNowAndThen(tell: (event: CopyEvent) => void): (done: number, total: number) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const now = performance.now();
    if (done < total && now - last < EVENT_PAUSE_MS) return;
    last = now;
    tell({ type: "copying", done, total });
  };
}

function checked<Schema extends Parameters<typeof safeParse>[0]>(
  schema: Schema,
  { request }: Stream,
): InferOutput<Schema> {
  const parsed = safeParse(schema, request.params);
  if (parsed.success) return parsed.output;
  throw new StreamFailure({ code: "machine.bad_request", message: `malformed ${request.method}` });
}

function ephemeral(): StreamFailure {
  return new StreamFailure({
    code: "machine.ephemeral",
    message: "containers need a machine that lasts, and this one ends with its command",
    hint: "smolvm machine create and start make one that lasts",
  });
}

function notRunning(id: string): StreamFailure {
  return new StreamFailure({
    code: "container.not_running",
    message: `container ${id} is not running`,
    hint: `\`smolvm container start\` starts it`,
  });
}

const givenUp = (): StreamFailure =>
  new StreamFailure({ code: "exec.failed", message: "given up by whoever asked for it" });
