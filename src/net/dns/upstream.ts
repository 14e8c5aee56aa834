import { descriptorLimit } from "../host/descriptors.ts";
import { roomFor } from "../limits.ts";
import { type Query, Rcode } from "./message.ts";
import { type Answered, askServer, type Server } from "./server.ts";
import { writeQuestion } from "./write.ts";

/** How long a server has before another one is asked, too. */
const PATIENCE_MS = 1500;
/** Times that each server is asked. */
const ROUNDS = 2;
/** As in resolv.conf(5): MAXNS. */
const MAX_SERVERS = 3;
/** After this the guest's programs have given up. */
const LIMIT_MS = 8000;
/** Questions at once. A guest that asks more gets no answer to what is too much. */
const MAX_PENDING = 256;

/** The servers of a machine's names, and what is being asked of them. */
export class Upstream {
  readonly #servers: () => readonly Server[];
  readonly #most = roomFor(descriptorLimit()).questionSockets;
  #pending = 0;
  #sockets = 0;
  readonly #end = new AbortController();

  /** @param servers looked at for each question: the host may have moved to another network */
  constructor(servers: () => readonly Server[]) {
    this.#servers = servers;
  }

  /**
   * @param bytes the guest's message, which `readQuery` has read
   * @returns undefined: no server has answered
   */
  async ask(bytes: Uint8Array, query: Query): Promise<Answered | undefined> {
    if (this.#pending >= MAX_PENDING || this.#end.signal.aborted) return undefined;
    this.#pending += 1;
    const done = new AbortController();
    try {
      const limit = AbortSignal.any([done.signal, this.#end.signal, AbortSignal.timeout(LIMIT_MS)]);
      return await this.#askAll(bytes, query, limit);
    } finally {
      done.abort();
      this.#pending -= 1;
    }
  }

  /** Ends what is being asked. */
  close(): void {
    this.#end.abort();
  }

  /** One after the other; those that were asked before may still answer. */
  async #askAll(bytes: Uint8Array, query: Query, signal: AbortSignal): Promise<Answered | undefined> {
    const servers = this.#servers().slice(0, MAX_SERVERS);
    const attempts = Array.from({ length: ROUNDS }, () => servers).flat();
    const { promise: good, resolve } = Promise.withResolvers<Answered | undefined>();
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
    let bad: Answered | undefined;
    const running: Promise<unknown>[] = [];
    let finished = false;
    void good.then(() => {
      finished = true;
    });
    for (const server of attempts) {
      if (this.#sockets >= this.#most) break;
      const attempt = this.#askOne(server, bytes, query, signal).then((answered) => {
        if (answered === undefined) return;
        if (isFailure(answered)) bad ??= answered;
        else resolve(answered);
      });
      running.push(attempt);
      await Promise.race([good, attempt, pause(PATIENCE_MS, signal)]);
      if (finished) return await good;
    }
    await Promise.race([good, Promise.all(running)]);
    resolve(bad);
    return await good;
  }

  async #askOne(
    server: Server,
    bytes: Uint8Array,
    query: Query,
    signal: AbortSignal,
  ): Promise<Answered | undefined> {
    this.#sockets++;
    try {
      return await askServer(server, writeQuestion(bytes, query, randomId()), query.question, signal);
    } finally {
      this.#sockets--;
    }
  }
}

/** Another server may know better. */
const isFailure = ({ answer }: Answered) =>
  answer.rcode === Rcode.servFail || answer.rcode === Rcode.refused || answer.rcode === Rcode.notImp;

function randomId(): number {
  return crypto.getRandomValues(new Uint16Array(1))[0] as number;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", end, { once: true });
  });
}
