import { fstatSync, statSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { complain } from "../output.ts";
import { readStdin } from "./input.ts";

/** Longest answer that is looked at, in bytes. */
const MAX_ANSWER_BYTES = 1000;

/** Questions on stderr, and a line of stdin for each answer. */
export class Questions {
  readonly #input = readStdin();
  #unread = "";

  /**
   * @param instead what to do where nobody can answer
   * @returns whether the answer is yes; whatever else is said is no, the end of stdin too
   * @throws SmolError `cli.no_answer` when stdin is /dev/null or closed: nothing was asked
   */
  async confirm(question: string, instead: string): Promise<boolean> {
    const input = inputKind();
    if (input === "nobody") {
      throw new SmolError("cli.no_answer", `Cancelled, as nobody can answer: ${question} [y/N]`, {
        hint: instead,
      });
    }
    process.stderr.write(`${question} [y/N] `);
    const answer = await this.#line();
    // Whoever types ends the line of the question.
    if (answer === undefined || input !== "terminal") complain("");
    return /^\s*y(es)?\s*$/i.test(answer ?? "");
  }

  /** Undefined at the end of stdin. */
  async #line(): Promise<string | undefined> {
    while (!this.#unread.includes("\n") && this.#unread.length <= MAX_ANSWER_BYTES) {
      const part = await this.#input.next();
      if (part.done) break;
      this.#unread += Buffer.from(part.value).toString();
    }
    if (this.#unread === "") return undefined;
    const [line = ""] = this.#unread.split("\n", 1);
    this.#unread = this.#unread.slice(line.length + 1);
    return line;
  }
}

function inputKind(): "nobody" | "terminal" | "other" {
  try {
    const stat = fstatSync(0);
    if (!stat.isCharacterDevice()) return "other";
    return stat.rdev === statSync("/dev/null").rdev ? "nobody" : "terminal";
  } catch {
    return "nobody";
  }
}
