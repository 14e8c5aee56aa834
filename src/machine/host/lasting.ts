/**
 * Keeps a lasting machine: brings it up, starts it or its workload again as the policy says, watches its health, and
 * ends it when its time is over.
 */
import { messageOf, SmolError } from "../../errors.ts";
import { endsWithin } from "../../within.ts";
import { now } from "../clock.ts";
import type { HealthSpec, HealthState, MachineState, RestartSpec } from "../model/index.ts";
import { argumentsOf, type StartOrder } from "../plan/index.ts";
import { hasToBeFirst, isInitSystem, stopSignalOf } from "../root/index.ts";
import { bringUp, startWorkload, type WorkloadParts } from "./bring-up.ts";
import { type ContainerPlans, Containers } from "./containers/index.ts";
import { endedWithMachine, endOfSession, KILL_LIMIT_MS, shutDownGuest, workloadEnd } from "./endings.ts";
import { checkHealth } from "./health-check.ts";
import type { InitListener } from "./init-commands.ts";
import type { MachineLogs } from "./machine-logs.ts";
import { type HostedProcess, ProcessTable } from "./processes/index.ts";
import type { Session } from "./session.ts";
import type { StateFile } from "./state-file.ts";
import {
  type Clock,
  describeEnding,
  type Ending,
  HealthMonitor,
  Heartbeat,
  Lifetime,
  Restarter,
} from "./supervise/index.ts";

/** What those who watch a machine are told; JSON. */
export type MachineEvent =
  | {
      readonly type: "health";
      readonly status: HealthState["status"];
      readonly failures: number;
      readonly output: string;
    }
  | { readonly type: "ended"; readonly reason: string }
  | { readonly type: "restarting"; readonly what: "workload" | "machine"; readonly afterMs: number }
  | { readonly type: "gave_up"; readonly reason: string }
  | { readonly type: "started"; readonly what: "workload" | "machine" };

/** Why a machine ends by itself. */
export interface SelfEnding {
  readonly how: "gracefully" | "now";
  readonly failed: boolean;
  readonly reason: string;
  /** The machine is to be removed with everything that it has. */
  readonly remove: boolean;
}

export interface LastingOptions {
  readonly order: StartOrder;
  readonly state: StateFile;
  readonly logs: MachineLogs;
  readonly clock: Clock;
  readonly plans: ContainerPlans;
  /** Boots the machine's VM anew; the last one is gone. */
  readonly boot: () => Promise<Session>;
  readonly end: (ending: SelfEnding) => void;
}

/** What a client that supervises says instead of the record, while it does. */
export interface Supervision {
  readonly restart?: RestartSpec | undefined;
  readonly health?: HealthSpec | null | undefined;
}

/** Restarts by the policy have nobody to show init commands to but the log. */
const quiet = (logs: MachineLogs): InitListener => ({
  onCommand: () => {},
  onSkipped: () => {},
  onOutput: (channel, chunk) => logs.workload.write(channel === 1 ? "stdout" : "stderr", chunk),
});

export class LastingMachine {
  /** Processes that outlive their clients; the workload is one of them. */
  readonly table = new ProcessTable();
  readonly containers: Containers;
  readonly lifetime: Lifetime;
  readonly #options: LastingOptions;
  readonly #restarter: Restarter;
  readonly #heartbeat: Heartbeat;
  readonly #observers = new Set<(event: MachineEvent) => void>();
  #supervision: Supervision = {};
  #ready = Promise.withResolvers<Session>();
  #session: Session | undefined;
  #workload: HostedProcess | undefined;
  #health: HealthMonitor | undefined;
  #stopTimeoutMs: number;
  #initialized: boolean;
  /** It is being ended: what ends now is no news. */
  #closing = false;

