/**
 * Lends an SSH agent to somebody who is not trusted: stands between one connection of theirs and one to the agent, and
 * lets through what uses keys and nothing that changes the agent. Each request is read, checked and encoded anew, or
 * refused with SSH_AGENT_FAILURE; bytes of one side never reach the other unread.
 */
import { frame, MessageReader } from "./framing.ts";
import { fingerprintOf } from "./keys.ts";
import {
  CHANGES,
  checkSignResponse,
  encodeIdentities,
  extensionName,
  FAILURE,
  type Identity,
  MessageType,
  parseIdentities,
  parseSessionBind,
  parseSignRequest,
  REQUEST_IDENTITIES,
  SESSION_BIND,
  type SessionBind,
  typeOf,
} from "./messages.ts";
import { purposeOf } from "./purpose.ts";
import { BadMessage } from "./wire.ts";

/** One connection, in both directions. */
export interface Pipe {
  /** What the other side says, once; ends when nothing more comes. */
  read(): AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more; after the end it does nothing. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** What was done with a key, or refused. All texts but the fingerprints are hostile. */
export interface KeyUse {
  readonly what: "signed" | "failed" | "refused";
  /** Of the key; undefined for what is about no single key. */
  readonly fingerprint?: string | undefined;
  /** As the agent calls the key; undefined when it does not have it. */
  readonly comment?: string | undefined;
  /** What was to be signed, or what was asked for in its place. */
  readonly purpose: string;
  /** Fingerprint of the key of the host that is logged in to, where the protocol tells. */
  readonly host?: string | undefined;
}

export interface LendOptions {
  /** Who asks; closed at the end. */
  readonly client: Pipe;
  /** Connects to the agent, when it is first needed. Rejects when it is not there. */
  readonly connect: () => Promise<Pipe>;
  /** Fingerprints of the keys that may be seen and used; undefined: all. */
  readonly keys?: ReadonlySet<string> | undefined;
  readonly onUse?: ((use: KeyUse) => void) | undefined;
}

/** How long a message may take from its first byte to its last. */
const MESSAGE_LIMIT_MS = 30_000;
/** How long the agent may take to answer: it may ask its user to confirm, or to touch a token. */
const ANSWER_LIMIT_MS = 300_000;
/** How long a connection may be silent between two requests. */
const SILENCE_LIMIT_MS = 3_600_000;
/** How many hosts one connection may be bound to: each is one more hop of a forwarded agent (OpenSSH: 16). */
const MAX_BINDS = 16;

const BIND_ANSWERS: readonly number[] = [
  MessageType.success,
  MessageType.failure,
  MessageType.extensionFailure,
];

/** Serves a connection until either side ends it or breaks the protocol. Never rejects. */
export async function lendAgent(options: LendOptions): Promise<void> {
  const broker = new Broker(options);
  try {
    await broker.serve();
  } catch {
    // A side that breaks the protocol, takes too long or is gone: the connection ends, which is all it is told.
  } finally {
    broker.close();
  }
}

class Broker {
  readonly #options: LendOptions;
  #agent: { readonly pipe: Pipe; readonly messages: MessageReader } | undefined;
  readonly #binds: SessionBind[] = [];
  readonly #comments = new Map<string, string>();

  constructor(options: LendOptions) {
    this.#options = options;
  }

  async serve(): Promise<void> {
    const { client } = this.#options;
    const requests = new MessageReader(client.read());
    while (await within(requests.begins(), SILENCE_LIMIT_MS)) {
      const request = await within(requests.next(), MESSAGE_LIMIT_MS);
      await client.write(frame(await this.#answer(request)));
    }
  }

  close(): void {
    this.#options.client.close();
    this.#agent?.pipe.close();
  }

  async #answer(request: Uint8Array): Promise<Uint8Array> {
    try {
      switch (typeOf(request)) {
        case MessageType.requestIdentities:
          return await this.#list(request);
        case MessageType.signRequest:
          return await this.#sign(request);
        case MessageType.extension:
          return await this.#bind(request);
        default:
          return this.#refuse(CHANGES.get(typeOf(request)) ?? `message ${typeOf(request)}`);
      }
    } catch (error) {
      // OpenSSH's agent, too, answers a request that it cannot read, and goes on.
      if (error instanceof BadMessage) return this.#refuse("a malformed request");
      throw error;
    }
  }

  async #list(request: Uint8Array): Promise<Uint8Array> {
    if (request.length !== 1) throw new BadMessage("bytes behind the message's end");
    const identities = await this.#identities();
    return identities === undefined ? FAILURE : encodeIdentities(identities);
  }

