import type { ExecEvent, ExecResult } from "../../protocol/index.ts";
import { oneLine } from "../../values/index.ts";
import { writeFully } from "./output.ts";

/** A guest can cause as many as it likes. */
const MAX_NOTES = 100;

/** What a machine's user is told beside the output of its process: lines on stderr, each at most once. */
export class GuestNotes {
  readonly #memoryMib: number | undefined;
  readonly #held: boolean;
  readonly #said = new Set<string>();
  #waiting: string[] = [];
  #written: Promise<unknown> = Promise.resolve();

  /**
   * @param memoryMib memory of the machine, where it is known
   * @param held nothing is written before `flush`: a terminal shows the process's screen until then
   */
  constructor(memoryMib: number | undefined, held: boolean) {
    this.#memoryMib = memoryMib;
    this.#held = held;
  }

  event(event: ExecEvent): void {
    if (event.type === "out_of_memory") {
      const has = this.#memoryMib === undefined ? "" : `; it has ${this.#memoryMib} MiB`;
      const what = "the machine ran out of memory, and its kernel killed a process";
      this.#say(`${what}${has}, \`--mem\` gives it more`);
    } else if (event.type === "ssh_agent" && this.#said.size < MAX_NOTES) {
      this.#say(`the machine asked your SSH agent: ${oneLine(event.text)}`);
    }
  }

  /** The process has ended. */
  end(result: ExecResult): void {
    if (!("halted" in result)) return;
    this.#say(
      result.halted === "poweroff" ? "the machine powered off" : "the machine asked for a restart, and ended",
    );
  }

  /** Resolves when everything is written; a stderr that nobody reads is no failure. */
  async flush(): Promise<void> {
    this.#write();
    await this.#written;
  }

  #say(text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    this.#waiting.push(text);
    if (!this.#held) this.#write();
  }

  #write(): void {
    const lines = this.#waiting.map((text) => `note: ${text}\n`).join("");
    this.#waiting = [];
    if (lines === "") return;
    this.#written = this.#written.then(() => writeFully(2, Buffer.from(lines))).catch(() => {});
  }
}
