import type { Guest, GuestProcess } from "../../guest/index.ts";
import { MAIN_ROOT } from "../root/index.ts";

/**
 * Starts the process that keeps a lasting machine's PID namespace: the agent's program, which only reaps. The workload
 * and all that people start live beside it, and may end without taking the others with them.
 *
 * @param program of the system's, and its arguments
 * @param root another one than the machine's own
 */
export function holdNamespace(guest: Guest, program: readonly string[], root = MAIN_ROOT): GuestProcess {
  return guest.exec({
    root,
    argv: program,
    env: [],
    stdin: false,
    systemProgram: true,
    first: "itself",
  });
}
