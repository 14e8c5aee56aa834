/** A server from its first moment to its end. It keeps nothing: what it tells is what is on the host's disk. */
import type { Context } from "../context.ts";
import { endsWithin } from "../within.ts";
import { type Answer, makeApp } from "./http/app.ts";
import { type BunServer, type Listener, listen, type Place, type Tls } from "./http/listen.ts";
import { MachineWatch } from "./live/machine-watch.ts";
import type { Talk } from "./live/talk.ts";
import { Metrics } from "./metrics.ts";
import { allRoutes } from "./routes/all.ts";
import type { ServeOptions } from "./serving.ts";
import { followerSlots, streamSlots } from "./slots.ts";

/** How long what is being worked on may take once the server is told to end, in milliseconds. */
const DRAIN_MS = 10_000;

export interface StartOptions extends ServeOptions {
  readonly places: readonly Place[];
  readonly tls: Tls | undefined;
}

export interface RunningServer {
  /** Where it listens, as people write it. */
  readonly addresses: readonly string[];
  /**
   * Takes no more requests, lets those end that there are, ends what would go on for ever, and resolves when that is
   * done. Machines are left as they are.
   */
  stop(): Promise<void>;
}

/** Starts a server. @throws SmolError `serve.*` */
export async function startServer(context: Context, options: StartOptions): Promise<RunningServer> {
  const ending = new AbortController();
  // Whose request is being answered: an upgrade is its business.
  const upgraders = new WeakMap<Request, BunServer>();
  const answer: Answer = makeApp(allRoutes, {
    context,
    options,
    metrics: new Metrics(),
    streams: streamSlots(),
    followers: followerSlots(),
    watch: new MachineWatch(context),
    startedAt: Date.now(),
    ending: ending.signal,
    upgrade: (request: Request, talk: Talk) =>
      upgraders.get(request)?.upgrade(request, { data: talk }) ?? false,
  });
  const serve = async (request: Request, server: BunServer, isPrivate: boolean) => {
    upgraders.set(request, server);
    return await answer(request, { isPrivate });
  };
  const listeners: Listener[] = [];
  try {
    for (const place of options.places) listeners.push(await listen(place, serve, options.tls));
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.end()));
    throw error;
  }
  return {
    addresses: listeners.map(({ address }) => address),
    stop: async () => {
      const closed = Promise.all(listeners.map((listener) => listener.close()));
      ending.abort();
      await endsWithin(closed, DRAIN_MS);
      await Promise.all(listeners.map((listener) => listener.end()));
    },
  };
}
