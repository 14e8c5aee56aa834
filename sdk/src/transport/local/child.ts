/** The child that manages this program's machines: `smolvm __sdk`. */
import { type ChildProcess, spawn } from "node:child_process";
import { PipeTransport } from "../../../../src/protocol/pipe-transport.ts";
import { errorOf, type SmolvmError } from "../../errors.ts";
import { Link } from "./link.ts";

/** Of what the child says on stderr, so much is kept for error messages, in bytes. */
const KEPT_WORDS = 4096;

export class Child {
  readonly link: Link;
  /** Resolves when the child has ended, and with it what it owned. */
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  #words = "";

  /** @throws SmolvmError `sdk.child_failed` later, from whatever is asked of it */
  constructor(program: string) {
    const child = spawn(program, ["__sdk"], { stdio: ["pipe", "pipe", "pipe"], windowsHide: true });
    this.#process = child;
    this.exited = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const { stdin, stdout, stderr } = child;
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#words = (this.#words + text).slice(-KEPT_WORDS);
    });
    this.link = new Link(new PipeTransport(stdout, stdin), [child, stdin, stdout, stderr] as never, (cause) =>
      this.#failed(cause),
    );
    child.once("error", () => this.link.close());
  }

  #failed(cause: unknown): SmolvmError {
    const words = this.#words.trim();
    return errorOf({
      code: "sdk.child_failed",
      message: `the program that manages machines has ended${words === "" ? "" : `: ${words}`}`,
      cause,
    });
  }

  /** Ends it, with all machines that it owns. */
  async close(): Promise<void> {
    this.#process.ref();
    this.link.close();
    await this.exited;
  }
}
