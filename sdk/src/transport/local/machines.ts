/** Connections to the machines' own processes: one for each machine, made when it is first needed. */
import { connect } from "node:net";
import { PipeTransport } from "../../../../src/protocol/pipe-transport.ts";
import { errorOf } from "../../errors.ts";
import { Link } from "./link.ts";

/** A machine's own process. */
export interface Reached {
  readonly link: Link;
  /** Whether it may be asked for commands; else the child adds what they need (secrets). */
  readonly runsCommands: boolean;
}

export class MachineLinks {
  readonly #links = new Map<string, Promise<Reached>>();
  readonly #locate: (name: string) => Promise<{ readonly socket: string; readonly direct: boolean }>;

  constructor(locate: (name: string) => Promise<{ readonly socket: string; readonly direct: boolean }>) {
    this.#locate = locate;
  }

  /** @throws SmolvmError `machine.not_running` */
  async to(name: string): Promise<Reached> {
    const known = await this.#links.get(name)?.catch(() => undefined);
    if (known !== undefined && !known.link.isClosed) return known;
    const { socket, direct } = await this.#locate(name);
    const reaching = link(name, socket).then((made) => ({ link: made, runsCommands: direct }));
    this.#links.set(name, reaching);
    const forget = () => {
      if (this.#links.get(name) === reaching) this.#links.delete(name);
    };
    reaching.then(({ link: { closed } }) => closed.then(forget), forget);
    return await reaching;
  }

  close(): void {
    for (const reaching of this.#links.values())
      reaching.then(
        ({ link: made }) => made.close(),
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
