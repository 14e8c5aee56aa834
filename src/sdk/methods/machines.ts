/** Machines from their making to their start, with who owns them. */
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import {
  dataDirectory,
  deleteMachine,
  inspectMachine,
  type StartEvent,
  startMachine,
} from "../../machine/index.ts";
import type { SpecLayer } from "../../machine/model/index.ts";
import { socketPaths } from "../../machine/store/index.ts";
import { createAsked } from "../../serve/machine/create.ts";
import { machineInfo } from "../../serve/schema/machine-info.ts";
import { createSchema, FORMER } from "../../serve/schema/machine-request.ts";
import { read } from "../../serve/schema/read.ts";
import { answerWith } from "../answer.ts";
import type { Asked } from "../child.ts";
import { badRequest } from "../failure.ts";
import { checked, createParams, nameParams, secretsOf, startParams } from "../params.ts";
import { pullProgress } from "../progress.ts";

export async function create({ params, stream, signal, serving, owned }: Asked): Promise<unknown> {
  const { smolfile, secrets, sshAgent, owner } = checked(createParams, params);
  const body = read(createSchema, params.machine ?? {}, "machine", FORMER);
  const lent = { secrets: secretsOf(secrets), sshAgent };
  // One that is to be stopped is never left over: it is its user's to keep.
  const layer = smolfile === undefined ? undefined : await layerOf(smolfile, body.from, serving.context);
  const own = { layer, lent, owned: owner === "delete" };
  const { record, created, ownership } = await createAsked(serving, body, signal, own);
  if (owner !== undefined && created) owned.add(record.name, owner, ownership);
  if (signal.aborted) {
    // Whoever gave it up does not know its name.
    if (created) await deleteMachine(serving.context, record.name);
    throw signal.reason;
  }
  const machine = machineInfo(inspectMachine(serving.context, record.name));
  return await answerWith(stream, { machine, created });
}

/** What a Smolfile says. @throws SmolError `smolfile.*`, `sdk.bad_request` */
async function layerOf(smolfile: string, pack: string | undefined, context: Context): Promise<SpecLayer> {
  if (pack !== undefined)
    throw badRequest("smolfile and from exclude each other: a pack says what the machine is");
  const { loadSmolfile } = await import("../../smolfile/index.ts");
  const { layer, notes } = await loadSmolfile(smolfile, context.environment);
  for (const note of notes) context.note(note);
  return layer;
}

export async function start({ params, stream, signal, serving, owned }: Asked): Promise<unknown> {
  const { name, timeoutMs, owner = owned.policyOf(name) } = checked(startParams, params);
  const { context, options } = serving;
  const limit = new AbortController();
  let timer: Timer | undefined;
  const boot = () => {
    stream.event({ type: "boot" });
    if (timeoutMs !== undefined)
      timer = setTimeout(() => limit.abort(tookTooLong(name, timeoutMs)), timeoutMs);
  };
  const either = AbortSignal.any([signal, limit.signal]);
  try {
    const started = await startMachine(context, name, {
      engine: options.engine,
      signal: either,
      owner,
      onPull: pullProgress((event) => stream.event(event)),
      onBoot: boot,
      onEvent: (event: StartEvent) => {
        // The guest is there; what its user runs first takes the time that it takes.
        clearTimeout(timer);
        stream.event(event);
      },
    });
    if (owner !== undefined && started.owned !== undefined) owned.started(name, owner, started.owned);
  } catch (error) {
    either.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return await answerWith(stream, machineInfo(inspectMachine(context, name)));
}

const tookTooLong = (name: string, limitMs: number) =>
  new SmolError("sdk.timeout", `machine '${name}' was not ready within ${limitMs} ms`);

export async function release({ params, owned }: Asked): Promise<unknown> {
  await owned.release(checked(nameParams, params).name);
  return {};
}

/** Where a machine is, for a client that talks to it without this process. */
export async function locate({ params, serving: { context } }: Asked): Promise<unknown> {
  const { name } = checked(nameParams, params);
  const { record } = inspectMachine(context, name);
  return {
    socket: socketPaths(context.paths, name).control,
    dataDir: dataDirectory(context.paths, name),
    createdAt: record?.createdAt ?? 0,
    direct: record?.secrets.length === 0,
  };
}
