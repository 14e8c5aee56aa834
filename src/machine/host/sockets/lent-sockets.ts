import { lstatSync, mkdirSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import type { Removal } from "../../../confine/index.ts";
import { messageOf, SmolError } from "../../../errors.ts";
import type { Guest, GuestListener, GuestSocket } from "../../../guest/index.ts";
import { lendAgent } from "../../../ssh-agent/index.ts";
import { endsWithin } from "../../../within.ts";
import { ConsoleLog } from "../../logs/index.ts";
import { exposedPath, SSH_AGENT_SOCKET } from "../../model/index.ts";
import type { StartOrder } from "../../plan/index.ts";
import { MAIN_ROOT } from "../../root/index.ts";
import { machineDirectory, removeExposed, removeSocket, writeExposed } from "../../store/index.ts";
import type { Session } from "../session.ts";
import { describeUse, guestPipe, hostPipe } from "./agent-pipe.ts";
import { carry } from "./carry.ts";
import { connectUnix, listenUnix, type UnixListener } from "./unix.ts";

/** Connections of all sockets at once: each has two windows of 256 KiB at most, and a stream of the 1024 that there are. */
const MAX_CONNECTIONS = 256;
/** Connections to the SSH agent at once; ssh opens one for each login. */
const MAX_AGENT_CONNECTIONS = 32;

/** How long the guest may take to close its sockets before its disks are unmounted. */
const LEAVE_LIMIT_MS = 3000;

/** How often the same trouble is told in the log: once is enough, and a guest makes as many as it likes. */
const MAX_TROUBLES = 100;

export interface LentOptions {
  readonly order: StartOrder;
  /** The machine's directory for disks and logs. */
  readonly data: string;
  /** Resolves when the machine can do what others ask for. */
  readonly session: () => Promise<Session>;
  /** Work begins for somebody on the host; what is returned ends it. */
  readonly begin: () => () => void;
  /** Told of each use of the SSH agent, and each refusal; one line of hostile text. */
  readonly onAgentUse: (text: string) => void;
  /** Says what goes wrong with connections, one sentence each; hostile text. */
  readonly complain: (text: string) => void;
}

export const sshAgentLogPath = (data: string): string => `${data}/logs/ssh-agent.log`;

/** Sockets that are lent to a machine, over all runs of its VM. */
export class LentSockets {
  readonly #options: LentOptions;
  readonly #listeners: UnixListener[] = [];
  /** Connections that are being carried, by their sockets of the host. */
  readonly #carried = new Set<Socket>();
  /** What is bound in the guest that runs now. */
  readonly #inGuest = new Set<GuestListener | GuestSocket>();
  readonly #troubles = new Set<string>();
  readonly #log: ConsoleLog | undefined;
  #connections = 0;
  #agents = 0;

  private constructor(options: LentOptions) {
    this.#options = options;
    if (options.order.lent.sshAgent === null) return;
    const path = sshAgentLogPath(options.data);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#log = new ConsoleLog(path);
  }

  /** Listens on the host. @throws SmolError `socket.exists`, `socket.unusable`: then nothing is left */
  static async open(options: LentOptions): Promise<LentSockets> {
    const sockets = new LentSockets(options);
    try {
      await sockets.#expose();
      return sockets;
    } catch (error) {
      await sockets.close();
      throw error;
    }
  }

  /** The session as it is with its sockets: its root is made when they can be connected to. */
  into(session: Session): Session {
    const { record, lent } = this.#options.order;
    if (record.mountSockets.length === 0 && lent.sshAgent === null) return session;
    const made = session.root.made.then(async (notes) => {
      await this.#listenIn(session.guest);
      return notes;
    });
    const requested = (async () => {
      // Why there is no guest explains more than what it did not do.
      await session.ready;
      await made;
    })();
    made.catch(() => {});
    requested.catch(() => {});
    const freeDisks = async () => {
      await this.#leaveGuest();
      await session.freeDisks();
    };
    return { ...session, root: { requested, made }, freeDisks };
  }

  /** What `close` removes of the host's, for another process to do where this one may not any more. */
  get removals(): Removal[] {
    return this.#listeners.flatMap(({ socket: { path } }): Removal[] => {
      const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (!status?.isSocket()) return [];
      return [{ kind: "file", path, socket: { device: status.dev, inode: status.ino } }];
    });
  }

  /** Ends all connections; nothing is left of the sockets of the host. */
  async close(): Promise<void> {
    for (const { socket, close } of this.#listeners) {
      close();
      removeSocket(socket);
    }
    this.#listeners.length = 0;
    for (const socket of this.#carried) socket.destroy();
    removeExposed(this.#directory);
    await this.#log?.close();
  }

  /** A socket that is bound in a filesystem keeps it from being unmounted, and so does each connection to it. */
  async #leaveGuest(): Promise<void> {
    const ends = [...this.#inGuest].map((one) => {
      one.cancel();
      return one.ended;
    });
    this.#inGuest.clear();
    await endsWithin(Promise.allSettled(ends), LEAVE_LIMIT_MS);
  }

  /** Remembers what is bound in the guest, until it has ended by itself. */
  #keep<T extends GuestListener | GuestSocket>(one: T): T {
    this.#inGuest.add(one);
    const forget = () => void this.#inGuest.delete(one);
    one.ended.then(forget, forget);
    return one;
  }

  get #directory(): string {
    const { paths, record } = this.#options.order;
    return machineDirectory(paths, record.name);
  }

  async #expose(): Promise<void> {
    // Left by a process of this machine that was killed.
    removeExposed(this.#directory);
    const { order, data } = this.#options;
    for (const exposed of order.record.exposeSockets) {
      const path = exposedPath(data, exposed);
      this.#listeners.push(await listenUnix(path, (socket) => void this.#toGuest(socket, exposed.guest)));
      writeExposed(
        this.#directory,
        this.#listeners.map(({ socket }) => socket),
      );
    }
  }

  async #listenIn(guest: Guest): Promise<void> {
    const { record, lent } = this.#options.order;
    const listening = record.mountSockets.map(({ host, guest: path }) =>
      this.#listenAt(guest, path, (connection) => void this.#toHost(guest, connection, host)),
    );
    const { sshAgent } = lent;
    if (sshAgent !== null)
      listening.push(
        this.#listenAt(
          guest,
          SSH_AGENT_SOCKET,
          (connection) => void this.#toAgent(guest, connection, sshAgent),
        ),
      );
    await Promise.all(listening);
  }

  /** Whoever may run programs in the machine may connect, whatever their user. */
  async #listenAt(guest: Guest, path: string, onConnection: (connection: number) => void): Promise<void> {
    try {
      const directory = dirname(path);
      if (directory !== "/") await guest.steps(MAIN_ROOT, [{ kind: "mkdir", path: directory, mode: 0o755 }]);
      const address = { root: MAIN_ROOT, path, mode: 0o666, replace: true };
      await this.#keep(guest.listen(address, onConnection)).listening;
    } catch (error) {
      throw new SmolError("socket.guest", `cannot listen at ${path} in the machine: ${messageOf(error)}`, {
        hint: "choose a path whose directory is there, or can be made, and where nothing else is",
      });
    }
  }

  /** A program of the guest has connected to a socket of the host. */
  async #toHost(guest: Guest, connection: number, path: string): Promise<void> {
    const taken = this.#keep(guest.take(connection));
    if (this.#isFull()) return taken.cancel();
    this.#connections += 1;
    try {
      const socket = await connectUnix(path);
      this.#carried.add(socket);
      await carry(taken, socket);
      this.#carried.delete(socket);
    } catch (error) {
      this.#complain(`a program of the machine cannot connect to ${path}: ${messageOf(error)}`);
      taken.cancel();
    } finally {
      this.#connections -= 1;
    }
  }

  /** A program of the host has connected to a socket of the guest. */
  async #toGuest(socket: Socket, path: string): Promise<void> {
    if (this.#isFull()) {
      socket.destroy();
      return;
    }
    this.#connections += 1;
    this.#carried.add(socket);
    const end = this.#options.begin();
    try {
      const { guest } = await this.#options.session();
      const connected = guest.connect({ root: MAIN_ROOT, path });
      await connected.connected;
      await carry(connected, socket);
    } catch (error) {
      this.#complain(`a program of the host cannot connect to ${path} in the machine: ${messageOf(error)}`);
      socket.destroy();
    } finally {
      end();
      this.#carried.delete(socket);
      this.#connections -= 1;
    }
  }

  async #toAgent(guest: Guest, connection: number, path: string): Promise<void> {
    const taken = this.#keep(guest.take(connection));
    if (this.#agents >= MAX_AGENT_CONNECTIONS) {
      this.#complain(`more than ${MAX_AGENT_CONNECTIONS} connections to the SSH agent at once`);
      return taken.cancel();
    }
    this.#agents += 1;
    const { sshAgentKeys } = this.#options.order.record;
    await lendAgent({
      client: guestPipe(taken),
      connect: async () => {
        const socket = await connectUnix(path);
        this.#carried.add(socket);
        socket.once("close", () => this.#carried.delete(socket));
        return hostPipe(socket);
      },
      keys: sshAgentKeys.length === 0 ? undefined : new Set(sshAgentKeys),
      onUse: (use) => {
        const text = describeUse(use);
        this.#log?.say(use.what === "signed" ? "info" : "warn", text);
        this.#options.onAgentUse(text);
      },
    });
    this.#agents -= 1;
  }

  #isFull(): boolean {
    const isFull = this.#connections >= MAX_CONNECTIONS;
    if (isFull) this.#complain(`more than ${MAX_CONNECTIONS} connections of sockets at once`);
    return isFull;
  }

  #complain(text: string): void {
    if (this.#troubles.has(text) || this.#troubles.size >= MAX_TROUBLES) return;
    this.#troubles.add(text);
    this.#options.complain(text);
  }
}
