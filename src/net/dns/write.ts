import { parseAddress } from "../policy/index.ts";
import { FLAG_RECURSES, FLAG_UNCHECKED, Flag, HEADER, type Query, Type } from "./message.ts";
import { writeName } from "./name.ts";

/** What we say that we take over UDP: fits into a packet of the internet (RFC 9715). */
const EDNS_SIZE = 1232;
/** Largest answer over UDP without EDNS (RFC 1035 §4.2.1). */
const PLAIN_SIZE = 512;
/** Between guest and host no packet is lost for its size. */
const LARGEST_SIZE = 4096;

const words = (...values: number[]) => {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(value & 0xffff, index * 2);
  return bytes;
};

/** A record OPT without options. */
function optRecord(dnssec: boolean): Buffer {
  return Buffer.concat([Buffer.from([0]), words(Type.OPT, EDNS_SIZE, 0, dnssec ? 0x8000 : 0, 0)]);
}

/**
 * What is asked of a server in place of a guest's message: its question, and nothing else of what it wrote.
 *
 * @param bytes the guest's message, which `readQuery` has read
 */
export function writeQuestion(bytes: Uint8Array, { flags, question, edns }: Query, id: number): Uint8Array {
  const header = words(id, Flag.recursion | (flags & FLAG_UNCHECKED), 1, 0, 0, edns === undefined ? 0 : 1);
  const asked = bytes.subarray(HEADER, question.end);
  return Buffer.concat([header, asked, ...(edns === undefined ? [] : [optRecord(edns.dnssec)])]);
}

/** An answer of our own without records. */
export function writeEmpty(bytes: Uint8Array, query: Query, rcode: number, more = 0): Uint8Array {
  return writeReply(bytes, query, rcode | more, []);
}

/** An answer of our own with addresses. Those that are not of the type that was asked for are left out. */
export function writeAddresses(
  bytes: Uint8Array,
  query: Query,
  addresses: readonly string[],
  ttl: number,
): Uint8Array {
  const { type } = query.question;
  const records = addresses.flatMap((text): Buffer[] => {
    const address = parseAddress(text);
    const own = address?.width === 32 ? Type.A : Type.AAAA;
    if (address === undefined || (type !== own && type !== Type.ANY)) return [];
    const length = address.width / 8;
    const data = Buffer.from(address.value.toString(16).padStart(length * 2, "0"), "hex");
    // The name is the question's, to which the pointer leads.
    return [Buffer.concat([words(0xc000 | HEADER, own, 1, ttl >> 16, ttl, length), data])];
  });
  return writeReply(bytes, query, 0, records);
}

function writeReply(
  bytes: Uint8Array,
  { id, flags, question, edns }: Query,
  more: number,
  records: Buffer[],
): Uint8Array {
  const kept = flags & (Flag.recursion | FLAG_UNCHECKED);
  const header = words(
    id,
    Flag.response | FLAG_RECURSES | kept | more,
    1,
    records.length,
    0,
    edns === undefined ? 0 : 1,
  );
  const asked = bytes.subarray(HEADER, question.end);
  return Buffer.concat([
    ...[header, asked, ...records],
    ...(edns === undefined ? [] : [optRecord(edns.dnssec)]),
  ]);
}

/** An answer to a message that has no question: its header alone. */
export function writeFailure(bytes: Uint8Array, rcode: number): Uint8Array {
  const [id, flags] = [((bytes[0] as number) << 8) | (bytes[1] as number), (bytes[2] as number) << 8];
  return words(id, Flag.response | (flags & 0x7900) | rcode, 0, 0, 0, 0);
}

/** As it goes out over UDP: what is too long becomes an invitation to ask over TCP. */
export function fitted(bytes: Uint8Array, query: Query, answer: Uint8Array): Uint8Array {
  const { edns } = query;
  const most = edns === undefined ? PLAIN_SIZE : Math.min(Math.max(edns.size, PLAIN_SIZE), LARGEST_SIZE);
  if (answer.length <= most) return answer;
  const rcode = (answer[3] as number) & 0xf;
  return writeEmpty(bytes, query, rcode, Flag.truncated);
}

/** A name of a host as a message has it, for tests and for looking up what no guest asked for. */
export function writeQuery(name: string, type: number, id: number): Uint8Array {
  return Buffer.concat([words(id, Flag.recursion, 1, 0, 0, 0), writeName(name), words(type, 1)]);
}
