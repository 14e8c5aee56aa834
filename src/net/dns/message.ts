/** Messages of RFC 1035 §4, with the record of RFC 6891 (EDNS0). What is read is hostile: the guest's, or a server's. */
import { formatAddress } from "../policy/index.ts";
import { readName } from "./name.ts";

export const Type = { A: 1, CNAME: 5, SOA: 6, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export const CLASS_IN = 1;

export const Rcode = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const;

/** In the second 16 bits of a message. */
export const Flag = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursion: 0x0100,
} as const;
export const FLAG_RECURSES = 0x0080;
export const FLAG_UNCHECKED = 0x0010;
const OPCODE = 0x7800;

export const HEADER = 12;
/** More than any real answer: one of 64 KiB with the shortest records has some thousands. */
const MAX_RECORDS = 4096;
/** A question has one for EDNS, one for a signature. */
const MAX_QUERY_RECORDS = 4;

export interface Question {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Behind the question. */
  readonly end: number;
}

export interface Query {
  readonly id: number;
  readonly flags: number;
  readonly question: Question;
  /** The guest speaks EDNS: how large an answer over UDP may be, and whether it wants signatures. */
  readonly edns: { readonly size: number; readonly dnssec: boolean } | undefined;
}

export interface DnsRecord {
  readonly section: "answer" | "authority" | "additional";
  readonly name: string;
  readonly type: number;
  /** Seconds. Without meaning in OPT. */
  readonly ttl: number;
  /** Where in the message the time to live stands. */
  readonly ttlAt: number;
  /** Of A and AAAA. */
  readonly address?: string | undefined;
  /** Of CNAME. */
  readonly target?: string | undefined;
  /** Of SOA: how long it may be kept that something does not exist (RFC 2308 §4). */
  readonly minimum?: number | undefined;
}

export interface Answer {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly question: Question | undefined;
  readonly records: readonly DnsRecord[];
}

const word = (bytes: Uint8Array, at: number) => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
const long = (bytes: Uint8Array, at: number) => word(bytes, at) * 65_536 + word(bytes, at + 2);

/** @returns the question, or the code with which a message is answered that has none; undefined: it gets no answer */
export function readQuery(bytes: Uint8Array): Query | { readonly rcode: number } | undefined {
  if (bytes.length < HEADER || (word(bytes, 2) & Flag.response) !== 0) return undefined;
  const flags = word(bytes, 2);
  if ((flags & OPCODE) !== 0) return { rcode: Rcode.notImp };
  const [questions, answers, authorities, additional] = counts(bytes);
  if (questions !== 1 || answers !== 0 || authorities !== 0 || additional > MAX_QUERY_RECORDS)
    return { rcode: Rcode.formErr };
  const question = readQuestion(bytes);
  if (question === undefined) return { rcode: Rcode.formErr };
  const rest = readRecords(bytes, question.end, { answer: 0, authority: 0, additional });
  if (rest === undefined) return { rcode: Rcode.formErr };
  const options = rest.filter(({ type }) => type === Type.OPT);
  if (options.length > 1) return { rcode: Rcode.formErr };
  const [option] = options;
  const edns = option && { size: word(bytes, option.ttlAt - 2), dnssec: (option.ttl & 0x8000) !== 0 };
  return { id: word(bytes, 0), flags, question, edns };
}

/** @returns undefined: malformed */
export function readAnswer(bytes: Uint8Array): Answer | undefined {
  if (bytes.length < HEADER || (word(bytes, 2) & Flag.response) === 0) return undefined;
  const [questions, answer, authority, additional] = counts(bytes);
  if (questions > 1) return undefined;
  const question = questions === 1 ? readQuestion(bytes) : undefined;
  if (questions === 1 && question === undefined) return undefined;
  const records = readRecords(bytes, question?.end ?? HEADER, { answer, authority, additional });
  if (records === undefined) return undefined;
  const flags = word(bytes, 2);
  return { id: word(bytes, 0), flags, rcode: flags & 0xf, question, records };
}

function counts(bytes: Uint8Array): [number, number, number, number] {
  return [word(bytes, 4), word(bytes, 6), word(bytes, 8), word(bytes, 10)];
}

function readQuestion(bytes: Uint8Array): Question | undefined {
  const name = readName(bytes, HEADER);
  // The first name of a message has nothing to point at.
  if (name === undefined || !name.plain || name.end + 4 > bytes.length) return undefined;
  return {
    name: name.text,
    type: word(bytes, name.end),
    class: word(bytes, name.end + 2),
    end: name.end + 4,
  };
}

type Counts = Readonly<Record<DnsRecord["section"], number>>;

function readRecords(bytes: Uint8Array, start: number, counts: Counts): DnsRecord[] | undefined {
  const records: DnsRecord[] = [];
  let at = start;
  for (const section of ["answer", "authority", "additional"] as const) {
    for (let count = 0; count < counts[section]; count++) {
      const name = readName(bytes, at);
      if (name === undefined || records.length >= MAX_RECORDS) return undefined;
      const data = name.end + 10;
      if (data > bytes.length) return undefined;
      const end = data + word(bytes, name.end + 8);
      if (end > bytes.length) return undefined;
      const [type, ttlAt] = [word(bytes, name.end), name.end + 4];
      const inInternet = word(bytes, name.end + 2) === CLASS_IN;
      const content = inInternet ? contentOf(bytes, type, data, end) : {};
      if (content === undefined) return undefined;
      records.push({ section, name: name.text, type, ttl: ttlOf(bytes, type, ttlAt), ttlAt, ...content });
      at = end;
    }
  }
  return records;
}

/** RFC 2181 §8: with the first bit set it is taken for none at all. */
function ttlOf(bytes: Uint8Array, type: number, at: number): number {
  const value = long(bytes, at);
  return type !== Type.OPT && value > 0x7fff_ffff ? 0 : value;
}

type Content = Pick<DnsRecord, "address" | "target" | "minimum">;

/** What is looked at in a record's data; undefined: malformed. */
function contentOf(bytes: Uint8Array, type: number, start: number, end: number): Content | undefined {
  if (type === Type.A || type === Type.AAAA) {
    const width = type === Type.A ? 32 : 128;
    if (end - start !== width / 8) return undefined;
    let value = 0n;
    for (const byte of bytes.subarray(start, end)) value = (value << 8n) | BigInt(byte);
    return { address: formatAddress({ width, value }) };
  }
  if (type === Type.CNAME) {
    const target = readName(bytes, start);
    return target?.end === end ? { target: target.text } : undefined;
  }
  if (type === Type.SOA) {
    const server = readName(bytes, start);
    const mailbox = server && readName(bytes, server.end);
    return mailbox !== undefined && mailbox.end + 20 === end
      ? { minimum: long(bytes, mailbox.end + 16) }
      : undefined;
  }
  return {};
}

/** Whether an answer is about what was asked. Servers may give the name back in another case. */
export function answers(asked: Question, { question }: Answer): boolean {
  return (
    question !== undefined &&
    question.type === asked.type &&
    question.class === asked.class &&
    question.name.toLowerCase() === asked.name.toLowerCase()
  );
}
