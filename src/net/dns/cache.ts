import { MAX_TTL_S } from "../policy/index.ts";
import { type Answer, Flag, Rcode, Type } from "./message.ts";

/** What is kept at most, all together. */
const MAX_BYTES = 2 * 1024 * 1024;
const MAX_ENTRIES = 4096;
/** What a record that has been read costs beside its texts: it has more memory than its bytes in the message. */
const RECORD_COST = 256;
/** Seconds that it is kept at most that something does not exist: it may have been made because it was missing. */
const MAX_NEGATIVE_S = 300;

interface Entry {
  readonly bytes: Uint8Array;
  readonly answer: Answer;
  readonly cost: number;
  /** Milliseconds. */
  readonly since: number;
  readonly until: number;
}

export interface Kept {
  readonly bytes: Uint8Array;
  readonly answer: Answer;
  /** Whole seconds since it came. */
  readonly age: number;
}

/** Answers of servers, as they came, for as long as they say. */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  get(key: string, now: number): Kept | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#drop(key);
    if (entry.until <= now) return undefined;
    // Again to the end: what was used last goes last.
    this.#keep(key, entry);
    return { bytes: entry.bytes, answer: entry.answer, age: Math.floor((now - entry.since) / 1000) };
  }

  set(key: string, bytes: Uint8Array, answer: Answer, now: number): void {
    const seconds = lifeOf(answer);
    if (seconds <= 0) return;
    this.#drop(key);
    const cost = costOf(bytes, answer);
    this.#keep(key, { bytes, answer, cost, since: now, until: now + seconds * 1000 });
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= MAX_BYTES && this.#entries.size <= MAX_ENTRIES) break;
      this.#drop(oldest);
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.cost;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.cost;
  }
}

/** Memory of an entry, in bytes. */
function costOf(bytes: Uint8Array, { records }: Answer): number {
  const texts = records.map(
    ({ name, target = "", address = "" }) => name.length + target.length + address.length,
  );
  return bytes.length + texts.reduce((sum, length) => sum + length + RECORD_COST, RECORD_COST);
}

/** Seconds; 0: not at all. */
function lifeOf({ flags, rcode, records }: Answer): number {
  if ((flags & Flag.truncated) !== 0) return 0;
  if (rcode !== Rcode.noError && rcode !== Rcode.nxDomain) return 0;
  const timed = records.filter(({ type }) => type !== Type.OPT);
  const least = Math.min(MAX_TTL_S, ...timed.map(({ ttl }) => ttl));
  const isPositive = rcode === Rcode.noError && records.some(({ section }) => section === "answer");
  if (isPositive) return least;
  // RFC 2308 §5: without the zone's own word it is not kept.
  const minimum = records.find(({ section, type }) => section === "authority" && type === Type.SOA)?.minimum;
  return minimum === undefined ? 0 : Math.min(least, minimum, MAX_NEGATIVE_S);
}
