/** What a server is told, and what its routes get of it. */
import type { Context } from "../context.ts";
import type { EngineName } from "../engine/index.ts";
import type { MachineWatch } from "./live/machine-watch.ts";
import type { Talk } from "./live/talk.ts";
import type { Metrics } from "./metrics.ts";
import type { Slots } from "./slots.ts";

export interface ServeOptions {
  /** Paths of the host that machines may be given: these directories, and what is below them. Resolved. */
  readonly mountRoots: readonly string[];
  /** Where a machine's record leaves it open. */
  readonly engine: EngineName | undefined;
  /** Milliseconds after which a request is given up that has no limit of its own. */
  readonly requestTimeoutMs: number;
  /** Origins of web pages that may use the API. */
  readonly origins: readonly string[];
  /** What each request but those of health has to bring. */
  readonly token: string | undefined;
  /** Told one line about each request. */
  readonly log: ((entry: LogEntry) => void) | undefined;
}

export interface LogEntry {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly milliseconds: number;
  readonly traceId: string;
  /** Why there was nothing else than a failure; of one of this side the client knows only that there was one. */
  readonly failure?: string | undefined;
}

/** The server, as its routes see it. */
export interface Serving {
  readonly context: Context;
  readonly options: ServeOptions;
  readonly metrics: Metrics;
  /** Of answers that go on for long, whatever they are. */
  readonly streams: Slots;
  /** Of those among them that may never end. */
  readonly followers: Slots;
  readonly watch: MachineWatch;
  readonly startedAt: number;
  /** Aborted when the server is told to end. */
  readonly ending: AbortSignal;
  /** Makes a WebSocket of a request. @returns false when it asks for none */
  readonly upgrade: (request: Request, talk: Talk) => boolean;
}
