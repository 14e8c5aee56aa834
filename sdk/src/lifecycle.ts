/** Machines from their making to their end. */
import { resolve } from "node:path";
import { machineInfo } from "./info.ts";
import { within } from "./limit.ts";
import { Machine } from "./machine.ts";
import { CONNECT_OPTIONS, checkNames, inCallersWords } from "./options.ts";
import { machineBody, secretsOf } from "./request.ts";
import type { Transport } from "./transport/types.ts";
import type {
  CallOptions,
  ConnectOptions,
  CreateOptions,
  DisposePolicy,
  ExecHooks,
  MachineInfo,
  MachineStatus,
} from "./types/index.ts";

/**
 * Which machines are listed: all of it has to be so.
 *
 * @example
 * const filter: ListFilter = { status: "running", labels: { job: "ci" } };
 * const running = await Machine.list(filter);
 */
export interface ListFilter extends CallOptions {
  readonly status?: MachineStatus | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** How long a boot may take once the image is there, in milliseconds. */
const BOOT_LIMIT_MS = 30_000;

export async function create(
  transport: Transport,
  options: CreateOptions,
  hooks: ExecHooks = {},
  ifNotExists = false,
): Promise<Machine> {
  const { onDispose = "delete", detached = false, startTimeoutMs = BOOT_LIMIT_MS } = options;
  const owner = detached ? undefined : ownerOf(onDispose);
  const { secrets, sshAgent, onProgress } = options;
  const body = { ...machineBody(options), ifNotExists: ifNotExists || undefined };
  return await within("create", options, async (signal) => {
    const smolfile = options.smolfile === undefined ? undefined : resolve(options.smolfile);
    const request = { machine: body, smolfile, secrets: secretsOf(secrets), sshAgent, owner };
    const { machine: answer, created } = await inCallersWords(transport.create(request, { signal }));
    const machine = new Machine({
      transport,
      info: machineInfo(answer),
      owned: created,
      owner: created ? owner : undefined,
      onDispose: detached ? "detach" : created ? onDispose : "stop",
      hooks: options.hooks ?? hooks,
      startTimeoutMs,
    });
    if (options.start === false) return machine;
    try {
      return await machine.start({ signal, onProgress });
    } catch (error) {
      // Whoever gets no handle can delete nothing.
      if (created) await machine.delete().catch(() => {});
      throw error;
    }
  });
}

const ownerOf = (policy: DisposePolicy) => (policy === "detach" ? undefined : policy);

export async function connect(
  transport: Transport,
  name: string,
  options: ConnectOptions,
  hooks: ExecHooks = {},
): Promise<Machine> {
  checkNames(options, CONNECT_OPTIONS);
  return await within("connect", options, async (signal) => {
    const machine = new Machine({
      transport,
      info: await inspect(transport, name, { signal }),
      owned: false,
      owner: undefined,
      onDispose: options.onDispose ?? "stop",
      hooks: options.hooks ?? hooks,
      startTimeoutMs: options.startTimeoutMs ?? BOOT_LIMIT_MS,
    });
    return options.start ? await machine.start({ signal }) : machine;
  });
}

export const getOrCreate = (
  transport: Transport,
  name: string,
  options: Omit<CreateOptions, "name">,
  hooks: ExecHooks = {},
): Promise<Machine> => create(transport, { ...options, name }, hooks, true);

export async function list(transport: Transport, filter: ListFilter): Promise<MachineInfo[]> {
  const { status, labels = {} } = filter;
  const query = {
    state: status === undefined ? undefined : [status],
    label: Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  };
  const answer = await within("list", filter, (signal) =>
    transport.api({ operation: "listMachines", query }, { signal }),
  );
  return (answer as { readonly machines: readonly unknown[] }).machines.map(machineInfo);
}

export async function inspect(
  transport: Transport,
  name: string,
  options: CallOptions,
): Promise<MachineInfo> {
  return machineInfo(
    await within("inspect", options, (signal) =>
      transport.api({ operation: "getMachine", name }, { signal }),
    ),
  );
}

export async function remove(transport: Transport, name: string, options: CallOptions): Promise<void> {
  await within("delete", options, (signal) =>
    transport.api({ operation: "deleteMachine", name }, { signal }),
  );
}