  /** The keys that may be seen; undefined: the agent does not say. */
  async #identities(): Promise<Identity[] | undefined> {
    const answer = await this.#ask(REQUEST_IDENTITIES);
    if (answer === undefined || typeOf(answer) !== MessageType.identitiesAnswer) return undefined;
    const { keys } = this.#options;
    const seen: Identity[] = [];
    for (const identity of fromAgent(() => parseIdentities(answer))) {
      const fingerprint = fingerprintOf(identity.key);
      if (keys !== undefined && !keys.has(fingerprint)) continue;
      this.#comments.set(fingerprint, new TextDecoder().decode(identity.comment).slice(0, 256));
      seen.push(identity);
    }
    return seen;
  }

  async #sign(request: Uint8Array): Promise<Uint8Array> {
    const { keys, onUse } = this.#options;
    const { key, data } = parseSignRequest(request);
    const fingerprint = fingerprintOf(key);
    const purpose = purposeOf(data);
    const bound = this.#binds.find(({ session }) => isSame(session, purpose.session));
    const host = bound === undefined ? purpose.host : fingerprintOf(bound.hostKey);
    const use = { fingerprint, purpose: purpose.text, host };
    if (keys !== undefined && !keys.has(fingerprint)) {
      onUse?.({ ...use, what: "refused" });
      return FAILURE;
    }
    if (!this.#comments.has(fingerprint)) await this.#identities();
    const answer = await this.#ask(request);
    const signed = answer !== undefined && typeOf(answer) === MessageType.signResponse;
    if (signed) fromAgent(() => checkSignResponse(answer));
    onUse?.({ ...use, comment: this.#comments.get(fingerprint), what: signed ? "signed" : "failed" });
    return signed ? answer : FAILURE;
  }

  async #bind(request: Uint8Array): Promise<Uint8Array> {
    const name = extensionName(request);
    if (name !== SESSION_BIND) return this.#refuse(`the extension ${JSON.stringify(name)}`);
    const bind = parseSessionBind(request);
    if (this.#binds.length >= MAX_BINDS) return this.#refuse("one more session of one connection");
    const answer = await this.#ask(request);
    if (answer === undefined || !BIND_ANSWERS.includes(typeOf(answer))) return FAILURE;
    // The agent has checked that the host signed the session.
    if (typeOf(answer) === MessageType.success) this.#binds.push(bind);
    return answer.subarray(0, 1);
  }

  #refuse(purpose: string): Uint8Array {
    this.#options.onUse?.({ what: "refused", purpose });
    return FAILURE;
  }

  /** Asks the agent; undefined: it is not there. */
  async #ask(request: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#agent === undefined) {
      const pipe = await this.#options.connect().catch(() => undefined);
      if (pipe === undefined) return undefined;
      this.#agent = { pipe, messages: new MessageReader(pipe.read()) };
    }
    const { pipe, messages } = this.#agent;
    await pipe.write(frame(request));
    return await within(fromAgentLater(messages.next()), ANSWER_LIMIT_MS);
  }
}

const isSame = (one: Uint8Array, other: Uint8Array | undefined): boolean =>
  other !== undefined && Buffer.compare(one, other) === 0;

/** An agent that breaks the protocol ends the connection: that is not the client's mistake. */
class BrokenAgent extends Error {}

function fromAgent<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new BrokenAgent(String(error));
  }
}

const fromAgentLater = async (message: Promise<Uint8Array>): Promise<Uint8Array> => {
  try {
    return await message;
  } catch (error) {
    throw new BrokenAgent(String(error));
  }
};

/** @throws Error when it takes longer; the timer does not outlive the wait */
async function within<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`nothing for ${limitMs / 1000} s`)), limitMs);
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
