import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import {
  Connection,
  connectTransport,
  type ExecRequest,
  isNobody,
  type JsonRequest,
  jsonCodec,
  type Stream,
} from "../../protocol/index.ts";
import { version } from "../../version.ts";
import { isRunning, requireRecord, socketPaths } from "../store/index.ts";
import { toSmolError } from "./failure.ts";
import { Process } from "./process.ts";

/** A running machine, seen by one who uses it. Closing it changes nothing about the machine. */
export class Machine {
  readonly name: string;
  /** Resolves when the machine's process has ended, or is not reachable any more. */
  readonly gone: Promise<void>;
  readonly #connection: Connection;

  constructor(name: string, connection: Connection) {
    this.name = name;
    this.#connection = connection;
    this.gone = connection.closed.then(() => {});
  }

  /** Starts one more process; it is killed when this side goes away before its end. */
  exec(request: ExecRequest): Process {
    return new Process(this.#connection.open({ method: "exec", params: request }));
  }

  /** One piece of work, for what has no method of its own here. */
  open(request: JsonRequest): Stream {
    return this.#connection.open(request);
  }

  /** Asks a question. @throws SmolError */
  async ask(method: string, params?: unknown): Promise<unknown> {
    try {
      return await this.#connection.open({ method, params }).result;
    } catch (error) {
      throw toSmolError(error);
    }
  }

  close(): void {
    this.#connection.close();
  }
}

/**
 * Connects to a running machine.
 *
 * @throws SmolError `machine.not_found`, `machine.not_running`
 */
export async function connectMachine({ paths }: Context, name: string): Promise<Machine> {
  try {
    const transport = await connectTransport({ unix: socketPaths(paths, name).control });
    return new Machine(name, new Connection(transport, { codec: jsonCodec(version) }));
  } catch (error) {
    if (!isNobody(error)) throw error;
    // Only now: a machine that answers needs no look at its record.
    requireRecord(paths, name);
    throw isRunning(paths, name) ? notReady(name) : notRunning(name);
  }
}

function notRunning(name: string): SmolError {
  return new SmolError("machine.not_running", `machine '${name}' is not running`, {
    hint: `smolvm machine start --name ${name}`,
  });
}

/** Its process has the lock and no socket: it is starting this very moment, or about to end. */
function notReady(name: string): SmolError {
  return new SmolError("machine.not_running", `machine '${name}' is just starting or ending`, {
    hint: `smolvm machine status --name ${name} tells which; try again`,
  });
}
