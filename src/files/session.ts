import { Errno, FileError } from "./errno.ts";
import type { Filesystem } from "./filesystem.ts";
import { answer } from "./operations.ts";
import { answerReplay, REPLAY_GID } from "./replay/answer.ts";
import {
  FUSE_MAJOR,
  FUSE_MINOR,
  InitFlag,
  MAX_IO,
  MAX_IO_PAGES,
  Opcode,
  OUT_HEADER,
} from "./wire/opcodes.ts";
import { Reply, type Validity } from "./wire/reply.ts";
import { FuseRequest } from "./wire/request.ts";

/**
 * How long the guest believes what it was told. What the host changes is seen no later; a name that was not there is
 * asked for again at once.
 */
const VALIDITY: Validity = { entryNs: 250_000_000, attributeNs: 250_000_000 };

export interface SessionOptions {
  /** Whatever would change the volume is refused, whatever the guest believes about its mount. */
  readonly readOnly: boolean;
  readonly validity?: Validity | undefined;
  /** What a request met that nobody foresaw; the guest is told EIO, and the next request is answered. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** What a session knows when it answers. */
export interface SessionState {
  readonly filesystem: Filesystem;
  readonly readOnly: boolean;
  readonly validity: Validity;
}

/** One mount of a volume in a guest: answers its requests, one at a time, without waiting for anybody. */
export class Session {
  readonly #state: SessionState;
  readonly #onError: SessionOptions["onError"];

  constructor(filesystem: Filesystem, options: SessionOptions) {
    this.#state = { filesystem, readOnly: options.readOnly, validity: options.validity ?? VALIDITY };
    this.#onError = options.onError;
  }

  /**
   * Answers one request. Whatever is wrong with it, or cannot be done, is an errno for the guest.
   *
   * @param bytes one whole request (RequestReader); valid during the call
   * @returns undefined for requests that have no reply
   */
  answer(bytes: Uint8Array): Uint8Array | undefined {
    const request = new FuseRequest(bytes);
    try {
      if (request.opcode === Opcode.init) return initReply(request);
      const { changes } = this.#state.filesystem;
      const isReplay = changes !== undefined && request.gid === REPLAY_GID;
      if (isReplay && !FORGETTING.has(request.opcode)) return answerReplay(request, this.#state, changes);
      return answer(request, this.#state);
    } catch (error) {
      if (!(error instanceof FileError)) this.#onError?.(error);
      const { opcode, unique } = request;
      if (FORGETTING.has(opcode)) return undefined;
      return new Reply(unique, 0, error instanceof FileError ? error.errno : Errno.EIO).bytes;
    }
  }
}

/** Requests that have no reply, whoever makes them. */
const FORGETTING: ReadonlySet<number> = new Set([Opcode.forget, Opcode.batchForget, Opcode.interrupt]);

const WANTED =
  InitFlag.asyncRead |
  InitFlag.atomicTruncate |
  InitFlag.bigWrites |
  InitFlag.autoInvalidate |
  InitFlag.readdirplus |
  InitFlag.readdirplusAuto |
  InitFlag.asyncDirectIo |
  InitFlag.parallelDirectoryOperations |
  InitFlag.maxPages |
  InitFlag.cacheSymlinks |
  InitFlag.handleKillPriv;

/** Requests that the kernel may have under way without a process that waits for them: it reads ahead with them. */
const MAX_BACKGROUND = 16;

/** `struct fuse_init_out`. */
function initReply(request: FuseRequest): Uint8Array {
  const major = request.u32();
  const minor = request.u32();
  const readAhead = request.u32();
  const flags = request.u32();
  if (major !== FUSE_MAJOR || minor < FUSE_MINOR) return new Reply(request.unique, 0, Errno.EINVAL).bytes;
  const reply = new Reply(request.unique, 64);
  const { view } = reply;
  view.setUint32(OUT_HEADER, FUSE_MAJOR, true);
  view.setUint32(OUT_HEADER + 4, FUSE_MINOR, true);
  view.setUint32(OUT_HEADER + 8, Math.max(readAhead, MAX_IO), true);
  view.setUint32(OUT_HEADER + 12, flags & WANTED, true);
  view.setUint16(OUT_HEADER + 16, MAX_BACKGROUND, true);
  view.setUint16(OUT_HEADER + 18, (MAX_BACKGROUND * 3) / 4, true);
  view.setUint32(OUT_HEADER + 20, MAX_IO, true);
  view.setUint32(OUT_HEADER + 24, 1, true);
  view.setUint16(OUT_HEADER + 28, MAX_IO_PAGES, true);
  return reply.bytes;
}
