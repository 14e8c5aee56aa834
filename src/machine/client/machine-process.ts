import { isDebugging } from "../../debug.ts";
import { SmolError } from "../../errors.ts";
import {
  type Channel,
  Connection,
  connectTransport,
  type ExecRequest,
  jsonCodec,
  type Stream,
} from "../../protocol/index.ts";
import { selfCommand } from "../../self.ts";
import { version } from "../../version.ts";
import type { StartEvent, StartOrder, StartReport } from "../plan/index.ts";
import { toSmolError } from "./failure.ts";

/** The descriptor on which a machine's process finds its owner (host/main.ts, which is too much to load here). */
const OWNER_FD = 3;

/** A machine's process that this process has started, and owns until it lets go. */
export class MachineProcess {
  readonly #child: Bun.Subprocess;
  readonly #connection: Promise<Connection>;

  /** Starts a process that waits for its order: its start-up runs beside what has to be found out for that. */
  constructor() {
    const { command, argv0, env } = selfCommand("__machine");
    this.#child = Bun.spawn(command, {
      argv0,
      env,
      cwd: "/",
      // A session of its own: signals of the terminal reach only the owner.
      detached: true,
      stdio: ["ignore", "ignore", isDebugging(env) ? "inherit" : "ignore", "socket-fd"],
    });
    const fd = this.#child.stdio[OWNER_FD];
    if (typeof fd !== "number") throw new Error("no descriptor for the machine's process");
    this.#connection = connectTransport({ fd }).then(
      (transport) => new Connection(transport, { codec: jsonCodec(version) }),
    );
  }

  /** Boots the machine; the stream's result is a StartReport, its events StartEvents. */
  async start(order: StartOrder): Promise<Stream> {
    return (await this.#connection).open({ method: "start", params: order });
  }

  /** Starts the machine's own command; may be called right after `start`, without waiting for it. */
  async exec(request: ExecRequest): Promise<Stream> {
    return (await this.#connection).open({ method: "exec", params: request });
  }

  /** Gives up the ownership of a lasting machine that has been started: it lives on when this process ends. */
  async release(): Promise<void> {
    (await this.#connection).close();
    this.#child.unref();
  }

  /** Resolves when the machine's process has ended. */
  get ended(): Promise<unknown> {
    return this.#child.exited;
  }

  /** As `release`, of a machine whose order names an owner. */
  async disown(): Promise<void> {
    const connection = await this.#connection;
    await connection.open({ method: "disown" }).result.catch((error) => {
      throw toSmolError(error);
    });
    await this.release();
  }

  /** Ends a machine that is owned, and waits until its process is gone. */
  async end(): Promise<void> {
    const connection = await this.#connection.catch(() => undefined);
    connection?.close();
    await this.#child.exited;
  }
}

/** Who is told what happens during a start. */
export interface StartListener {
  readonly onEvent?: ((event: StartEvent) => void) | undefined;
  /** Gets what init commands print; awaited. @param channel 1 or 2 */
  readonly onInitOutput?: ((channel: Channel, chunk: Uint8Array) => Promise<void> | void) | undefined;
}

/** The report of a start, or why there is none. @throws SmolError */
export async function reportOf(stream: Stream, listener: StartListener): Promise<StartReport> {
  stream.onEvent = (message) => listener.onEvent?.(message as StartEvent);
  const outputs = ([1, 2] as const).map(async (channel) => {
    for await (const chunk of stream.read(channel)) await listener.onInitOutput?.(channel, chunk);
  });
  try {
    return (await stream.result) as StartReport;
  } catch (error) {
    throw toSmolError(error);
  } finally {
    await Promise.allSettled(outputs);
  }
}

/** For a machine whose process ended without a word. */
export const lost = (): SmolError => new SmolError("machine.lost", "the machine ended unexpectedly");
