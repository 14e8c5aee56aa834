/** The child of one SDK client: what it may ask, and what it owns. docs/sdk-protocol.md */
import type { Context } from "../context.ts";
import type { EngineName } from "../engine/index.ts";
import { Connection, jsonCodec, type Stream, type Transport } from "../protocol/index.ts";
import { MachineWatch } from "../serve/live/machine-watch.ts";
import { Metrics } from "../serve/metrics.ts";
import type { Serving } from "../serve/serving.ts";
import { followerSlots, streamSlots } from "../serve/slots.ts";
import { version } from "../version.ts";
import { cancelled, explain } from "./failure.ts";
import { methods } from "./methods/index.ts";
import { Owned } from "./owned.ts";

/** One request of the client's, being worked on. */
export interface Asked {
  /** Unchecked. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly stream: Stream;
  /** Aborted when the client gives it up, or has gone. */
  readonly signal: AbortSignal;
  readonly serving: Serving;
  readonly owned: Owned;
}

/** Carries out one request; what it returns is the result. */
export type Method = (asked: Asked) => Promise<unknown>;

/** A client that waits is not told that its request took too long: it has limits of its own. */
const NO_LIMIT_MS = 2 ** 31 - 1;

/** Serves one client until it has gone, and ends what it owns. @param engine where a machine leaves it open */
export async function serveSdk(context: Context, transport: Transport, engine?: EngineName): Promise<void> {
  const ending = new AbortController();
  const owned = new Owned(context);
  const serving: Serving = {
    context,
    options: {
      // The client is the user's own program.
      mountRoots: ["/"],
      engine,
      requestTimeoutMs: NO_LIMIT_MS,
      origins: [],
      token: undefined,
      log: undefined,
    },
    metrics: new Metrics(),
    streams: streamSlots(),
    followers: followerSlots(),
    watch: new MachineWatch(context),
    startedAt: Date.now(),
    ending: ending.signal,
    upgrade: () => false,
  };
  const working = new Set<Promise<void>>();
  const connection = new Connection(transport, {
    codec: jsonCodec(version),
    onStream: (stream) => {
      const work = answer(stream, serving, owned).finally(() => working.delete(work));
      working.add(work);
    },
  });
  await connection.closed;
  ending.abort(cancelled());
  await Promise.all([owned.end(), ...working]);
  // What was being made when the client went.
  await owned.end();
}

async function answer(stream: Stream, serving: Serving, owned: Owned): Promise<void> {
  const { method, params } = stream.request;
  const work = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (work === undefined) {
    stream.fail({
      code: "machine.unsupported",
      message: `this smolvm does not know the method ${method}`,
      hint: "it is older than the package that asks: update it",
    });
    return;
  }
  const gone = new AbortController();
  stream.onCancel = () => gone.abort(cancelled());
  const asked = { params: (params ?? {}) as Asked["params"], stream, signal: gone.signal, serving, owned };
  try {
    stream.finish(await work(asked));
  } catch (error) {
    stream.fail(explain(error));
  }
}
