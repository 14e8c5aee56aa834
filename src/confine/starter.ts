/**
 * A process outside that starts programs for this one, which may have given that up (launcher/starter.c). It learns each
 * order before it is sealed, and afterwards starts what it knows and nothing else.
 */
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { makeSocketPair, sendWithDescriptors } from "../../ffi/descriptors.ts";
import { makePipe } from "../../ffi/libc.ts";
import { readAndClose } from "../pipe.ts";
import { type Launched, ReportedProgram, startLauncher } from "./launch.ts";
import { type LaunchOrder, OrderWriter, u32 } from "./order.ts";

/** Of the starter: what it is told comes over the first, and what it starts finds the second as `PROGRAM_FD`. */
const CONTROL_FD = 4;
/** Where a program of an order finds the starter's own program: this one, whatever has its name by now. */
export const PROGRAM_FD = 5;

/** `enum verb` of launcher/starter.c. */
export const Verb = { learn: 0, seal: 1, start: 2, kill: 3 } as const;

/** Bytes of `struct reply`. */
const REPLY = 8;

type Exit = Awaited<Launched["exited"]>;

const KILLED: Exit = { code: null, signal: "SIGKILL" };

/** An order that the starter knows. */
interface Known {
  readonly name: string;
  readonly order: LaunchOrder;
  /** Resolves when all has ended that it was carried out for. */
  idle: Promise<unknown> | undefined;
  /** Ends what is there of it now; undefined: nothing. */
  end: ((exit: Exit) => void) | undefined;
}

/** A program that a starter has started. */
export interface Started extends Launched {
  /** Of the order's steps; see `LaunchOrder`. */
  readonly subjects: readonly string[];
}

export class Starter {
  readonly #child: Launched;
  readonly #control: number;
  readonly #known: Known[] = [];
  #sealed = false;
  #gone = false;

  /**
   * Starts it. It ends with the thread that calls this, however that ends, and what it has started ends with it.
   *
   * @param program descriptor of this process's program, which stays the caller's
   * @throws Error of posix_spawn(3)
   */
  constructor(launcher: string, program: number) {
    const order = new OrderWriter();
    order.step("noNewPrivileges", "no_new_privs");
    order.step("serve", "the starter", u32(CONTROL_FD));
    this.#child = startLauncher(launcher, order.finish(), ["socket-fd", program]);
    this.#control = this.#child.sockets[0] ?? -1;
    this.#hear();
    void this.#child.exited.then(() => this.#end());
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.childPid;
  }

  /**
   * Carries out the order of this name, once what it has started before has ended.
   *
   * @param plan makes the order the first time; later it is that one, whatever has changed on the host since
   * @param sockets how many connections with this process it has, at the descriptors from 4 on: none, or one
   * @throws Error when the name is a new one, and the starter is sealed; when it is gone; what `plan` throws
   */
  start(name: string, plan: () => LaunchOrder, sockets: 0 | 1 = 0): Started {
    const number = this.#numberOf(name, plan);
    const known = this.#known[number] as Known;
    const [output, messages, report] = [makePipe(), makePipe(), makePipe()];
    const [own, other] = sockets === 1 ? makeSocketPair() : [];
    const { promise: exited, resolve } = Promise.withResolvers<Exit>();
    const given = [
      output.writeEnd,
      messages.writeEnd,
      report.writeEnd,
      ...(other === undefined ? [] : [other]),
    ];
    let state: "waiting" | "begun" | "over" = "waiting";
    const end = (exit: Exit) => {
      state = "over";
      if (known.end === end) known.end = undefined;
      resolve(exit);
    };
    const begin = () => {
      if (state === "over" || !this.#send(Verb.start, number, given)) end(KILLED);
      else {
        state = "begun";
        known.end = end;
      }
      for (const fd of given) closeSync(fd);
    };
    const before = known.idle;
    known.idle = exited;
    void exited.then(() => {
      if (known.idle === exited) known.idle = undefined;
    });
    if (before === undefined) begin();
    else void before.then(begin);
    const reported = new ReportedProgram(report.readEnd, this.pid);
    return {
      get pid() {
        return reported.pid;
      },
      childPid: this.pid,
      subjects: known.order.subjects,
      program: reported.pidOnce,
      exited,
      output: readAndClose(output.readEnd),
      messages: streamOf(messages.readEnd),
      sockets: own === undefined ? [] : [own],
      kill: () => {
        // One that waits for the end of another is never begun.
        if (state === "begun") this.#send(Verb.kill, number);
        else if (state === "waiting") state = "over";
      },
    };
  }

  /** Teaches it an order that is carried out later. @throws Error as `start` */
  learn(name: string, plan: () => LaunchOrder): void {
    this.#numberOf(name, plan);
  }

  /** From now on it starts only what it knows. */
  seal(): void {
    this.#sealed = true;
    this.#send(Verb.seal, 0);
  }

  /** Ends it, and what it has started. */
  close(): void {
    if (!this.#gone) this.#child.kill();
  }

  /** Teaches it the order where it does not know it. */
  #numberOf(name: string, plan: () => LaunchOrder): number {
    const found = this.#known.findIndex((known) => known.name === name);
    if (found !== -1) return found;
    if (this.#sealed)
      throw new Error("this machine's process may only have started what its starter has learned before");
    const order = plan();
    // Without the length in front, which the launcher wants on its standard input.
    const steps = order.bytes.subarray(4);
    this.#send(Verb.learn, steps.length);
    sendWithDescriptors(this.#control, steps);
    return this.#known.push({ name, order, idle: undefined, end: undefined }) - 1;
  }

  /** @returns false when it is gone */
  #send(verb: number, number: number, descriptors: readonly number[] = []): boolean {
    if (this.#gone) return false;
    try {
      sendWithDescriptors(this.#control, Buffer.concat([u32(verb), u32(number)]), descriptors);
      return true;
    } catch {
      return false;
    }
  }

  /** Replies may come in pieces. */
  #hear(): void {
    let rest = Buffer.alloc(0);
    const end = () => this.#end();
    const data = (_socket: unknown, chunk: Uint8Array) => {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= REPLY; rest = rest.subarray(REPLY))
        this.#known[rest.readUInt32LE(0)]?.end?.(exitOf(rest.readInt32LE(4)));
    };
    const options = { fd: this.#control, socket: { data, end, close: end, error: end } };
    // The types know hosts and paths only.
    Bun.connect(options as unknown as Parameters<typeof Bun.connect>[0]).catch(end);
  }

  #end(): void {
    this.#gone = true;
    for (const { end } of this.#known) end?.(KILLED);
  }
}

/** As wait(2) tells it. */
function exitOf(status: number): Exit {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: null };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return { code: null, signal: name ?? `signal ${signal}` };
}

const streamOf = (fd: number) => new Response(readAndClose(fd)).body as ReadableStream<Uint8Array>;
