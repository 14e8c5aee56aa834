import { removeIfAllowed } from "../../host/index.ts";
import { listenTransport, type SocketTransport } from "../../protocol/index.ts";

/**
 * Where the agents of a machine's VMs are connected: one socket for all of them, one after the other, since a process that
 * is confined makes no further one.
 */
export class AgentListener {
  readonly path: string;
  readonly #listener: { stop(): void };
  #take: ((transport: SocketTransport) => void) | undefined;

  /** @throws the error of listen(2) */
  constructor(path: string) {
    this.path = path;
    this.#listener = listenTransport(path, (transport) => {
      const take = this.#take;
      this.#take = undefined;
      // Nobody's: no VM is waiting for its agent.
      if (take === undefined) transport.close();
      else take(transport);
    });
  }

  /** The agent of the VM that is about to be started; who waited for one before it is forgotten. */
  next(): Promise<SocketTransport> {
    return new Promise((resolve) => {
      this.#take = resolve;
    });
  }

  close(): void {
    this.#listener.stop();
    removeIfAllowed(this.path);
  }
}
