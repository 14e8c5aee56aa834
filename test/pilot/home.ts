import { mkdirSync, symlinkSync } from "node:fs";
import { resolvePaths } from "../../src/config/paths.ts";
import { Machines } from "../support/machines.ts";
import { program, sharedCache } from "../support/program.ts";
import { type Call, call, type Envelope, PASSED_ON } from "./adapter.ts";

/** A user whose machines are asked for through an adapter: of the environment, little more than HOME is left. */
export class PilotHome extends Machines {
  constructor() {
    super();
    for (const key of Object.keys(this.env))
      if (!PASSED_ON.some((passed) => passed === key)) delete this.env[key];
    this.env.LANG = "C.UTF-8";
    symlinkSync(sharedCache(), `${this.env.HOME}/.cache`);
  }

  /** What the caller of the adapter gets. */
  async call(args: readonly string[], options: Omit<Call, "args"> = {}): Promise<unknown> {
    return await call({ program, env: this.env, cwd: this.path }, { args, ...options });
  }

  /** The same for what prints no JSON. */
  async wrapped(args: readonly string[], options: Omit<Call, "args"> = {}): Promise<Envelope> {
    const answer = await this.call(args, options);
    if (typeof answer === "object" && answer !== null && "exit" in answer && "stdout" in answer)
      return answer as Envelope;
    throw new Error(`${args.join(" ")} answered JSON: ${JSON.stringify(answer)}`);
  }

  /** Where sockets are: an adapter passes no XDG_RUNTIME_DIR on. */
  get sockets(): string {
    return resolvePaths(this.env).runtime;
  }

  /** Writes the settings file where it is looked for without a variable. */
  writeSettings(text: string): Promise<number> {
    mkdirSync(`${this.env.HOME}/.config/smolvm`, { recursive: true });
    return Bun.write(`${this.env.HOME}/.config/smolvm/config.toml`, text);
  }
}

/** The error of an answer to `--error-format json`, or `--json`. */
export function errorOf({ stderr, stdout, exit }: Envelope): {
  code: string;
  message: string;
  hint?: string;
} {
  if (exit === 0 || stdout !== "") throw new Error(`no refusal: ${exit}: ${stdout}${stderr}`);
  return JSON.parse(stderr).error;
}
