/** Everything that clients can ask a running machine for: docs/protocol.md lists it. */
import { constants } from "node:os";
import { nullable, object, safeParse } from "valibot";
import type { Stream } from "../../protocol/index.ts";
import { StreamFailure } from "../../protocol/index.ts";
import { endsWithin } from "../../within.ts";
import { now } from "../clock.ts";
import { serveNews } from "../logs/index.ts";
import { networkSchema, portsSchema } from "../model/network-schema.ts";
import { planNetwork, type StartOrder } from "../plan/index.ts";
import { MAIN_ROOT } from "../root/index.ts";
import { containerMethods } from "./containers/index.ts";
import { serveCopy } from "./copy.ts";
import { serveDetachedExec, serveExec } from "./exec.ts";
import type { LastingMachine } from "./lasting.ts";
import type { EndHow } from "./machine-host.ts";
import type { MachineLogs } from "./machine-logs.ts";
import type { MachineNetwork } from "./network/index.ts";
import { serveAttach, serveProcessLogs } from "./processes/index.ts";
import type { Session } from "./session.ts";
import type { StateFile } from "./state-file.ts";
import { serveSupervise } from "./supervision.ts";

/** What a method may use of the machine. */
export interface Served {
  readonly order: StartOrder;
  readonly state: StateFile;
  /** Undefined: it has no network card. */
  readonly network: MachineNetwork | undefined;
  /** Both only of a lasting machine. */
  readonly lasting: LastingMachine | undefined;
  readonly logs: MachineLogs | undefined;
  /** See `Launcher`. */
  readonly copier: string;
  /** Resolves when the machine can do what clients ask for. */
  session(): Promise<Session>;
  end(how: EndHow): Promise<void>;
}

const changeSchema = object({ network: nullable(networkSchema), ports: portsSchema });

type Method = (machine: Served, stream: Stream) => Promise<void>;

/** How long the agent may take to answer a question that costs it nothing. */
const ANSWER_LIMIT_MS = 1000;

/** Bounds of the time between figures, in milliseconds. */
const FIGURES = { fastest: 100, slowest: 3_600_000, usual: 1000 } as const;

export const clientMethods: Readonly<Record<string, Method>> = {
  ...containerMethods,

  exec: async (machine, stream) => {
    const done = machine.lasting?.begin();
    const { detach } = paramsOf(stream);
    try {
      if (detach === true) await serveDetachedExec(stream, machine.order, lastingOf(machine));
      else await serveExec(stream, machine.order, machine.session, { owners: false });
    } finally {
      done?.();
    }
  },

  /** Files into or out of the machine. */
  copy: async (machine, stream) => {
    const done = machine.lasting?.begin();
    try {
      await serveCopy(stream, machine.session, machine.copier);
    } finally {
      done?.();
    }
  },

  /** The state as the machine's process has it, and whether the agent answers. */
  status: async ({ state, session }, stream) => {
    const asked = session().then(({ guest }) => guest.clock(BigInt(Math.round(now() * 1e6))));
    asked.catch(() => {});
    const answers = await endsWithin(asked, ANSWER_LIMIT_MS);
    stream.finish({ state: state.current, agent: answers ? "answers" : "silent" });
  },

  /** Ends the machine, `force`: at once. The connection ends with it. */
  stop: async ({ end, state, lasting }, stream) => {
    const { force, byUser, timeoutMs } = paramsOf(stream);
    if (typeof timeoutMs === "number" && timeoutMs >= 0) lasting?.setStopTimeout(timeoutMs);
    if (byUser === true) state.update({ stoppedByUser: true });
    const ended = end(force === true ? "now" : "gracefully");
    stream.accept();
    await ended;
  },

  /** Another policy, and other ports, from now on. */
  network: async ({ network, state }, stream) => {
    const parsed = safeParse(changeSchema, stream.request.params);
    if (!parsed.success) throw badRequest("network");
    const plan = planNetwork(parsed.output);
    if (network === undefined || plan === null)
      throw badRequest("network: a card comes and goes with a start");
    const ports = await network.change(plan, parsed.output.ports);
    state.update({ ports });
    stream.finish({ ports });
  },

  ps: async (machine, stream) => stream.finish(lastingOf(machine).table.list()),

  attach: async (machine, stream) => {
    const done = lastingOf(machine).begin();
    try {
      await serveAttach(stream, lastingOf(machine).table);
    } finally {
      done();
    }
  },

  processLogs: (machine, stream) => serveProcessLogs(stream, lastingOf(machine).table),

  /** Sends a signal to a process that outlives its clients. */
  kill: async (machine, stream) => {
    const { process, signal = constants.signals.SIGKILL } = paramsOf(stream);
    if (typeof process !== "string" || !Number.isInteger(signal)) throw badRequest("kill");
    const { about } = lastingOf(machine).table.kill(process, signal as number);
    stream.finish({ id: about.id });
  },

  /** Tells of changes of a log that the client reads itself. */
  logNews: async (machine, stream) => {
    lastingOf(machine);
    const { logs } = machine;
    const { log } = paramsOf(stream);
    if (logs === undefined || (log !== "workload" && log !== "console" && log !== "egress"))
      throw badRequest("logNews");
    await serveNews(stream, logs[log].changes);
  },

  /** What happens to the machine as `event`s, until the client has enough; it may decide about restarts and health. */
  supervise: (machine, stream) => serveSupervise(stream, lastingOf(machine)),

  /** Figures of the guest as `event`s, until the client has enough. */
  stats: async ({ session }, stream) => {
    const { everyMs } = paramsOf(stream);
    const { fastest, slowest, usual } = FIGURES;
    const { guest } = await session();
    const watch = guest.watch(
      {
        root: MAIN_ROOT,
        everyMs: typeof everyMs === "number" ? Math.min(Math.max(everyMs, fastest), slowest) : usual,
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

type Params = Readonly<Record<string, unknown>>;

function paramsOf(stream: Stream): Params {
  const { params } = stream.request;
  return typeof params === "object" && params !== null ? (params as Params) : {};
}

function lastingOf({ lasting }: Served): LastingMachine {
  if (lasting !== undefined) return lasting;
  throw new StreamFailure({
    code: "machine.ephemeral",
    message: "that needs a machine that lasts, and this one ends with its command",
    hint: "smolvm machine run -d, or create and start, make one that lasts",
  });
}

const badRequest = (method: string) =>
  new StreamFailure({ code: "machine.bad_request", message: `malformed ${method}` });
