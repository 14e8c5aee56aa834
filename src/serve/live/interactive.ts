/** A terminal session in a machine over a WebSocket (RFC 6455). */
import type { Machine, Process } from "../../machine/index.ts";
import { exitCodeOf } from "../../protocol/index.ts";
import type { Asked } from "../http/route.ts";
import { CLOSE, type Socket, type Talk } from "./talk.ts";

/** One message: a paste. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** What a client may have sent that the process has not read: it cannot be asked to wait. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/** What a message that waits takes beside its bytes, about: an empty one is no less work to keep. */
const MESSAGE_COST = 512;

/** What is sent before the client has taken it; the process waits then. */
const MAX_UNSENT_BYTES = 256 * 1024;

/** Columns, or rows, of a terminal. */
export const MAX_SIDE = 65_535;

/** One session, from the upgrade to its close. */
export class Session implements Talk {
  readonly #machine: Machine;
  readonly #process: Process;
  readonly #explain: Asked["explain"];
  readonly #ended: () => void;
  #waitingBytes = 0;
  #typing: Promise<void> = Promise.resolve();
  #hasRoom = Promise.withResolvers<void>();
  #closed = false;
  #socket: Socket | undefined;

  /** @param ended called once, when nothing of the session is left */
  constructor(machine: Machine, process: Process, { explain }: Pick<Asked, "explain">, ended: () => void) {
    this.#machine = machine;
    this.#process = process;
    this.#explain = explain;
    this.#ended = ended;
  }

  /** The socket is there: output begins to flow. */
  async open(socket: Socket): Promise<void> {
    this.#socket = socket;
    const { exit, failure } = await this.#pass(socket);
    if (!this.#closed) {
      const said = failure === undefined ? { type: "exit", code: exit } : { type: "error", message: failure };
      socket.send(JSON.stringify(said));
      if (failure !== undefined) socket.send(JSON.stringify({ type: "exit", code: exit }));
      socket.close(failure === undefined ? CLOSE.normal : CLOSE.failed);
    }
    this.end();
  }

  async #pass(socket: Socket): Promise<{ exit: number; failure?: string }> {
    try {
      for await (const bytes of this.#process.stdout) {
        if (this.#closed) break;
        socket.sendBinary(bytes);
        while (!this.#closed && socket.getBufferedAmount() > MAX_UNSENT_BYTES) {
          await this.#hasRoom.promise;
          this.#hasRoom = Promise.withResolvers();
        }
      }
      return { exit: exitCodeOf(await this.#process.result) };
    } catch (error) {
      return { exit: -1, failure: this.#explain(error).error };
    }
  }

  /** The client has taken some of what waited for it. */
  drain(): void {
    this.#hasRoom.resolve();
  }

  message(socket: Socket, message: string | Uint8Array): void {
    if (typeof message !== "string") {
      this.#type(socket, message);
      return;
    }
    const said = controlOf(message);
    if (said === undefined) this.#type(socket, Buffer.from(message));
    else if (said.type === "resize") this.#process.resize({ columns: said.cols, rows: said.rows });
    else this.#type(socket, Buffer.from(said.data));
  }

  #type(socket: Socket, bytes: Uint8Array): void {
    const cost = bytes.length + MESSAGE_COST;
    this.#waitingBytes += cost;
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      socket.close(CLOSE.tooMuch, "the process reads no input");
      return;
    }
    // The runtime may use its buffer again.
    const copy = Buffer.from(bytes);
    // A message that waits for room holds up those behind it. When one fails, the end of the process tells why.
    this.#typing = this.#typing
      .then(async () => {
        await this.#process.write(copy);
        this.#waitingBytes -= cost;
      })
      .catch(() => {});
  }

  /** The server ends. */
  leave(): void {
    this.#socket?.close(CLOSE.ending, "the server ends");
    this.end();
  }

  /** The client has gone: its process has, as with a terminal that hangs up. */
  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#hasRoom.resolve();
    this.#process.kill();
    this.#machine.close();
    this.#ended();
  }
}

type Control =
  | { readonly type: "resize"; readonly cols: number; readonly rows: number }
  | { readonly type: "stdin"; readonly data: string };

/** Undefined: text that is none is what was typed. */
function controlOf(message: string): Control | undefined {
  if (!message.startsWith("{")) return undefined;
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(message);
  } catch {
    return undefined;
  }
  if (value?.type === "stdin" && typeof value.data === "string") return { type: "stdin", data: value.data };
  const { type, cols, rows } = value ?? {};
  const isSide = (side: unknown): side is number =>
    Number.isInteger(side) && (side as number) > 0 && (side as number) <= MAX_SIDE;
  return type === "resize" && isSide(cols) && isSide(rows) ? { type, cols, rows } : undefined;
}
