/** Connections to the machines' own processes: one for each machine, made when it is first needed. */
import { connect } from "node:net";
import { PipeTransport } from "../../../../src/protocol/pipe-transport.ts";
import { errorOf } from "../../errors.ts";
import { Link } from "./link.ts";

export class MachineLinks {
  readonly #links = new Map<string, Promise<Link>>();
  readonly #socketOf: (name: string) => Promise<string | undefined>;

  /** @param socketOf undefined for a machine that this program may not reach by itself */
  constructor(socketOf: (name: string) => Promise<string | undefined>) {
    this.#socketOf = socketOf;
  }

  /** @returns undefined: ask the child. @throws SmolvmError `machine.not_running` */
  async to(name: string): Promise<Link | undefined> {
    const known = await this.#links.get(name)?.catch(() => undefined);
    if (known !== undefined && !known.isClosed) return known;
    const socket = await this.#socketOf(name);
    if (socket === undefined) return undefined;
    const linking = link(name, socket);
    this.#links.set(name, linking);
    const forget = () => {
      if (this.#links.get(name) === linking) this.#links.delete(name);
    };
    linking.then(({ closed }) => closed.then(forget), forget);
    return await linking;
  }

  close(): void {
    for (const linking of this.#links.values())
      linking.then(
        (made) => made.close(),
        () => {},
      );
    this.#links.clear();
  }
}

function link(name: string, path: string): Promise<Link> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("error", (cause) =>
      reject(errorOf({ code: "machine.not_running", message: `machine '${name}' is not running`, cause })),
    );
    socket.once("connect", () => {
      const lost = (cause: unknown) =>
        errorOf({ code: "machine.lost", message: `machine '${name}' ended unexpectedly`, cause });
      resolve(new Link(new PipeTransport(socket, socket), [socket], lost));
    });
  });
}
