import { MAX_QUESTIONS } from "../limits.ts";
import type { Resolver } from "../types.ts";
import type { HostStream, HostStreamUser } from "./stream.ts";

/** Two bytes of length before each message (RFC 1035, section 4.2.2). */
const PREFIX = 2;
/** Questions of one connection under way; more are not read. */
const MAX_PIPELINED = 16;
/** Bytes of a question: a name has 255, and what EDNS adds is short. */
const MAX_QUESTION = 4096;

/** Questions about names over TCP: the guest's side talks to it as if it were a server's socket. */
export class DnsStream implements HostStream {
  readonly #resolver: Resolver;
  readonly #user: HostStreamUser;
  /** The question that is coming in, once its length is known; `have` bytes of it and its prefix are here. */
  #question = new Uint8Array(0);
  #length = 0;
  #have = 0;
  #underway = 0;
  /** The guest does not fetch its answers. */
  #paused = false;
  /** Bytes were not taken, and `onDrain` is due. */
  #blocked = false;
  #ended = false;
  #over = false;

  constructor(resolver: Resolver, user: HostStreamUser) {
    this.#resolver = resolver;
    this.#user = user;
  }

  get #takesMore(): boolean {
    return this.#underway < MAX_PIPELINED && !this.#paused;
  }

  write(bytes: Uint8Array<ArrayBuffer>): number {
    let at = 0;
    while (at < bytes.length && !this.#over && this.#takesMore) at += this.#read(bytes, at);
    if (this.#over) return bytes.length;
    this.#blocked ||= at < bytes.length;
    return at;
  }

  /** Reads a byte of a length, or what is here of a question. @returns how many bytes */
  #read(bytes: Uint8Array, at: number): number {
    if (this.#have < PREFIX) {
      this.#length = ((this.#length << 8) | (bytes[at] as number)) & 0xffff;
      if (++this.#have < PREFIX) return 1;
      if (this.#length > MAX_QUESTION) this.#fail();
      else this.#question = new Uint8Array(this.#length);
      if (this.#length === 0) this.#ask();
      return 1;
    }
    const here = this.#have - PREFIX;
    const taken = Math.min(this.#length - here, bytes.length - at);
    this.#question.set(bytes.subarray(at, at + taken), here);
    this.#have += taken;
    if (here + taken === this.#length) this.#ask();
    return taken;
  }

  #ask(): void {
    this.#have = 0;
    this.#underway++;
    void this.#answer(this.#question);
  }

  #fail(): void {
    this.#over = true;
    // Not while it is being written to.
    queueMicrotask(() => this.#user.onClose("ECONNRESET"));
  }

  async #answer(query: Uint8Array): Promise<void> {
    const answer = await ask(this.#resolver, query, "tcp");
    this.#underway--;
    if (this.#over) return;
    if (answer === undefined || answer.length > 0xffff) {
      this.#fail();
      return;
    }
    const message = new Uint8Array(PREFIX + answer.length);
    new DataView(message.buffer).setUint16(0, answer.length);
    message.set(answer, PREFIX);
    this.#user.onData(message);
    this.#unblock();
    this.#finish();
  }

  #unblock(): void {
    if (!this.#blocked || this.#over || !this.#takesMore) return;
    this.#blocked = false;
    this.#user.onDrain();
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

  /** Answers to the questions under way still come. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    // Its user is in the middle of something.
    queueMicrotask(() => this.#unblock());
  }
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
