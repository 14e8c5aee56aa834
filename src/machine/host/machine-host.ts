/**
 * A machine while it runs: its place on the host, its VM and what runs in it. One for each running machine, in a process
 * of its own (main.ts). It knows two kinds of others: the owner, who started it, over a descriptor that the two share;
 * and clients, over the control socket.
 *
 * A throw-away machine lives as long as its owner wants it: when the owner's connection ends, for whatever reason,
 * everything the machine had is gone a moment later. A lasting one lives until it is stopped, once its start has been
 * reported to its owner. If this process is killed, the kernel ends the VM with it.
 */
import type { VmmHandle } from "../../engine/index.ts";
import { messageOf, SmolError } from "../../errors.ts";
import { Connection, failureOf, jsonCodec, type SocketTransport, type Stream } from "../../protocol/index.ts";
import { endsWithin } from "../../within.ts";
import { now } from "../clock.ts";
import { makeDisks } from "../disks/index.ts";
import type { StartOrder, StartReport } from "../plan/index.ts";
import { serveExec } from "./exec.ts";
import { type Running, startUp } from "./lasting.ts";
import { clientMethods } from "./methods.ts";
import { type Leases, Place } from "./place.ts";
import { type Launcher, openSession, type Session } from "./session.ts";
import { StateFile } from "./state-file.ts";

export interface HostOptions {
  readonly launcher: Launcher;
  /** Takes leases of what the machine uses. */
  readonly lease: (order: StartOrder) => Leases;
  /** Version of this program. */
  readonly program: string;
  /** A VMM process that was started ahead, for the first boot. */
  readonly vmm?: VmmHandle | undefined;
}

/** How long the guest may take to end its processes and unmount its disks. */
const SHUTDOWN_LIMIT_MS = 15_000;

