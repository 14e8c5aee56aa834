import { chmodSync, linkSync, unlinkSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { basename, dirname } from "node:path";
import { errnoOf, messageOf, SmolError } from "../../../errors.ts";
import { type ExposedSocket, socketAt } from "../../store/index.ts";

/** Connecting to a socket whose queue is full waits; nobody else's program may hold up a machine's for longer. */
const CONNECT_LIMIT_MS = 10_000;

/** Connects to a socket of the host. Rejects with a system error. */
export function connectUnix(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error("nobody accepts the connection"));
    }, CONNECT_LIMIT_MS);
    socket.once("connect", () => {
      clearTimeout(timer);
      // From now on its end tells what an error would.
      socket.removeAllListeners("error").on("error", () => {});
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** A socket of the host that this process listens at. */
export interface UnixListener {
  readonly socket: ExposedSocket;
  /** Nobody can connect any more; connections that there are go on. The path is the caller's to remove. */
  close(): void;
}

/**
 * Listens at a path of the host where nothing is yet, with mode 0600 from its first moment.
 *
 * @throws SmolError `socket.exists`, `socket.unusable`
 */
export async function listenUnix(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<UnixListener> {
  // Under another name first: bind(2) and a mode are two steps, and link(2) never takes a name that is taken.
  const temporary = `${dirname(path)}/.${crypto.randomUUID().slice(0, 8)}`;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    onConnection(socket);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(temporary, resolve);
    });
    chmodSync(temporary, 0o600);
    try {
      linkSync(temporary, path);
    } finally {
      unlinkSync(temporary);
    }
    const socket = socketAt(path);
    if (socket === undefined) throw new Error("somebody has removed it at once");
    return { socket, close: () => server.close() };
  } catch (error) {
    server.close();
    throw explain(path, error);
  }
}

function explain(path: string, error: unknown): SmolError {
  if (errnoOf(error) === "EEXIST")
    return new SmolError("socket.exists", `there is something at ${path}, and this machine has not made it`, {
      hint: `remove it, or name another place: --expose-socket GUEST:HOST`,
    });
  const tooLong = Buffer.byteLength(`${dirname(path)}/.12345678`) > 107 || Buffer.byteLength(path) > 107;
  const why = tooLong ? "its path is longer than the 107 bytes of a socket's" : messageOf(error);
  return new SmolError("socket.unusable", `cannot listen at ${path} (${basename(path)}): ${why}`, {
    hint: "name a place of your own: --expose-socket GUEST:HOST",
  });
}
