import { type Answered, MAX_TTL_S } from "../policy/index.ts";
import { type Answer, FLAG_RECURSES, HEADER, type Query, Type } from "./message.ts";

/** Most names that an answer goes through to an address. */
const MAX_CHAIN = 16;

/**
 * A server's answer as the guest gets it: with the number of its own question and the name as it wrote it, and no time
 * to live that is longer than what the answer opens stays open.
 *
 * @param age seconds since the answer came
 */
export function relayed(
  guest: Uint8Array,
  query: Query,
  bytes: Uint8Array,
  answer: Answer,
  age: number,
): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.writeUInt16BE(query.id, 0);
  copy.writeUInt16BE(answer.flags | FLAG_RECURSES, 2);
  copy.set(guest.subarray(HEADER, query.question.end), HEADER);
  for (const { type, ttl, ttlAt } of answer.records)
    if (type !== Type.OPT) copy.writeUInt32BE(Math.max(0, Math.min(ttl, MAX_TTL_S) - age), ttlAt);
  return copy;
}

/**
 * The addresses that an answer gives for the name that was asked for: its own, and those of the names that it leads to
 * by CNAME. What an answer says about other names is nobody's business.
 */
export function addressesIn(name: string, { records }: Answer, age: number): Answered[] {
  const inAnswer = records.filter(({ section }) => section === "answer");
  const chain = new Set<string>();
  for (let next: string | undefined = name.toLowerCase(); next !== undefined && !chain.has(next); ) {
    if (chain.size >= MAX_CHAIN) return [];
    chain.add(next);
    const owner: string = next;
    next = inAnswer.find(({ name, target }) => target !== undefined && name.toLowerCase() === owner)?.target;
    next = next?.toLowerCase();
  }
  return inAnswer.flatMap(({ name, address, ttl }) =>
    address !== undefined && chain.has(name.toLowerCase()) ? [{ address, ttl: Math.max(0, ttl - age) }] : [],
  );
}
