/** What happens in a guest (docs/protocol.md, "watch"). */
import { ProtocolError } from "../protocol/index.ts";
import { FieldReader } from "./fields.ts";
import { type AgentConnection, type AgentStream, checked, request, Verb } from "./link.ts";

export interface WatchRequest {
  readonly root: string;
  /** Milliseconds between figures; absent: none are told. */
  readonly everyMs?: number | undefined;
  /** Paths in the root whose filesystems are measured. */
  readonly filesystems?: readonly string[] | undefined;
}

/** What a guest and a root in it use. */
export interface Figures {
  readonly memoryBytes: number;
  readonly availableBytes: number;
  readonly root: {
    readonly memoryBytes: number;
    readonly processorMicroseconds: number;
    readonly processes: number;
  };
  readonly filesystems: readonly {
    readonly path: string;
    readonly bytes: number;
    readonly freeBytes: number;
  }[];
}

export type WatchEvent =
  /** The kernel killed a process of the root for lack of memory; `count`: so many so far. */
  { readonly kind: "out_of_memory"; readonly count: number } | ({ readonly kind: "figures" } & Figures);

export const encodeWatch = ({ root, everyMs, filesystems }: WatchRequest): Uint8Array =>
  request(Verb.watch).text(1, root).int(2, everyMs).texts(3, filesystems).finish();

const MAX_KIND = 0xffff;
/** PATH_MAX of Linux. */
const MAX_PATH_BYTES = 4096;

/** Undefined for a kind that a later agent may have. */
export function decodeEvent(payload: Uint8Array): WatchEvent | undefined {
  const fields = new FieldReader(payload, "event of watch");
  const kind = fields.int(1, MAX_KIND);
  if (kind === 1) return { kind: "out_of_memory", count: fields.int(2) };
  if (kind !== 2) return undefined;
  return {
    kind: "figures",
    memoryBytes: fields.int(3),
    availableBytes: fields.int(4),
    root: {
      memoryBytes: fields.int(5),
      processorMicroseconds: fields.int(6),
      processes: fields.int(7),
    },
    filesystems: fields.all(8).map((value) => {
      const [head, path] = fields.headAndText(8, value, 16, MAX_PATH_BYTES);
      return { path, bytes: size(head.getBigUint64(0)), freeBytes: size(head.getBigUint64(8)) };
    }),
  };
}

function size(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ProtocolError("malformed event of watch: a size");
  return Number(value);
}

/** Events of a root until it is cancelled. */
export class Watch {
  /** Settles when no more events come. */
  readonly ended: Promise<void>;
  readonly #stream: AgentStream;

  constructor(connection: AgentConnection, request: WatchRequest, onEvent: (event: WatchEvent) => void) {
    this.#stream = connection.open(encodeWatch(request));
    this.#stream.onEvent = (payload) => {
      const event = decodeEvent(payload);
      if (event !== undefined) onEvent(event);
    };
    this.ended = checked(connection, this.#stream.result, () => {});
  }

  cancel(): void {
    this.#stream.cancel();
  }
}
