/**
 * How a VMM process tells its parent why it gave up: one line among its messages. No guest can write it, but an attacker
 * who runs code in the VMM can: such a line can say that a start failed, and no more in smolvm's own words.
 */

import { architectureOf, failureLine, nameOfCall, takeFailureLine } from "../confine/index.ts";
import { messageOf, SmolError } from "../errors.ts";
import { sanitize } from "./console.ts";
import { krunFailure } from "./krun/failure.ts";

/** The line, with its newline. */
export function formatFailure(error: unknown): string {
  const told =
    error instanceof SmolError
      ? { code: error.code, message: error.message, hint: error.hint }
      : { code: "engine.vmm_failed", message: `cannot start the VM: ${messageOf(error)}` };
  return failureLine(told);
}

/**
 * Takes the line, if there is one, out of the messages; without one, what QEMU itself says of a host that is too small.
 *
 * @param subjects what each step of the launcher's order was about; empty where there is no launcher
 * @param who whose messages they are
 */
export function splitFailure(
  messages: string,
  subjects: readonly string[] = [],
  who: ConfinedProcess = "VM",
): { error: SmolError | null; rest: string } {
  const { told, rest } = takeFailureLine(messages);
  return { error: told === undefined ? noMemory(rest) : parseFailure(told, subjects, who), rest };
}

/** Whose process it is, for people. */
export type ConfinedProcess = "VM" | "file server";

/** QEMU's own words: softmmu/physmem.c, `ram_block_add`. */
function noMemory(messages: string): SmolError | null {
  if (!/cannot set up guest memory .*Cannot allocate memory/.test(messages)) return null;
  return new SmolError(
    "engine.no_memory",
    "this host does not give the VM as much memory as it was made with",
    {
      hint: "give it less with --mem; the host's limit is its memory with swap, or its setting vm.overcommit_memory",
    },
  );
}

function parseFailure(json: string, subjects: readonly string[], who: ConfinedProcess): SmolError {
  try {
    const told = JSON.parse(json, (_key, value) => (typeof value === "string" ? sanitize(value) : value));
    if (told.stage === "krun") return krunFailure(String(told.what), Number(told.errno));
    if (told.stage === "seccomp") return forbiddenCall(told, who);
    if (told.stage === "launcher") return launcherFailure(told, subjects, who);
    // The launcher and what it becomes have no words of their own.
    if (subjects.length > 0) throw new Error("not of the launcher, the warden or krun.c");
    const { code, message, hint } = told;
    return new SmolError(String(code), String(message), hint ? { hint: String(hint) } : {});
  } catch {
    return new SmolError("engine.vmm_failed", `cannot start the VM: ${json}`);
  }
}

const errnoNames: Readonly<Record<number, string>> = {
  1: "not permitted",
  2: "no such file",
  8: "not a program of this system",
  11: "too many processes",
  12: "not enough memory",
  13: "permission denied",
  22: "invalid",
  28: "no space or namespaces left",
  38: "this kernel cannot do it",
  111: "connection refused",
};

/** What the launcher says of a step that it could not take: launcher/main.c. */
function launcherFailure(
  { what, step, errno }: { what?: unknown; step?: unknown; errno?: unknown },
  subjects: readonly string[],
  who: ConfinedProcess,
): SmolError {
  const meaning = errnoNames[Number(errno)] ?? `errno ${Number(errno)}`;
  const subject = subjects[Number(step)];
  const about = subject === undefined ? "" : ` (${subject})`;
  if (what === "execve" || what === "fork")
    return new SmolError("engine.vmm_failed", `cannot start the ${who}${about}: ${meaning}`);
  return new SmolError(
    "confine.failed",
    `cannot confine the ${who}'s process: ${String(what)}${about}: ${meaning}`,
    {
      hint: "`smolvm doctor` says what this host has; --confine off starts without",
    },
  );
}

/** What the warden says: launcher/warden.c. */
function forbiddenCall(
  told: { syscall?: unknown; argument?: unknown; second?: unknown },
  who: ConfinedProcess,
): SmolError {
  const name = nameOfCall(Number(told.syscall), architectureOf() ?? "x64");
  return new SmolError(
    "confine.forbidden_call",
    `the ${who}'s process made a system call that is forbidden to it, and was ended: ${name}(0x${told.argument}, 0x${told.second}, …)`,
    {
      hint: "if you trust the guest this is a gap in smolvm's list: please report this line with `smolvm doctor --json`; --confine off starts without the list",
    },
  );
}
