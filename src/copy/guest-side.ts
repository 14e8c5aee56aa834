/** One conversation with the guest's program that packs or unpacks (agent/pack.c, agent/unpack.c), from the host's side. */
import { SmolError } from "../errors.ts";
import { guestFailure, printable } from "./failure.ts";
import { broken, type Found, type RecordEvent, RecordReader } from "./reader.ts";
import { Kind, RecordWriter } from "./records.ts";

/** The guest's program, with its streams. */
export interface GuestSide {
  /** What it says. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more; also when it has ended. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more comes. Without an end before, it gives the copy up, and removes what is not complete. */
  endInput(): void;
  /** Rejects when it could not run, or was lost. */
  readonly ended: Promise<unknown>;
}

export interface CopyProgress {
  files: number;
  bytes: number;
  /** Of all that is copied, where that is known. */
  total?: number | undefined;
}

/** That program, as a process of the machine's. */
export interface CopyProcess {
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  end(): void;
  kill(): void;
  /** How it ended. */
  readonly result: Promise<object>;
}

/** Copies by way of a process, which does not outlive the copy. @throws SmolError `copy.killed`; what `copy` throws */
export async function byWayOf(
  process: CopyProcess,
  copy: (guest: GuestSide) => Promise<void>,
): Promise<void> {
  const guest: GuestSide = {
    output: process.stdout,
    write: (bytes) => process.write(bytes),
    endInput: () => process.end(),
    // Its exit code says no more than its last record.
    ended: process.result.then((result) => {
      if ("signal" in result) throw killed(result.signal);
    }),
  };
  guest.ended.catch(() => {});
  // Nothing of ours writes there; whatever does is not to be held up by it.
  void drain(process.stderr);
  let over = false;
  const end = () => {
    over = true;
  };
  process.result.then(end, end);
  try {
    await copy(guest);
  } finally {
    if (!over) process.kill();
  }
}

const killed = (signal: unknown) =>
  new SmolError("copy.killed", `the copy was killed in the machine by signal ${signal}`, {
    hint: "the machine may lack memory: `smolvm machine stats` shows how much there is",
  });

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of chunks) {
    // Dropped.
  }
}

/**
 * Sends to a program that unpacks.
 *
 * @param send told what is at the path; `check` throws when nothing more need be sent
 * @throws SmolError `copy.*`; what the guest's side ended with; the signal's reason. What was not complete is gone then.
 */
export async function sendTo(
  guest: GuestSide,
  signal: AbortSignal | undefined,
  send: (writer: RecordWriter, found: Found, check: () => void) => Promise<void>,
): Promise<void> {
  const answers = eventsOf(guest);
  let stopped = false;
  let last: Promise<RecordEvent> | undefined;
  try {
    const found = await answerOf(answers);
    if (found.kind !== "found") throw unexpected(found);
    last = answerOf(answers);
    const stop = () => {
      stopped = true;
    };
    last.then(stop, stop);
    const writer = new RecordWriter((bytes) => guest.write(bytes));
    await send(writer, found.what, () => {
      signal?.throwIfAborted();
      if (stopped) throw new Stopped();
    });
    writer.mark(Kind.end);
    await writer.flush();
    guest.endInput();
  } catch (error) {
    guest.endInput();
    // The guest's side says why it has stopped, or that it has given up and put its things away.
    const end = await (last ?? Promise.resolve(undefined));
    if (!(error instanceof Stopped)) throw error;
    throw unexpected(end as RecordEvent);
  }
  const end = await last;
  if (end.kind !== "end") throw unexpected(end);
  await guest.ended;
}

/** The guest's side has ended the copy. */
class Stopped extends Error {}

/**
 * Takes what a program sends that packs.
 *
 * @param options.path in the machine, for messages
 * @param options.onSkipped told what is not copied
 * @param take awaited; `isTop`: it is the entry that is copied, and what follows lies in it
 * @throws SmolError `copy.*`; what the guest's side ended with; the signal's reason; what `take` throws
 */
export async function receiveFrom(
  guest: GuestSide,
  options: {
    readonly path: string;
    readonly signal?: AbortSignal | undefined;
    readonly progress: CopyProgress;
    readonly onSkipped: (path: string, why: string) => void;
  },
  take: (event: RecordEvent, isTop: boolean) => Promise<void> | void,
): Promise<void> {
  const { path, signal, progress, onSkipped } = options;
  guest.endInput();
  let begun = false;
  for await (const event of eventsOf(guest)) {
    signal?.throwIfAborted();
    if (event.kind === "failure" || event.kind === "found") throw unexpected(event);
    if (event.kind === "skipped") {
      onSkipped(
        event.name === "" ? path : printable(event.name),
        "only files, directories and links are copied",
      );
      if (!begun && event.name === "")
        throw new SmolError("copy.guest_file", `in the machine: ${path} is no file, directory or link`);
      continue;
    }
    const isTop = event.kind === "entry" && !begun;
    if (event.kind === "entry") {
      if (isTop && event.entry.kind === Kind.file) progress.total = event.entry.size;
      if (event.entry.kind !== Kind.directory) progress.files++;
      begun = true;
    }
    if (event.kind === "end" && !begun) throw broken("nothing");
    if (event.kind === "data") progress.bytes += event.bytes.length;
    await take(event, isTop);
  }
  await guest.ended;
}

/** What the guest's side says, to its end. @throws SmolError `copy.malformed`; what it ended with */
async function* eventsOf(guest: GuestSide): AsyncGenerator<RecordEvent, void, void> {
  const reader = new RecordReader();
  for await (const chunk of guest.output) yield* reader.read(chunk);
  if (!reader.ended) await guest.ended;
  reader.finish();
}

async function answerOf(events: AsyncGenerator<RecordEvent, void, void>): Promise<RecordEvent> {
  const { value, done } = await events.next();
  if (done) throw broken("no answer");
  return value;
}

/** What an event says that is none which could come now. */
function unexpected(event: RecordEvent | undefined): SmolError {
  if (event?.kind === "failure") return guestFailure(event.errno, event.text);
  return broken(`an answer of the kind ${event?.kind}`);
}