  constructor(options: LastingOptions) {
    this.#options = options;
    this.#ready.promise.catch(() => {});
    const { clock, order, plans } = options;
    this.#stopTimeoutMs = order.record.stopTimeoutMs;
    this.#initialized = order.record.initialized;
    const machine = this;
    this.#restarter = new Restarter({
      clock,
      get spec() {
        return machine.#supervision.restart ?? order.record.restart;
      },
      get hasHealth() {
        return machine.#healthSpec !== null;
      },
      restart: (what) => void this.#restart(what),
    });
    this.#heartbeat = new Heartbeat({
      clock,
      ping: async () => await this.#session?.guest.clock(BigInt(Math.round(now() * 1e6))),
      onLost: (silentMs) => this.#ended({ kind: "machine", reason: "the guest's agent is silent", silentMs }),
    });
    this.containers = new Containers({
      ...{ order, plans, table: this.table },
      session: () => this.session(),
    });
    this.lifetime = new Lifetime({ ...order.record, clock, onEnd: (why) => this.#timeOver(why) });
  }

  /** Resolves when clients' work can be done; a new promise after each loss of the machine. */
  session(): Promise<Session> {
    return this.#ready.promise;
  }

  /** The first start. @throws SmolError, StreamFailure */
  async start(listener: InitListener): Promise<Session> {
    const session = await this.#bringUp(listener);
    this.lifetime.start();
    this.#tellTimes();
    return session;
  }

  /** Lets a client hear what happens, and decide instead of the record. @returns what ends that */
  supervise(supervision: Supervision, observer: (event: MachineEvent) => void): () => void {
    this.#observers.add(observer);
    // Whoever only looks takes nothing over from somebody who decides.
    if (supervision.restart === undefined && supervision.health === undefined)
      return () => this.#observers.delete(observer);
    this.#supervision = supervision;
    this.#watchHealth();
    return () => {
      this.#observers.delete(observer);
      if (this.#supervision !== supervision) return;
      this.#supervision = {};
      this.#watchHealth();
    };
  }

  /** The kernel has killed processes of the machine for lack of memory. */
  noteOutOfMemory(): void {
    this.table.outOfMemory();
  }

  /** Work begins; what is returned ends it. It keeps the machine from being idle. */
  begin(): () => void {
    const end = this.lifetime.begin();
    this.#tellTimes();
    return () => {
      end();
      this.#tellTimes();
    };
  }

  /** Nothing is started any more: the machine is about to end, in whichever way. */
  close(): void {
    this.#closing = true;
    this.#restarter.ended({ kind: "stopped" });
    this.lifetime.stop();
    this.#heartbeat.stop();
    this.#health?.stop();
    this.#ready.reject(new SmolError("machine.lost", "the machine is being stopped"));
  }

  /** For the stop that comes: how long the workload may take to end, in milliseconds. */
  setStopTimeout(milliseconds: number): void {
    this.#stopTimeoutMs = milliseconds;
  }

  /** Ends workload and guest in order. */
  async shutDown(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    await this.#stopAll();
    await shutDownGuest(session, (reason) => this.#options.state.update({ reason }));
  }

  async #bringUp(listener: InitListener): Promise<Session> {
    const { state } = this.#options;
    const session = await this.#options.boot();
    this.#session = session;
    // Somebody may have removed the disks that were initialized.
    const initialized = this.#initialized && !session.freshRoot;
    const running = await bringUp(session, { ...this.#parts(), listener, initialized });
    this.#initialized = true;
    void endOfSession(session, running.lost).then((ending) => {
      if (this.#session === session) this.#ended(ending);
    });
    state.update({
      phase: "running",
      readyAt: Date.now(),
      vmmPid: session.vm.pid,
      reason: "",
      workload: null,
    });
    this.#follow(running.workload);
    this.#restarter.started();
    this.#heartbeat.start();
    this.#watchHealth();
    this.#ready.resolve(session);
    return session;
  }

  #parts(): WorkloadParts {
    const { order, logs, plans } = this.#options;
    return { order, logs, reaper: plans.reaper, table: this.table };
  }

  #follow(workload: HostedProcess | undefined): void {
    this.#workload = workload;
    if (workload === undefined) return;
    const { state, logs } = this.#options;
    const { argv, startedAt } = workload.about;
    state.update({ workload: { argv: [...argv], startedAt, end: null } });
    // Its last output may wait for a client that reads slowly.
    void workload.drained.then(() => logs.workload.endLines());
    void workload.ended.then((ended) => {
      const end = workloadEnd(ended);
      if (this.#workload !== workload) return;
      const { order } = this.#options;
      const news = { workload: { argv: [...argv], startedAt, end } };
      // Nobody has seen how: its machine is lost, which is told apart. So is the end of an init system, which is that of
      // its machine.
      if ("code" in ended.result || hasToBeFirst(argumentsOf(order.record, order.image))) state.update(news);
      else this.#ended({ kind: "workload", end }, news);
    });
  }

  /** @param news for the state, told together with what follows from it: who looks sees both or neither */
  #ended(ending: Ending, news: Partial<MachineState> = {}): void {
    const { state, logs } = this.#options;
    if (this.#closing) {
      state.update(news);
      return;
    }
    const reason = describeEnding(ending);
    logs.console.say(ending.kind === "workload" ? "info" : "warn", reason);
    this.#tell({ type: "ended", reason });
    const decision = this.#restarter.ended(ending);
    const isLost = ending.kind === "machine" || ending.kind === "halted";
    if (isLost) this.#lose();
    if (ending.kind === "workload") this.#health?.stop();
    if (decision.kind === "restart") {
      const { what, afterMs } = decision;
      this.#tell({ type: "restarting", what, afterMs });
      state.update({
        ...news,
        phase: isLost ? "starting" : "running",
        reason: `${reason}; it is started again`,
        restartAt: this.#restarter.dueAt,
      });
      return;
    }
    state.update(news);
    this.#tell({ type: "gave_up", reason: decision.reason });
    if (ending.kind === "unhealthy") return;
    if (isLost) {
      const failed = ending.kind === "machine";
      this.#options.end({ how: "now", failed, reason: failed ? decision.reason : reason, remove: false });
    }
  }

  /** The session is over: what clients ask for waits for the next one. */
  #lose(): void {
    this.#heartbeat.stop();
    this.#health?.stop();
    this.#session?.vm.kill();
    this.#session = undefined;
    this.#workload = undefined;
    const { state } = this.#options;
    state.update({ vmmPid: null, health: null, workload: endedWithMachine(state.current.workload) });
    this.#ready.promise.catch(() => {});
    this.#ready = Promise.withResolvers<Session>();
    this.#ready.promise.catch(() => {});
  }

  async #restart(what: "workload" | "machine"): Promise<void> {
    const { state, logs } = this.#options;
    state.update({ restarts: this.#restarter.restarts, restartAt: null });
    try {
      if (what === "workload" && this.#session !== undefined) {
        this.#follow(await startWorkload(this.#session, this.#parts()));
        this.#restarter.started();
        this.#watchHealth();
        state.update({ reason: "" });
      } else {
        state.update({ phase: "starting" });
        await this.#leaveSession();
        await this.#bringUp(quiet(logs));
      }
      this.#tell({ type: "started", what });
    } catch (error) {
      if (this.#closing) return;
      this.#ended({ kind: "machine", reason: `it could not be started again: ${messageOf(error)}` });
    }
  }

  /** Of an unhealthy machine that still runs: its disks are left clean. */
  async #leaveSession(): Promise<void> {
    const session = this.#session;
    if (session === undefined) return;
    const workload = this.#workload;
    // What ends now is no news, and a check that runs is ended with it.
    this.#health?.stop();
    this.#session = undefined;
    this.#workload = undefined;
    await this.#stopAll(workload);
    await shutDownGuest(session, () => {});
    session.vm.kill();
    await session.vm.exited;
    this.#lose();
  }

  async #stopAll(workload = this.#workload): Promise<void> {
    await Promise.all([this.#stopWorkload(workload), this.containers.stopAll(this.#stopTimeoutMs)]);
  }

  async #stopWorkload(workload: HostedProcess | undefined): Promise<void> {
    if (workload === undefined || workload.end !== undefined) return;
    const { record, image } = this.#options.order;
    const signal = stopSignalOf(
      record.stopSignal ?? image.stopSignal,
      isInitSystem(argumentsOf(record, image)),
    );
    workload.signal(signal);
    if (await endsWithin(workload.ended, this.#stopTimeoutMs)) return;
    workload.cancel();
    await endsWithin(workload.ended, KILL_LIMIT_MS);
  }

  get #healthSpec(): HealthSpec | null {
    const { health } = this.#supervision;
    return health === undefined ? this.#options.order.record.health : health;
  }

  #watchHealth(): void {
    this.#health?.stop();
    this.#health = undefined;
    const spec = this.#healthSpec;
    const session = this.#session;
    if (spec === null || session === undefined) return;
    const { clock, order, state } = this.#options;
    const monitor = new HealthMonitor({
      spec,
      clock,
      check: (signal) => checkHealth(session.guest, order, spec.command, signal),
      onCheck: (health, changed) => {
        if (this.#health !== monitor) return;
        if (changed) state.update({ health });
        const { status, failures, output } = health;
        this.#tell({ type: "health", status, failures, output });
        if (status === "healthy") this.#restarter.healthy();
        if (status === "unhealthy" && changed) this.#ended({ kind: "unhealthy" });
      },
    });
    this.#health = monitor;
    monitor.start();
    state.update({ health: monitor.state });
  }

  #timeOver(why: "ttl" | "idle"): void {
    const reason = why === "ttl" ? "its time to live was over" : "nobody used it";
    const remove = this.#options.order.record.onTimeout === "delete";
    this.#options.end({ how: "gracefully", failed: false, reason, remove });
  }

  #tellTimes(): void {
    const { order, state } = this.#options;
    if (order.record.ttlMs === null && order.record.idleTimeoutMs === null) return;
    state.update({ ttlAt: this.lifetime.ttlAt, idleAt: this.lifetime.idleAt });
  }

  #tell(event: MachineEvent): void {
    for (const observer of this.#observers) observer(event);
  }
}
