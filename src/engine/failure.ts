/** How a VMM process tells its parent why it gave up: one line among its messages, which no guest can write. */
import { messageOf, SmolError } from "../errors.ts";

const MARK = "smolvm-vmm-failed: ";

/** The line, with its newline. */
export function formatFailure(error: unknown): string {
  const told =
    error instanceof SmolError
      ? { code: error.code, message: error.message, hint: error.hint }
      : { code: "engine.vmm_failed", message: `cannot start the VM: ${messageOf(error)}` };
  return `${MARK}${JSON.stringify(told)}\n`;
}

/** Takes the line, if there is one, out of the messages. */
export function splitFailure(messages: string): { error: SmolError | null; rest: string } {
  const lines = messages.split("\n");
  const index = lines.findIndex((line) => line.startsWith(MARK));
  if (index === -1) return { error: null, rest: messages };
  const [line = ""] = lines.splice(index, 1);
  return { error: parseFailure(line.slice(MARK.length)), rest: lines.join("\n") };
}

function parseFailure(json: string): SmolError {
  try {
    const { code, message, hint } = JSON.parse(json);
    return new SmolError(String(code), String(message), hint ? { hint: String(hint) } : {});
  } catch {
    return new SmolError("engine.vmm_failed", `cannot start the VM: ${json}`);
  }
}
