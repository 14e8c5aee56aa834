import { safeParse } from "valibot";
import { SmolError } from "../../errors.ts";
import { quote } from "../../values/index.ts";
import { parseSignal } from "../root/stop-signal.ts";
import { checkNetwork } from "./check-network.ts";
import type { Unchecked } from "./layers.ts";
import { lentProblem } from "./lent.ts";
import { MAX_MOUNTS, type MachineSpec, specSchema } from "./spec.ts";

type Field = keyof MachineSpec;

/** As users know the fields whose names say more than theirs, and what they are counted in. */
const WORDS: { readonly [K in Field]?: readonly [name: string, unit?: string] } = {
  cpus: ["cpus"],
  memoryMib: ["memory", "MiB"],
  storageGib: ["storage", "GiB"],
  overlayGib: ["overlay", "GiB"],
  ttlMs: ["ttl", "ms"],
  idleTimeoutMs: ["idle timeout", "ms"],
  stopTimeoutMs: ["stop timeout", "ms"],
  diskBps: ["disk bandwidth", "bytes a second"],
};

/**
 * Holds a description against the schema, and against what the schema cannot say: the last wall, whoever made it.
 *
 * @throws SmolError `machine.bad_setting`
 */
export function checkedSpec(spec: Unchecked): MachineSpec {
  const parsed = safeParse(specSchema, spec);
  if (!parsed.success) throw bad(explain(parsed.issues[0]));
  const checked = parsed.output;
  const { env, workdir, stopSignal, entrypoint, cmd } = checked;
  const unnamed = env.find((entry) => !/^[^=]+=/.test(entry));
  // Values may be secrets: what has no name is not shown.
  if (unnamed !== undefined) throw bad("each variable must be NAME=value");
  if (workdir !== null && !workdir.startsWith("/"))
    throw bad(`the working directory must be an absolute path in the guest, not ${quote(workdir)}`);
  if (stopSignal !== null && parseSignal(stopSignal) === undefined)
    throw bad(`there is no stop signal ${quote(stopSignal)}`);
  const words = [...(entrypoint ?? []), ...cmd, ...checked.init, ...checked.initOnce, ...env];
  if (words.some((word) => word.includes("\0"))) throw bad("no word or variable can have a NUL character");
  checkNetwork(checked);
  const lent = lentProblem(checked);
  if (lent !== undefined) throw bad(lent);
  checkMounts(checked);
  return checked;
}

function checkMounts({ volumes, tmpfs }: MachineSpec): void {
  const targets = [...volumes, ...tmpfs].map(({ target }) => target);
  if (targets.length > MAX_MOUNTS)
    throw bad(`a machine has at most ${MAX_MOUNTS} volumes and filesystems in memory, not ${targets.length}`);
  const twice = targets.find((target, index) => targets.indexOf(target) !== index);
  if (twice !== undefined) throw bad(`two volumes cannot be at the same path in the guest: ${quote(twice)}`);
  const relative = targets.find((target) => !target.startsWith("/") || target === "/");
  if (relative !== undefined)
    throw bad(`a volume's path in the guest must be absolute, and not /: ${quote(relative)}`);
}

/** The parts of valibot's issues that are looked at. */
interface Issue {
  readonly type: string;
  readonly message: string;
  readonly input: unknown;
  readonly requirement?: unknown;
  readonly path?: readonly { readonly key: unknown }[] | undefined;
}

function explain(issue: Issue): string {
  const path = issue.path?.map(({ key }) => String(key)) ?? [];
  const [name, unit] = WORDS[path[0] as Field] ?? [path.join(".")];
  const counted = (amount: unknown) => (unit === undefined ? String(amount) : `${amount} ${unit}`);
  const { requirement, input } = issue;
  if (issue.type === "min_value")
    return `${name} must be at least ${counted(requirement)} (got ${counted(input)})`;
  if (issue.type === "max_value")
    return `${name} must be at most ${counted(requirement)} (got ${counted(input)})`;
  return `${name}: ${issue.message}`;
}

function bad(message: string): SmolError {
  return new SmolError("machine.bad_setting", message);
}
