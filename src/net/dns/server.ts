/** Asking one server: over UDP, and over TCP what does not fit (RFC 7766). */
import { type Answer, answers, Flag, type Question, readAnswer } from "./message.ts";

export interface Server {
  readonly address: string;
  readonly port: number;
}

export interface Answered {
  readonly bytes: Uint8Array;
  readonly answer: Answer;
}

/** Bytes of a message in TCP. */
const MAX_MESSAGE = 65_535;

/** Whether a message is the answer to this question with this number, and not a guess or an old one. */
function matching(bytes: Uint8Array, id: number, question: Question): Answered | undefined {
  const answer = readAnswer(bytes);
  if (answer === undefined || answer.id !== id || !answers(question, answer)) return undefined;
  return { bytes, answer };
}

/**
 * @param signal ends the attempt, which then gives undefined
 * @returns undefined: no answer, or none that is one
 */
export async function askServer(
  server: Server,
  query: Uint8Array,
  question: Question,
  signal: AbortSignal,
): Promise<Answered | undefined> {
  const id = ((query[0] as number) << 8) | (query[1] as number);
  const short = await askUdp(server, query, signal, (bytes) => matching(bytes, id, question));
  if (short === undefined || (short.answer.flags & Flag.truncated) === 0) return short;
  // A part is better than nothing: the guest sees that it is one, and asks us over TCP.
  return (await askTcp(server, query, signal, (bytes) => matching(bytes, id, question))) ?? short;
}

type Match = (bytes: Uint8Array) => Answered | undefined;

/** The answer of one attempt: the first that `resolve` is given, or undefined when the attempt ends without. */
interface Attempt {
  resolve(answered: Answered | undefined): void;
  giveUp(): void;
  readonly answer: Promise<Answered | undefined>;
}

/** Runs an attempt that the signal ends; one that fails, or has not begun when that comes, has no answer. */
async function untilAborted(
  signal: AbortSignal,
  run: (attempt: Attempt) => Promise<Answered | undefined>,
): Promise<Answered | undefined> {
  const { promise: answer, resolve } = Promise.withResolvers<Answered | undefined>();
  const giveUp = () => resolve(undefined);
  if (signal.aborted) return undefined;
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    return await run({ resolve, giveUp, answer });
  } catch {
    return undefined;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** The socket is connected, with a port of its own: others cannot answer, and guessing takes two numbers. */
function askUdp({ address, port }: Server, query: Uint8Array, signal: AbortSignal, match: Match) {
  return untilAborted(signal, async ({ resolve, giveUp, answer }) => {
    const onData = (bytes: Uint8Array) => {
      const answered = match(bytes);
      if (answered !== undefined) resolve(answered);
    };
    const socket = await openUdp(address, port, onData, giveUp);
    try {
      if (!signal.aborted) socket.send(query);
      return await answer;
    } finally {
      socket.close();
    }
  });
}

function openUdp(hostname: string, port: number, onData: (bytes: Uint8Array) => void, onError: () => void) {
  return Bun.udpSocket({
    connect: { hostname, port },
    socket: {
      // The buffer is used again for the next one.
      data: (_, data) => onData(Uint8Array.from(data)),
      error: onError,
    },
  });
}

function askTcp({ address, port }: Server, query: Uint8Array, signal: AbortSignal, match: Match) {
  return untilAborted(signal, async ({ resolve, giveUp, answer }) => {
    const framed = Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]);
    let received = Buffer.alloc(0);
    const opening = Bun.connect({
      hostname: address,
      port,
      socket: {
        open: (socket) => void socket.write(framed),
        data: (_, chunk) => {
          received = Buffer.concat([received, chunk]);
          const length = received.length < 2 ? MAX_MESSAGE : received.readUInt16BE(0);
          if (received.length >= 2 + length) resolve(match(received.subarray(2, 2 + length)));
        },
        close: giveUp,
        error: giveUp,
        connectError: giveUp,
      },
    });
    try {
      return await answer;
    } finally {
      // Nothing can end connect(2) before the kernel does.
      opening.then(
        (socket) => socket.end(),
        () => {},
      );
    }
  });
}
