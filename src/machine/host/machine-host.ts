/**
 * A machine while it runs: its place on the host, its VM and what runs in it. One for each running machine, in a process
 * of its own (main.ts). It knows two kinds of others: the owner, who started it, over a descriptor that the two share;
 * and clients, over the control socket.
 *
 * A throw-away machine lives as long as its owner wants it: when the owner's connection ends, for whatever reason,
 * everything the machine had is gone a moment later. A lasting one lives until it is stopped, once its start has been
 * reported to its owner; one whose order names an owner ends with that. If this process is killed, the kernel ends the VM with it.
 */
import type { VmmHandle } from "../../engine/index.ts";
import { messageOf, SmolError } from "../../errors.ts";
import {
  type Channel,
  Connection,
  type ExecEvent,
  failureOf,
  jsonCodec,
  type SocketTransport,
  type Stream,
} from "../../protocol/index.ts";
import { endsWithin } from "../../within.ts";
import { now } from "../clock.ts";
import { makeDisks } from "../disks/index.ts";
import type { NetworkPlan, OwnerPolicy, StartEvent, StartOrder, StartReport } from "../plan/index.ts";
import { endedWithMachine } from "./endings.ts";
import { serveExec } from "./exec.ts";
import type { InitListener } from "./init-commands.ts";
import { LastingMachine, type SelfEnding } from "./lasting.ts";
import { MachineLogs } from "./machine-logs.ts";
import { clientMethods } from "./methods.ts";
import type { MachineNetwork } from "./network/index.ts";
import { type Leases, Place } from "./place.ts";
import { type Launcher, openSession, type Session } from "./session.ts";
import { type LentSockets, openLent } from "./sockets/index.ts";
import type { ConfinedStarter } from "./starter.ts";
import { StateFile } from "./state-file.ts";
import { type Clock, hostClock } from "./supervise/index.ts";
import { initializeThrowAway } from "./throw-away.ts";

export interface HostOptions {
  readonly launcher: Launcher;
  /** Takes leases of what the machine uses. */
  readonly lease: (order: StartOrder) => Leases;
  /** Version of this program. */
  readonly program: string;
  /** What starts its VMs and confines them; absent: this process itself, without. */
  readonly openStarter?: ((order: StartOrder) => ConfinedStarter | undefined) | undefined;
  /** A VMM process that was started ahead, for the first boot. */
  readonly vmm?: VmmHandle | undefined;
  readonly clock?: Clock | undefined;
}

/** How long a start may take to say why it failed, when its command has. */
const LAST_WORDS_MS = 5000;

export type EndHow = "gracefully" | "now";

