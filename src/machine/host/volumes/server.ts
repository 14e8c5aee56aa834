import type { VolumeRequest } from "../../../files/request.ts";
import { Connection, connectTransport, jsonCodec, type Stream } from "../../../protocol/index.ts";
import { roleCommand } from "../../../self.ts";
import { version } from "../../../version.ts";

const SOCKET = 3;

/** The process that serves a machine's folders; it ends with this one, however that ends. */
export class FileServer {
  /** Resolves when it has ended. */
  readonly ended: Promise<unknown>;
  readonly #child: Bun.Subprocess;
  readonly #connection: Promise<Connection>;

  constructor() {
    const { command, argv0, env } = roleCommand("__files", String(process.pid));
    this.#child = Bun.spawn(command, {
      argv0,
      env,
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "socket-fd"],
    });
    this.ended = this.#child.exited;
    const fd = this.#child.stdio[SOCKET];
    if (typeof fd !== "number") throw new Error("no descriptor for the process that serves files");
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
    this.#child.kill("SIGKILL");
  }
}