export class MachineHost {
  /** Resolves when nothing of the machine runs any more; never rejects. */
  readonly ended: Promise<void>;
  readonly #options: HostOptions;
  readonly #startedAt = now();
  /** There is a channel to the guest: its owner's command may be asked for. */
  readonly #opened = Promise.withResolvers<Session>();
  /** What clients ask for can be done. */
  #ready = Promise.withResolvers<Session>();
  readonly #connections = new Set<Connection>();
  readonly #told = new Set<Stream>();
  readonly #end = Promise.withResolvers<void>();
  /** Whoever ends it now does not wait for what is being ended in order. */
  readonly #hurry = Promise.withResolvers<void>();
  #order: StartOrder | undefined;
  #place: Place | undefined;
  #state: StateFile | undefined;
  #session: Session | undefined;
  #running: Running | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    this.ended = this.#end.promise;
    this.#opened.promise.catch(() => {});
    this.#ready.promise.catch(() => {});
  }

  /** Serves whoever has the other end of this pipe as the machine's owner; resolves when the pipe is closed. */
  async serveOwner(transport: SocketTransport): Promise<void> {
    const owner = new Connection(transport, {
      codec: jsonCodec(this.#options.program),
      onStream: (stream) => this.#serveOwner(stream),
    });
    await owner.closed;
    if (this.#order?.record.ephemeral === false && this.#running !== undefined) return;
    await this.end("now");
  }

  #serveOwner(stream: Stream): void {
    const { method } = stream.request;
    if (method === "start") void this.#start(stream);
    else if (method === "exec" && this.#order?.record.ephemeral) void this.#execOwners(stream, this.#order);
    else unsupported(stream);
  }

  #serveClient(stream: Stream): void {
    const serve = clientMethods[stream.request.method];
    if (serve === undefined) {
      unsupported(stream);
      return;
    }
    const order = this.#order as StartOrder;
    const state = this.#state as StateFile;
    const host = { order, state, session: () => this.#ready.promise, end: (how: EndHow) => this.end(how) };
    this.#told.add(stream);
    void serve(host, stream)
      .catch((error) => stream.fail(failureOf(error)))
      .finally(() => this.#told.delete(stream));
  }

  /** Starts the machine; tells the owner when it runs. */
  async #start(stream: Stream): Promise<void> {
    try {
      // The owner is the same program of the same user: the order is what it says it is.
      const order = stream.request.params as StartOrder;
      this.#order = order;
      this.#place = new Place(order, this.#options.lease);
      this.#state = new StateFile(order, this.#options.program, this.#startedAt);
      // A throw-away machine without a state is starting: its start is not held up for that.
      if (!order.record.ephemeral) this.#state.update({});
      this.#place.listen((transport) => this.#greet(transport));
      const report = await this.#boot(order, this.#place, this.#state, stream);
      this.#state.update({ phase: "running", readyAt: Date.now(), vmmPid: report.vmmPid });
      stream.finish(report);
      this.#place.sweep();
    } catch (error) {
      this.#opened.reject(error);
      this.#ready.reject(error);
      stream.fail(failureOf(error));
      this.#state?.update({ reason: messageOf(error) });
      await this.end("now");
    }
  }

  #greet(transport: SocketTransport): void {
    const connection = new Connection(transport, {
      codec: jsonCodec(this.#options.program),
      onStream: (stream) => this.#serveClient(stream),
    });
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
  }

  async #boot(order: StartOrder, place: Place, state: StateFile, stream: Stream): Promise<StartReport> {
    const disks = await makeDisks(order, place.data);
    const session = await openSession(order, disks, this.#options.launcher, {
      vmm: this.#options.vmm,
      onOutOfMemory: () => this.#tellOutOfMemory(),
    });
    this.#session = session;
    this.#opened.resolve(session);
    if (!order.record.ephemeral) {
      this.#running = await startUp(session, order, state, this.#options.launcher.reaper, stream);
      this.#ready.resolve(session);
    }
    const readiness = await session.ready;
    const notes = await session.root.made;
    return { ...readiness, pid: process.pid, vmmPid: session.vm.pid, notes: [...disks.notes, ...notes] };
  }

  #tellOutOfMemory(): void {
    this.#running?.workload?.noteOutOfMemory();
    for (const client of this.#told) client.event({ type: "out_of_memory" });
  }

  /** The command that a throw-away machine lives for. */
  async #execOwners(stream: Stream, order: StartOrder): Promise<void> {
    this.#told.add(stream);
    await serveExec(stream, order, this.#opened.promise, {
      owners: true,
      // Only the first process makes the namespace in which all others live.
      onStart: () => void this.#opened.promise.then(this.#ready.resolve),
    });
    this.#told.delete(stream);
    // Unless it has started before.
    this.#ready.reject(new SmolError("machine.lost", "the machine's command could not be started"));
    await this.end("now");
  }

  /**
   * Ends the machine; safe to call at any time and more than once.
   *
   * @param how `gracefully`: the workload is asked to end, the disks are unmounted. `now`: as by pulling the plug; of a
   * throw-away machine nothing is worth the wait.
   */
  end(how: EndHow): Promise<void> {
    if (how === "now") this.#hurry.resolve();
    this.#ending ??= this.#tearDown(how);
    return this.#ending;
  }

  async #tearDown(how: EndHow): Promise<void> {
    const state = this.#state;
    if (how === "gracefully" && this.#session !== undefined && this.#running !== undefined) {
      state?.update({ phase: "stopping" });
      await Promise.race([this.#shutDown(this.#session, this.#running), this.#hurry.promise]);
    }
    this.#place?.stopListening();
    this.#session?.vm.kill();
    this.#options.vmm?.kill();
    await Promise.all([this.#session?.vm.exited, this.#options.vmm?.exited]);
    for (const connection of this.#connections) connection.close();
    if (this.#order?.record.ephemeral === false) {
      const failed = this.#running === undefined;
      state?.update({ phase: failed ? "failed" : "stopped", endedAt: Date.now() });
    }
    this.#place?.leave();
    this.#end.resolve();
  }

  async #shutDown(session: Session, running: Running): Promise<void> {
    await running.stop();
    const clean = session.guest.shutdown().catch(() => {});
    if (!(await endsWithin(clean, SHUTDOWN_LIMIT_MS)))
      this.#state?.update({ reason: "the guest did not unmount its disks in time" });
  }
}

export type EndHow = "gracefully" | "now";

function unsupported(stream: Stream): void {
  stream.fail({
    code: "machine.unsupported",
    message: `the machine does not know the method ${stream.request.method}`,
    hint: "it was started by another version of smolvm: stop and start it to use this one's",
  });
}
