import { Flag, HEADER, readQuery, Type } from "./message.ts";
import { writeName } from "./name.ts";
import type { Server } from "./server.ts";

/** A record of a test's zone: `A 60 192.0.2.1`, `CNAME 60 other.test`, `TXT 60 text`, `SOA 60 minimum`. */
export type Zone = Readonly<Record<string, readonly string[]>>;

export interface ZoneServer {
  readonly server: Server;
  /** `name type transport`, in the order in which they came. */
  readonly asked: string[];
  close(): void;
}

const TYPES: Readonly<Record<string, number>> = { A: 1, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, HTTPS: 65 };

const word = (value: number) => Buffer.from([(value >> 8) & 255, value & 255]);

function recordOf(owner: string, text: string): Buffer {
  const [type = "", ttl = "", ...rest] = text.split(" ");
  const content = rest.join(" ");
  const data = {
    A: () => Buffer.from(content.split(".").map(Number)),
    AAAA: () =>
      Buffer.from(
        content
          .split(":")
          .map((group) => group.padStart(4, "0"))
          .join(""),
        "hex",
      ),
    CNAME: () => Buffer.from(writeName(content)),
    TXT: () =>
      Buffer.concat(
        (content.match(/.{1,255}/g) ?? []).map((part) =>
          Buffer.from(`${String.fromCharCode(part.length)}${part}`, "latin1"),
        ),
      ),
    SOA: () =>
      Buffer.concat([
        writeName("ns.test"),
        writeName("root.test"),
        Buffer.alloc(16),
        Buffer.from([0, 0]),
        word(Number(content)),
      ]),
  }[type];
  const bytes = data?.() ?? Buffer.from(content, "hex");
  const time = Buffer.alloc(4);
  time.writeUInt32BE(Number(ttl));
  return Buffer.concat([writeName(owner), word(TYPES[type] ?? 0), word(1), time, word(bytes.length), bytes]);
}

/** What a server with this zone answers: the records of the type that was asked for, and what names lead to. */
function answerOf(zone: Zone, message: Uint8Array, most: number): Uint8Array | undefined {
  const query = readQuery(message);
  if (query === undefined || "rcode" in query) return undefined;
  const { name, type, end } = query.question;
  const exists = zone[name.toLowerCase()] !== undefined;
  const answers: Buffer[] = [];
  let owner = name.toLowerCase();
  for (let hops = 0; hops < 20; hops++) {
    const records = zone[owner] ?? [];
    const alias = records.find((record) => record.startsWith("CNAME "));
    for (const record of records)
      if (record === alias || TYPES[record.split(" ", 1)[0] as string] === type || record.startsWith("+"))
        answers.push(record.startsWith("+") ? recordOf(...splitForeign(record)) : recordOf(owner, record));
    if (alias === undefined || type === Type.CNAME) break;
    owner = alias.split(" ")[2] as string;
  }
  const soa = answers.length === 0 ? [recordOf("test", "SOA 900 30")] : [];
  const flags = Flag.response | Flag.recursion | 0x80 | (exists ? 0 : 3);
  const header = Buffer.concat([
    message.subarray(0, 2),
    word(flags),
    word(1),
    word(answers.length),
    word(soa.length),
    word(0),
  ]);
  const whole = Buffer.concat([header, message.subarray(HEADER, end), ...answers, ...soa]);
  if (whole.length <= most) return whole;
  return Buffer.concat([
    message.subarray(0, 2),
    word(flags | Flag.truncated),
    word(1),
    Buffer.alloc(6),
    message.subarray(HEADER, end),
  ]);
}

/** `+other.test A 60 192.0.2.1`: a record about a name that nobody asked for. */
function splitForeign(record: string): [string, string] {
  const at = record.indexOf(" ");
  return [record.slice(1, at), record.slice(at + 1)];
}

export interface ZoneServerOptions {
  readonly silent?: boolean | undefined;
  /** Default: the loopback, and any port that is free. */
  readonly at?: Server | undefined;
  /** Told each question as `asked` has it. */
  readonly onAsked?: ((question: string) => void) | undefined;
  /** Instead of what the zone says. */
  readonly answer?: ((message: Uint8Array) => readonly Uint8Array[]) | undefined;
}

/** A name server on the loopback, on UDP and TCP. */
export function serveZone(zone: Zone, options: ZoneServerOptions = {}): Promise<ZoneServer> {
  return options.at === undefined ? onFreePort(() => listen(zone, options)) : listen(zone, options);
}

/** Opens UDP on any port and TCP on the same: one that is free for UDP may be a connection's, or just have been one's. */
export async function onFreePort<T>(open: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await open();
    } catch (error) {
      if (tries > 20) throw error;
    }
  }
}

async function listen(zone: Zone, options: ZoneServerOptions): Promise<ZoneServer> {
  const asked: string[] = [];
  const hostname = options.at?.address ?? "127.0.0.1";
  const note = (message: Uint8Array, transport: string) => {
    const query = readQuery(message);
    if (query === undefined || "rcode" in query) return;
    const question = `${query.question.name} ${query.question.type} ${transport}`;
    asked.push(question);
    options.onAsked?.(question);
  };
  const udp = await Bun.udpSocket({
    hostname,
    port: options.at?.port ?? 0,
    socket: {
      data(socket, data, port, address) {
        note(data, "udp");
        if (options.silent) return;
        const own = answerOf(zone, data, 1232);
        for (const answer of options.answer?.(data) ?? (own === undefined ? [] : [own]))
          socket.send(answer, port, address);
      },
    },
  });
  const tcp = listenTcp(udp, {
    hostname,
    port: udp.port,
    socket: {
      data(socket, data) {
        const message = data.subarray(2);
        note(message, "tcp");
        const answer = answerOf(zone, message, 65_535);
        if (answer !== undefined) socket.write(Buffer.concat([word(answer.length), answer]));
      },
    },
  });
  return {
    server: { address: hostname, port: udp.port },
    asked,
    close() {
      udp.close();
      tcp.stop(true);
    },
  };
}

/** Listens beside a UDP socket, which is closed where that cannot be. */
export function listenTcp(udp: { close(): void }, options: Bun.TCPSocketListenOptions<undefined>) {
  try {
    return Bun.listen(options);
  } catch (error) {
    udp.close();
    throw error;
  }
}
