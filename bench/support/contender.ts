import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { measureCommand } from "./measure.ts";

/** One build of smolvm with a home and a cache of its own, so that two builds never meet. */
export class Contender {
  readonly #home = mkdtempSync("/tmp/sv-");
  readonly env: Record<string, string>;

  constructor(
    readonly name: string,
    readonly program: string,
    engine: "qemu" | "krun",
    variables: Readonly<Record<string, string>> = {},
  ) {
    this.env = {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      HOME: this.#home,
      XDG_DATA_HOME: `${this.#home}/data`,
      XDG_CACHE_HOME: `${this.#home}/cache`,
      XDG_RUNTIME_DIR: `${this.#home}/run`,
      TMPDIR: this.#home,
      SMOLVM_ENGINE: engine,
      // Unless it is what is measured: a maker would take the processor from others.
      SMOLVM_TEMPLATES: "off",
      ...variables,
    };
    mkdirSync(this.env.XDG_RUNTIME_DIR ?? "", { mode: 0o700 });
  }

  /** Runs `smolvm machine WORDS…` to its end. */
  measure(words: readonly string[], seconds = 120) {
    return measureCommand([this.program, "machine", ...words], { env: this.env, seconds });
  }

  /** Starts `smolvm machine WORDS…`. */
  start(words: readonly string[], stdin: "ignore" | Blob = "ignore") {
    return Bun.spawn([this.program, "machine", ...words], {
      env: this.env,
      cwd: this.#home,
      stdin,
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Starts a machine that runs until the returned function is called; resolves when its command runs. */
  async machine(name: string, options: readonly string[] = []): Promise<() => Promise<void>> {
    const script = "echo ready; exec sleep 100000";
    const child = this.start(["run", "--name", name, ...options, "--", "sh", "-c", script]);
    const end = async () => {
      child.kill("SIGTERM");
      await child.exited;
    };
    await firstLine(child, name);
    return end;
  }

  /** Makes and starts a machine that lasts, until the returned function is called; resolves when it is ready. */
  async lastingMachine(name: string, options: readonly string[] = []): Promise<() => Promise<void>> {
    await this.#succeed(["create", "--name", name, ...options]);
    const end = async () => {
      await this.measure(["delete", "--name", name, "-f"]);
    };
    try {
      await this.#succeed(["start", "--name", name]);
      return end;
    } catch (error) {
      await end();
      throw error;
    }
  }

  async #succeed(words: readonly string[]): Promise<void> {
    const child = this.start(words);
    const complaint = new Response(child.stderr).text();
    if ((await child.exited) !== 0) throw new Error(`${words.join(" ")}: ${await complaint}`);
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** Waits for the first bytes of a process. @throws Error with what it complained about when there are none */
async function firstLine(child: ReturnType<Contender["start"]>, name: string): Promise<void> {
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  reader.releaseLock();
  if (done) throw new Error(`${name} did not start: ${await new Response(child.stderr).text()}`);
}
