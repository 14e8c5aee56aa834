import { afterAll, beforeAll } from "bun:test";
import { Machines } from "../machines.ts";
import { slowness } from "../program.ts";

/**
 * Machines whose host is a network namespace with an internet of its own: servers.ts has its servers. Needs no more than
 * what every user may do (unshare -rn) and mounts nothing.
 */
export class Outside extends Machines {
  #servers: Bun.Subprocess<"ignore", "pipe", "inherit"> | undefined;
  /** Names that servers were asked for: `asked` ours, `leaked` somebody else's. */
  readonly questions: string[] = [];

  async open(): Promise<void> {
    const words = process.getuid?.() === 0 ? ["unshare", "-n"] : ["unshare", "-rn"];
    const servers = Bun.spawn([...words, process.execPath, `${import.meta.dir}/servers.ts`], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#servers = servers;
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    void servers.exited.then((code) => reject(new Error(`the servers have ended: ${code}`)));
    void (async () => {
      let rest = "";
      for await (const chunk of servers.stdout.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines)
          if (line === "ready") resolve();
          else this.questions.push(line);
      }
    })();
    await ready;
  }

  protected override starter(): readonly string[] {
    return [...this.inside(), ...super.starter()];
  }

  /** A program of the host's in the namespace. */
  async host(...words: string[]): Promise<string> {
    const child = Bun.spawn([...this.inside(), ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = await new Response(child.stdout).text();
    return (await child.exited) === 0 ? output : `${output}exit ${child.exitCode}`;
  }

  /** What starts a program in the namespace: its words come before the program's. */
  inside(): readonly string[] {
    const target = ["nsenter", "-t", String(this.#servers?.pid), "-n"];
    return process.getuid?.() === 0 ? target : [...target, "-U", "--preserve-credentials"];
  }

  close(): void {
    this.#servers?.kill();
  }
}

/** For the tests of a file. */
export function useOutside(): Outside {
  const outside = new Outside();
  beforeAll(() => outside.open());
  afterAll(
    async () => {
      try {
        await outside.deleteAll();
        await outside.expectNothingLeft();
      } finally {
        outside.remove();
        outside.close();
      }
    },
    { timeout: 60_000 * slowness },
  );
  return outside;
}
