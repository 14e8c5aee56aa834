import type { Stream } from "../../protocol/index.ts";
import { endsWithin } from "../../within.ts";
import { now } from "../clock.ts";
import type { StartOrder } from "../plan/index.ts";
import { MAIN_ROOT } from "../root/index.ts";
import { serveExec } from "./exec.ts";
import type { EndHow } from "./machine-host.ts";
import type { Session } from "./session.ts";
import type { StateFile } from "./state-file.ts";

/** What a method may use of the machine. */
export interface Served {
  readonly order: StartOrder;
  readonly state: StateFile;
  /** Resolves when the machine can do what clients ask for. */
  session(): Promise<Session>;
  end(how: EndHow): Promise<void>;
}

type Method = (machine: Served, stream: Stream) => Promise<void>;

/** How long the agent may take to answer a question that costs it nothing. */
const ANSWER_LIMIT_MS = 1000;

/** Everything that clients can ask a running machine for. */
export const clientMethods: Readonly<Record<string, Method>> = {
  exec: (machine, stream) => serveExec(stream, machine.order, machine.session(), { owners: false }),

  /** The state as the machine's process has it, and whether the agent answers. */
  status: async ({ state, session }, stream) => {
    const ready = session().then(({ guest }) => guest.clock(BigInt(Math.round(now() * 1e6))));
    ready.catch(() => {});
    const answers = await endsWithin(ready, ANSWER_LIMIT_MS);
    stream.finish({ state: state.current, agent: answers ? "answers" : "silent" });
  },

  /** Ends the machine; the result comes before that, the connection's end with it. */
  stop: async ({ end }, stream) => {
    const { force } = (stream.request.params ?? {}) as { force?: unknown };
    const ended = end(force === true ? "now" : "gracefully");
    stream.accept();
    await ended;
    stream.finish();
  },

  /** Figures of the guest as `event`s, until the client has enough. */
  stats: async ({ session }, stream) => {
    const { everyMs } = (stream.request.params ?? {}) as { everyMs?: unknown };
    const { guest } = await session();
    const watch = guest.watch(
      {
        root: MAIN_ROOT,
        everyMs: typeof everyMs === "number" && everyMs >= 100 ? Math.min(everyMs, 3_600_000) : 1000,
        filesystems: ["/", "/storage"],
      },
      (event) => {
        if (event.kind === "figures") stream.event(event);
      },
    );
    stream.onCancel = () => watch.cancel();
    await watch.ended;
    stream.finish();
  },
};
