/** Filesystems in the guest whose files are the host's (docs/protocol.md, "fuse"). */
import type { FieldWriter } from "./fields.ts";
import { type AgentConnection, type AgentStream, checked, request, Verb } from "./link.ts";

/** What to mount, in the system's root. */
export interface FuseRequest {
  /** Absolute; made where it is missing. */
  readonly path: string;
  /** Whether the filesystem is one file. */
  readonly isFile: boolean;
  /** Options of the kernel's FUSE, without `fd`. */
  readonly options: string;
  /** `MountFlag`s. */
  readonly mountFlags: number;
}

export function encodeFuse({ path, isFile, options, mountFlags }: FuseRequest): Uint8Array {
  const fields: FieldWriter = request(Verb.fuse).text(1, path).text(2, options);
  return fields
    .int(3, mountFlags)
    .int(4, isFile ? 1 : 0)
    .finish();
}

/** What has changed on the host of one name in such a filesystem: the agent repeats it, in this order. */
export interface ReplayedChange {
  /** From the filesystem's root, a character for each byte; empty: the filesystem is one file. */
  readonly path: string;
  /** Of what has that name now (stat(2)). */
  readonly mode: number;
  readonly gone: "file" | "directory" | false;
  readonly made: boolean;
  readonly modified: boolean;
  readonly written: boolean;
}

/** @param place where the filesystem is mounted */
export function encodeReplay(place: string, changes: readonly ReplayedChange[]): Uint8Array {
  const fields = request(Verb.replay).text(1, place);
  for (const { path, mode, gone, made, modified, written } of changes) {
    const flags =
      (gone === false ? 0 : 1) |
      (gone === "directory" ? 2 : 0) |
      (made ? 4 : 0) |
      (modified ? 8 : 0) |
      (written ? 16 : 0);
    fields.bytes(2, Buffer.from([flags, mode >> 8, mode & 0xff, ...Buffer.from(path, "latin1")]));
  }
  return fields.finish();
}

const nothing = (): void => {};

/** The one channel: requests of the kernel come, replies go. */
const BYTES = 0;

/** A mounted filesystem; it is there until it is cancelled, or the connection ends. */
export class GuestFuse {
  /** Resolves when it is mounted; rejects with StreamFailure `fuse.failed`, or the connection's error. */
  readonly mounted: Promise<void>;
  /** Settles when the filesystem has ended: rejects with StreamFailure `fuse.failed` when a reply was none. */
  readonly ended: Promise<void>;
  readonly #stream: AgentStream;

  constructor(connection: AgentConnection, fuse: FuseRequest) {
    this.#stream = connection.open(encodeFuse(fuse));
    this.mounted = checked(connection, this.#stream.accepted, nothing);
    this.ended = checked(connection, this.#stream.result, nothing);
  }

  /** Requests, cut anywhere. They are the guest's: any bytes. */
  read(): AsyncGenerator<Uint8Array, void, void> {
    return this.#stream.read(BYTES);
  }

  /** Bytes of replies, cut anywhere; resolves when the guest has room for more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#stream.tryWrite(BYTES, bytes)) await this.#stream.write(BYTES, bytes);
  }

  /** Ends the filesystem: whoever uses it in the guest gets errors from now on. */
  cancel(): void {
    this.#stream.cancel();
  }
}
