import { SmolError } from "../../errors.ts";

const meanings: Readonly<Record<number, string>> = {
  1: "not permitted",
  2: "no such file",
  12: "not enough memory",
  13: "permission denied",
  17: "already there",
  19: "no such device",
  22: "invalid, or the VM could not be built",
  28: "no space left",
};

/** libkrun returns a negative errno; what exactly was wrong is in its log, which is on stderr. */
export function krunFailure(call: string, errno: number): SmolError {
  const meaning = meanings[errno] ?? `error ${errno}`;
  if (call === "dlopen")
    return new SmolError("engine.krun_failed", "cannot load libkrun", { hint: "use --engine qemu" });
  return new SmolError("engine.krun_failed", `libkrun refused to start the VM: ${call}: ${meaning}`, {
    hint: "`smolvm doctor` checks this host; --engine qemu works without hardware virtualization",
  });
}
