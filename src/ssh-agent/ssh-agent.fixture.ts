/** For tests: the real `ssh-agent`, with keys, and pipes to Unix sockets. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { type LendOptions, lendAgent, type Pipe } from "./broker.ts";

/** Over a connected socket; reading is what lets the other side go on. */
export function pipeOver(socket: Socket): Pipe {
  return {
    async *read() {
      for await (const chunk of socket) yield chunk as Uint8Array;
    },
    write: (bytes) =>
      new Promise<void>((resolve) => {
        if (socket.destroyed) resolve();
        else socket.write(bytes, () => resolve());
      }),
    close: () => socket.destroy(),
  };
}

export function connectPipe(path: string): Promise<Pipe> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(pipeOver(socket)));
    socket.once("error", reject);
  });
}

/** A side that says what `answer` makes of each thing that is written to it. */
export function answering(answer: (written: Uint8Array) => Uint8Array): Pipe {
  const queue: Uint8Array[] = [];
  let wake = () => {};
  let closed = false;
  return {
    async *read() {
      for (;;) {
        yield* queue.splice(0);
        if (closed) return;
        if (queue.length > 0) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    write: async (bytes) => {
      queue.push(answer(bytes));
      wake();
    },
    close: () => {
      closed = true;
      wake();
    },
  };
}

/** OpenSSH's agent with two keys, and a directory for what tests make. */
export class RealAgent {
  readonly directory = mkdtempSync(`${tmpdir()}/smolvm-agent-`);
  readonly socket = `${this.directory}/agent`;
  readonly #process = Bun.spawn(["ssh-agent", "-D", "-a", this.socket], {
    stdout: "pipe",
    stderr: "inherit",
  });

  async start(): Promise<void> {
    // Its first line comes when it listens.
    for await (const _ of this.#process.stdout) break;
    for (const [name, type] of [
      ["one", "ed25519"],
      ["two", "ecdsa"],
    ] as const) {
      this.run(["ssh-keygen", "-q", "-t", type, "-N", "", "-C", `comment of ${name}`, "-f", this.file(name)]);
      this.run(["ssh-add", "-q", this.file(name)]);
    }
  }

  file(name: string): string {
    return `${this.directory}/${name}`;
  }

  /** As `ssh-add -l` prints it. */
  fingerprint(name: string): string {
    return this.run(["ssh-keygen", "-lf", `${this.file(name)}.pub`]).split(" ")[1] as string;
  }

  /** The key as the agent protocol carries it. */
  blob(name: string): Uint8Array {
    return Buffer.from(readFileSync(`${this.file(name)}.pub`, "utf8").split(" ")[1] as string, "base64");
  }

  /** Runs a program that finds the agent, or another one, to its end: what it prints. */
  run(command: readonly string[], socket = this.socket): string {
    const { output, exitCode, errors } = this.tryRun(command, socket);
    if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${exitCode}: ${output}${errors}`);
    return output;
  }

  tryRun(command: readonly string[], socket = this.socket) {
    const { stdout, stderr, exitCode } = Bun.spawnSync([...command], {
      env: { PATH: process.env.PATH ?? "", SSH_AUTH_SOCK: socket, HOME: this.directory },
      stdin: "ignore",
    });
    return { output: `${stdout}`, errors: `${stderr}`, exitCode };
  }

  /** The same for what would block this process, which serves it. */
  async runBeside(command: readonly string[], socket: string) {
    const child = Bun.spawn([...command], {
      env: { PATH: process.env.PATH ?? "", SSH_AUTH_SOCK: socket, HOME: this.directory },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { output, errors, exitCode: await child.exited };
  }

  /** A socket behind which this agent is lent. */
  async lend(name: string, options: Partial<LendOptions> = {}): Promise<{ path: string; close(): void }> {
    const path = this.file(name);
    const server = createServer((socket) => {
      void lendAgent({ client: pipeOver(socket), connect: () => connectPipe(this.socket), ...options });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return { path, close: () => server.close() };
  }

  async stop(): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
