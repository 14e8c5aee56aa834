import { MAX_QUESTIONS } from "../limits.ts";
import type { Resolver } from "../types.ts";
import type { HostStream, HostStreamUser } from "./stream.ts";

/** Two bytes of length before each message (RFC 1035, section 4.2.2). */
const PREFIX = 2;
/** Questions of one connection under way; more are not read. */
const MAX_PIPELINED = 16;

/** Questions about names over TCP: the guest's side talks to it as if it were a server's socket. */
export class DnsStream implements HostStream {
  readonly #resolver: Resolver;
  readonly #user: HostStreamUser;
  #pending = new Uint8Array(0);
  #underway = 0;
  #blocked = false;
  #ended = false;
  #over = false;

  constructor(resolver: Resolver, user: HostStreamUser) {
    this.#resolver = resolver;
    this.#user = user;
  }

  write(bytes: Uint8Array<ArrayBuffer>): number {
    if (this.#underway >= MAX_PIPELINED) {
      this.#blocked = true;
      return 0;
    }
    this.#pending = Buffer.concat([this.#pending, bytes]);
    this.#ask();
    return bytes.length;
  }

  #ask(): void {
    while (this.#underway < MAX_PIPELINED && this.#pending.length >= PREFIX) {
      const length = ((this.#pending[0] as number) << 8) | (this.#pending[1] as number);
      if (this.#pending.length < PREFIX + length) break;
      const query = this.#pending.slice(PREFIX, PREFIX + length);
      this.#pending = this.#pending.subarray(PREFIX + length);
      this.#underway++;
      void this.#answer(query);
    }
  }

  async #answer(query: Uint8Array): Promise<void> {
    const answer = await ask(this.#resolver, query, "tcp");
    this.#underway--;
    if (this.#over) return;
    if (answer === undefined || answer.length > 0xffff) {
      this.#over = true;
      this.#user.onClose("ECONNRESET");
      return;
    }
    const message = new Uint8Array(PREFIX + answer.length);
    new DataView(message.buffer).setUint16(0, answer.length);
    message.set(answer, PREFIX);
    this.#user.onData(message);
    this.#ask();
    if (this.#blocked && this.#underway < MAX_PIPELINED) {
      this.#blocked = false;
      this.#user.onDrain();
    }
    this.#finish();
  }

  end(): void {
    this.#ended = true;
    this.#finish();
  }

  #finish(): void {
    if (!this.#ended || this.#underway > 0 || this.#over) return;
    this.#over = true;
    this.#user.onEnd();
  }

  reset(): void {
    this.#over = true;
  }

  // Answers are as many as questions under way: there is nothing to hold back.
  pause(): void {}
  resume(): void {}
}

let questions = 0;

/** Asks the resolver, unless too many questions are under way already. @returns undefined: there is no answer */
export async function ask(
  resolver: Resolver,
  query: Uint8Array,
  transport: "udp" | "tcp",
): Promise<Uint8Array | undefined> {
  if (questions >= MAX_QUESTIONS) return undefined;
  questions++;
  try {
    return await resolver.resolve(query, transport);
  } catch {
    return undefined;
  } finally {
    questions--;
  }
}