export class MachineHost {
  /** Resolves when nothing of the machine runs any more; never rejects. */
  readonly ended: Promise<void>;
  readonly #options: HostOptions;
  readonly #startedAt = now();
  /** There is a channel to the guest: the owner's command may be asked for. */
  readonly #opened = Promise.withResolvers<Session>();
  /** A throw-away machine can do what clients ask for. */
  readonly #ready = Promise.withResolvers<Session>();
  readonly #connections = new Set<Connection>();
  /** Clients with work in the machine. */
  readonly #clients = new Set<Stream>();
  readonly #end = Promise.withResolvers<void>();
  /** Whoever ends it now does not wait for what is being ended in order. */
  /** Loaded and there only for a machine that has one. */
  #network: MachineNetwork | undefined;
  readonly #hurry = Promise.withResolvers<void>();
  #vmm: VmmHandle | undefined;
  /** Settles when the start is over, one way or the other. */
  #starting: Promise<void> | undefined;
  #order: StartOrder | undefined;
  #place: Place | undefined;
  #starter: ConfinedStarter | undefined;
  #state: StateFile | undefined;
  #session: Session | undefined;
  #lasting: LastingMachine | undefined;
  #logs: MachineLogs | undefined;
  #lent: LentSockets | undefined;
  /** A throw-away machine has a first process that is not its command. */
  #hasFirst = false;
  /** The owner has been told that it runs. */
  #reported = false;
  /** What the owner's end means to a lasting machine that runs. */
  #owner: OwnerPolicy | undefined;
  #ending: Promise<void> | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#vmm = options.vmm;
    this.ended = this.#end.promise;
    this.#opened.promise.catch(() => {});
    this.#ready.promise.catch(() => {});
  }

  /** Serves whoever has the other end of this pipe as the machine's owner. */
  async serveOwner(transport: SocketTransport): Promise<void> {
    const owner = new Connection(transport, {
      codec: jsonCodec(this.#options.program),
      onStream: (stream) => this.#serveOwner(stream),
    });
    await owner.closed;
    // One that is being stopped while it starts is stopped in order.
    const isLasting = this.#lasting !== undefined;
    if (isLasting && this.#ending !== undefined) return;
    if (isLasting && this.#reported && this.#owner === undefined) return;
    await this.#endWithOwner();
  }

  async #endWithOwner(): Promise<void> {
    if (this.#owner === "delete") this.#place?.removeWhenLeft();
    if (this.#owner === undefined || !this.#reported) return await this.end("now");
    const reason = "the program that had started it has gone";
    this.#logs?.console.say("info", reason);
    this.#state?.update({ reason });
    await this.end(this.#owner === "delete" ? "now" : "gracefully");
  }

  #serveOwner(stream: Stream): void {
    const { method } = stream.request;
    if (method === "start") this.#starting = this.#start(stream);
    else if (method === "disown") this.#disown(stream);
    else if (method === "exec" && this.#order?.record.ephemeral) void this.#execOwners(stream, this.#order);
    else unsupported(stream);
  }

  #disown(stream: Stream): void {
    this.#owner = undefined;
    stream.finish({});
  }

  #serveClient(stream: Stream): void {
    const serve = clientMethods[stream.request.method];
    const order = this.#order;
    const state = this.#state;
    if (serve === undefined || order === undefined || state === undefined) {
      unsupported(stream);
      return;
    }
    const lasting = this.#lasting;
    const machine = {
      order,
      state,
      lasting,
      logs: this.#logs,
      network: this.#network,
      copier: this.#options.launcher.copier,
      session: () => lasting?.session() ?? this.#ready.promise,
      end: (how: EndHow) => this.end(how),
    };
    this.#clients.add(stream);
    void serve(machine, stream)
      .catch((error) => stream.fail(failureOf(error)))
      .finally(() => this.#clients.delete(stream));
  }

  /** Starts the machine; tells the owner when it runs. */
  async #start(stream: Stream): Promise<void> {
    try {
      // The owner is the same program of the same user: the order is what it says it is.
      const asked = stream.request.params as StartOrder;
      this.#order = asked;
      this.#owner = asked.record.ephemeral ? undefined : asked.owner;
      const place = new Place(asked, this.#options.lease);
      this.#place = place;
      const order: StartOrder = { ...asked, confinement: place.confinement };
      this.#order = order;
      this.#starter = this.#options.openStarter?.(order);
      const state = new StateFile(order, this.#options.program, this.#startedAt);
      this.#state = state;
      if (!order.record.ephemeral) {
        state.update({});
        this.#logs = new MachineLogs(place.data);
        // A kernel without troubles says nothing: whoever opens the log sees that it is one.
        this.#logs.console.say(
          "info",
          `smolvm ${this.#options.program} starts the machine on ${order.engine}`,
        );
        this.#lasting = this.#makeLasting(order, state, place, this.#logs);
      }
      // Whoever finds the machine can connect, and waits for the guest like the owner does.
      place.listen((transport) => this.#greet(transport));
      // Before there is a VM: what cannot be had is refused at once.
      if (order.network !== null) await this.#openNetwork(order, order.network, state);
      this.#lent = await openLent({
        ...{ order, data: place.data },
        session: () => this.#lasting?.session() ?? this.#ready.promise,
        begin: () => this.#lasting?.begin() ?? (() => {}),
        // The log of a throw-away machine goes with it.
        onAgentUse: (text) => order.record.ephemeral && this.#tell({ type: "ssh_agent", text }),
        complain: (text) => this.#logs?.console.say("warn", text),
      });
      const session = await this.#bringUp(order, place, stream);
      const notes = [...session.notes, ...(await session.root.made)];
      const report: StartReport = {
        ...(await session.ready),
        pid: process.pid,
        vmmPid: session.vm.pid,
        notes,
      };
      this.#reported = true;
      stream.finish(report);
      if (order.record.ephemeral)
        state.update({ phase: "running", readyAt: Date.now(), vmmPid: session.vm.pid });
    } catch (error) {
      this.#opened.reject(error);
      this.#ready.reject(error);
      const stopped = this.#ending !== undefined && this.#lasting !== undefined;
      stream.fail(failureOf(stopped ? stoppedWhileStarting() : error));
      await (this.#ending ?? this.end("now", messageOf(error)));
    }
  }

  async #openNetwork(order: StartOrder, plan: NetworkPlan, state: StateFile): Promise<void> {
    const { MachineNetwork } = await import("./network/index.ts");
    // Ended in the meantime.
    if (this.#ending !== undefined) throw stoppedWhileStarting();
    this.#network = new MachineNetwork(order, plan, this.#logs?.egress);
    const ports = await this.#network.publish(order.record.ports);
    if (ports.length > 0) state.update({ ports });
  }

  #makeLasting(order: StartOrder, state: StateFile, place: Place, logs: MachineLogs): LastingMachine {
    return new LastingMachine({
      order,
      state,
      logs,
      clock: this.#options.clock ?? hostClock,
      plans: this.#options.launcher,
      boot: () => this.#boot(order, place),
      end: (ending) => void this.#endItself(ending, place),
    });
  }

  /** Until the machine can be told to run. */
  async #bringUp(order: StartOrder, place: Place, stream: Stream): Promise<Session> {
    if (this.#lasting !== undefined) return await this.#lasting.start(listenerOf(stream));
    const session = await this.#boot(order, place);
    const { reaper } = this.#options.launcher;
    this.#hasFirst = await initializeThrowAway(session, order, reaper, listenerOf(stream));
    this.#opened.resolve(session);
    await session.ready;
    return session;
  }

  async #boot(order: StartOrder, place: Place): Promise<Session> {
    const disks = await makeDisks(order, place.data);
    const isFirst = this.#session === undefined;
    const vmm = this.#vmm;
    this.#vmm = undefined;
    const opening = openSession(order, disks, this.#options.launcher, {
      ...{ vmm, first: isFirst },
      agents: place.agents,
      confine: this.#starter,
      network: this.#network,
      onConsole: (chunk) => this.#logs?.console.write(chunk),
      onOutOfMemory: () => this.#tellOutOfMemory(),
      onVolumeLost: (reason) => this.#logs?.console.say("error", reason),
    });
    // Beside the VM's own start, and while this process still may.
    if (isFirst) place.sweep();
    const session = await opening;
    this.#session = this.#lent?.into(session) ?? session;
    // Before the guest's kernel runs, or what goes on from a saved guest has seen anything. Later VMs are those that the
    // starter knows by now.
    if (isFirst) await this.#confineItself(place);
    // Ended in the meantime.
    if (this.#ending !== undefined) this.#session.vm.kill();
    return this.#session;
  }

  /** All that is done with others' files and programs from here on, the starter does. */
  async #confineItself(place: Place): Promise<void> {
    if (this.#starter === undefined) return;
    const removals = [...(this.#lent?.removals ?? []), ...(this.#network?.removals ?? [])];
    place.leaveBy(this.#starter.starter, removals);
    await this.#starter.confineSelf();
  }

  #greet(transport: SocketTransport): void {
    const connection = new Connection(transport, {
      codec: jsonCodec(this.#options.program),
      onStream: (stream) => this.#serveClient(stream),
    });
    this.#connections.add(connection);
    void connection.closed.then(() => this.#connections.delete(connection));
  }

  #tellOutOfMemory(): void {
    this.#lasting?.noteOutOfMemory();
    this.#tell({ type: "out_of_memory" });
  }

  #tell(event: ExecEvent): void {
    for (const client of this.#clients) if (runsProcess(client.request.method)) client.event(event);
  }

  /** The command that a throw-away machine lives for. */
  async #execOwners(stream: Stream, order: StartOrder): Promise<void> {
    this.#clients.add(stream);
    await serveExec(stream, order, () => this.#opened.promise, {
      owners: true,
      hasFirst: () => this.#hasFirst,
      // Only the first process makes the namespace in which all others live.
      onStart: () => void this.#opened.promise.then(this.#ready.resolve),
    });
    this.#clients.delete(stream);
    // A VM that ends while it starts takes the command down; why it ended is what the start has to say.
    if (!this.#reported) await endsWithin(this.#starting ?? Promise.resolve(), LAST_WORDS_MS);
    // Unless it has started before.
    this.#ready.reject(new SmolError("machine.lost", "the machine's command could not be started"));
    await this.end("now");
  }

  /**
   * Ends the machine; safe to call at any time and more than once.
   *
   * @param how `gracefully`: the workload is asked to end, the disks are unmounted. `now`: as by pulling the plug; of a
   * throw-away machine nothing is worth the wait.
   * @param failure why it could not run
   */
  end(how: EndHow, failure?: string): Promise<void> {
    if (how === "now") this.#hurry.resolve();
    this.#ending ??= this.#tearDown(how, failure);
    return this.#ending;
  }

  async #endItself({ how, failed, reason, remove }: SelfEnding, place: Place): Promise<void> {
    this.#logs?.console.say(failed ? "error" : "info", reason);
    if (remove) place.removeWhenLeft();
    this.#state?.update({ reason });
    await this.end(how, failed ? reason : undefined);
  }

  async #tearDown(how: EndHow, failure: string | undefined): Promise<void> {
    const lasting = this.#lasting;
    lasting?.close();
    // Whoever wants to start it waits from now on until it is gone.
    if (lasting !== undefined) this.#state?.update({ phase: "stopping" });
    if (lasting !== undefined && how === "gracefully") {
      await Promise.race([lasting.shutDown(), this.#hurry.promise]);
    }
    this.#place?.stopListening();
    await this.#lent?.close();
    this.#session?.vm.kill();
    this.#vmm?.kill();
    this.#network?.close();
    await Promise.all([this.#session?.vm.exited, this.#vmm?.exited, this.#logs?.close()]);
    await this.#place?.leave(() => lasting !== undefined && this.#tellEnd(failure));
    this.#end.resolve();
    // A process that has this machine alone ends in this turn (main.ts), and its clients' connections with it: who waits
    // for that finds the lock free and the process gone.
    await Bun.sleep(0);
    for (const connection of this.#connections) connection.close();
  }

  #tellEnd(failure: string | undefined): void {
    const state = this.#state;
    if (state === undefined) return;
    state.update({
      phase: failure === undefined ? "stopped" : "failed",
      reason: failure ?? state.current.reason,
      endedAt: Date.now(),
      workload: endedWithMachine(state.current.workload),
    });
  }
}

/** Shows the starter what the init commands do. */
function listenerOf(stream: Stream): InitListener {
  const tell = (event: StartEvent) => stream.event(event);
  return {
    onCommand: (index, count) => tell({ type: "init", index, count }),
    onSkipped: (count) => tell({ type: "init_skipped", count }),
    onOutput: (channel: Channel, chunk) => stream.write(channel, chunk),
  };
}

/** Others have events of their own. */
const runsProcess = (method: string): boolean => /exec$/i.test(method);

const stoppedWhileStarting = (): SmolError =>
  new SmolError("machine.stopped", "the machine was stopped while it was starting");

function unsupported(stream: Stream): void {
  stream.fail({
    code: "machine.unsupported",
    message: `the machine does not know the method ${stream.request.method}`,
    hint: "it was started by another version of smolvm: stop and start it to use this one's",
  });
}
