import { type Confinement, PROGRAM_FD, planServer, type Starter } from "../../../confine/index.ts";
import { splitFailure } from "../../../engine/failure.ts";
import { systemLibraries } from "../../../engine/program.ts";
import type { VolumeRequest } from "../../../files/request.ts";
import { Connection, connectTransport, jsonCodec, type Stream } from "../../../protocol/index.ts";
import { roleCommand } from "../../../self.ts";
import { version } from "../../../version.ts";
import { serverPaths } from "./paths.ts";

/** Of the child: its end of the connection (src/files/main.ts). */
const SOCKET_FD = 4;

/** What confines a server of files: as the VMM of its machine is. */
export interface ServerConfinement {
  readonly starter: Pick<Starter, "start">;
  readonly confinement: Confinement;
}

interface Started {
  readonly pid: number;
  readonly socket: number | undefined;
  /** Why it has ended, in words. */
  readonly ended: Promise<string>;
  kill(): void;
}

/** The process that serves a machine's folders; it ends with this one, however that ends. */
export class FileServer {
  /** Resolves when it has ended, with why; never rejects. */
  readonly ended: Promise<string>;
  readonly #child: Started;
  readonly #connection: Promise<Connection>;

  /** @param volumes all that it may be asked for */
  constructor(volumes: readonly VolumeRequest[], confine: ServerConfinement | undefined) {
    this.#child = confine === undefined ? startUnconfined() : startConfined(volumes, confine);
    this.ended = this.#child.ended;
    const fd = this.#child.socket;
    if (fd === undefined) throw new Error("no descriptor for the process that serves files");
    this.#connection = connectTransport({ fd }).then(
      (transport) => new Connection(transport, { codec: jsonCodec(version) }),
    );
    this.#connection.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Serves a folder on a stream: requests on channel 0 to it, replies on channel 0 from it. */
  async open(volume: VolumeRequest): Promise<Stream> {
    return (await this.#connection).open({ method: "volume", params: volume });
  }

  kill(): void {
    this.#child.kill();
  }
}

const ENDED = "its file server has ended";

function startUnconfined(): Started {
  const { command, argv0, env } = roleCommand("__files", String(process.pid));
  const child = Bun.spawn(command, {
    argv0,
    env,
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ignore", "socket-fd"],
  });
  const socket = child.stdio[SOCKET_FD];
  return {
    pid: child.pid,
    socket: typeof socket === "number" ? socket : undefined,
    ended: child.exited.then(() => ENDED),
    kill: () => child.kill("SIGKILL"),
  };
}

function startConfined(
  volumes: readonly VolumeRequest[],
  { starter, confinement }: ServerConfinement,
): Started {
  const { command, argv0, env } = roleCommand("__files");
  const plan = () =>
    planServer(
      {
        programFd: PROGRAM_FD,
        command: [argv0, ...command.slice(1)],
        environment: Object.entries(env).map(([name, value]) => `${name}=${value}`),
        paths: [...systemLibraries(), ...serverPaths(volumes)],
        descriptors: [SOCKET_FD],
      },
      confinement,
    );
  const child = starter.start("file server", plan, 1);
  void discard(child.output);
  const messages = child.messages.text().catch(() => "");
  return {
    get pid() {
      return child.pid;
    },
    socket: child.sockets[0],
    ended: Promise.all([messages, child.exited]).then(([text]) => why(text, child.subjects)),
    kill: child.kill,
  };
}

function why(messages: string, subjects: readonly string[]): string {
  const { error } = splitFailure(messages, subjects, "file server");
  return error === null ? ENDED : `${ENDED}: ${error.message}`;
}

async function discard(output: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of output);
  } catch {
    // Its end tells what happened.
  }
}
