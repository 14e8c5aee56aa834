import type { Paths } from "../config/paths.ts";
import { isDebugging } from "../debug.ts";
import { ExitCode, errnoOf, SmolError } from "../errors.ts";
import {
  Connection,
  connectTransport,
  type ExecRequest,
  jsonCodec,
  type Stream,
  StreamFailure,
} from "../protocol/index.ts";
import { selfCommand } from "../self.ts";
import { version } from "../version.ts";
import { readRunningMachine, removeIfUnused } from "./directory.ts";
import { notFound } from "./name.ts";
import type { MachinePlan, StartReport } from "./plan.ts";
import type { MachineRecord } from "./record.ts";
import { socketPaths } from "./sockets.ts";

/** The descriptor on which a machine process finds its owner. */
export const OWNER_FD = 3;

/** A machine process that this process started and owns. */
export class OwnedMachine {
  readonly #child: Bun.Subprocess;
  readonly #connection: Promise<Connection>;
  #plan: MachinePlan | undefined;

  /** Starts a machine process that waits for its plan. */
  constructor() {
    const { command, env } = selfCommand("__machine");
    this.#child = Bun.spawn(command, {
      env,
      cwd: "/",
      // A session of its own: signals of the terminal reach only the owner.
      detached: true,
      stdio: ["ignore", "ignore", isDebugging(env) ? "inherit" : "ignore", "socket-fd"],
    });
    const fd = this.#child.stdio[OWNER_FD];
    if (typeof fd !== "number") throw new Error("no descriptor for the machine process");
    this.#connection = connectTransport({ fd }).then(
      (transport) => new Connection(transport, { codec: jsonCodec(version) }),
    );
  }

  /** Boots the machine; resolves when its agent is ready. */
  async start(plan: MachinePlan): Promise<StartReport> {
    this.#plan = plan;
    const stream = (await this.#connection).open({ method: "start", params: plan });
    return (await this.#result(stream)) as StartReport;
  }

  /** Starts a process in the machine; may be called right after `start`, without waiting for it. */
  async exec(request: ExecRequest): Promise<Stream> {
    return (await this.#connection).open({ method: "exec", params: request });
  }

  /** Ends the machine and waits until nothing of it is left. */
  async end(): Promise<void> {
    const connection = await this.#connection.catch(() => undefined);
    connection?.close();
    await this.#child.exited;
    // Normally there is nothing left to do; the machine process may have been killed, though.
    if (this.#plan) removeIfUnused(this.#plan.paths, this.#plan.machine.name);
  }

  async #result(stream: Stream): Promise<unknown> {
    try {
      return await stream.result;
    } catch (error) {
      throw toSmolError(error);
    }
  }
}

/**
 * Connects to a running machine.
 * @throws SmolError `machine.not_found` when no machine of that name runs.
 */
export async function connectMachine(
  paths: Paths,
  name: string,
): Promise<{ record: MachineRecord; connection: Connection }> {
  const record = await readRunningMachine(paths, name);
  if (record === undefined) throw notFound(name);
  try {
    const transport = await connectTransport({ unix: socketPaths(paths, name).control });
    return { record, connection: new Connection(transport, { codec: jsonCodec(version) }) };
  } catch (error) {
    const code = errnoOf(error);
    // It ended between the look and the call.
    if (code === "ENOENT" || code === "ECONNREFUSED") throw notFound(name);
    throw error;
  }
}

/** What a stream's end by an error means to the user. */
export function toSmolError(error: unknown): SmolError {
  if (error instanceof SmolError) return error;
  if (!(error instanceof StreamFailure)) {
    return new SmolError("machine.lost", "the machine ended unexpectedly", {
      cause: error,
    });
  }
  const exitCode = exitCodes[error.code];
  return new SmolError(error.code, error.message, {
    hint: error.hint,
    exitCode,
  });
}

/** The exit codes of shells and container runtimes for commands that cannot be started. */
const exitCodes: Record<string, number> = {
  "exec.not_found": ExitCode.notFound,
  "exec.not_executable": ExitCode.notExecutable,
};
