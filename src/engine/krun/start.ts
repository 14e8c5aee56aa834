import { Krun, openKrun } from "../../../ffi/krun.ts";
import { messageOf, SmolError } from "../../errors.ts";
import type { VmmOrder } from "../types.ts";

type KrunOrder = Extract<VmmOrder, { engine: "krun" }>;

/**
 * Turns this process into the VM; it ends when the guest does.
 *
 * @throws SmolError `engine.krun_failed` when libkrun refuses; it never returns otherwise
 */
export function startKrun({ libkrun, commandLine, spec }: KrunOrder): never {
  const krun = load(libkrun);
  krun.krun_init_log(2, Krun.logLevel.error, Krun.logStyleNever, Krun.logIgnoreEnvironment);
  const context = check("krun_create_ctx", krun.krun_create_ctx());
  check("krun_set_vm_config", krun.krun_set_vm_config(context, spec.cpus, spec.memoryMib));
  const format = process.arch === "x64" ? Krun.kernelFormat.elf : Krun.kernelFormat.raw;
  check("krun_set_kernel", krun.krun_set_kernel(context, text(spec.kernel), format, null, text(commandLine)));
  spec.disks.forEach(({ path, readOnly, format: diskFormat = "raw" }, index) => {
    // Without flushes the device does not offer them, and the guest does not wait for them.
    const sync = spec.ephemeral || readOnly ? Krun.sync.none : Krun.sync.full;
    const id = text(`disk${index}`);
    check(
      "krun_add_disk3",
      krun.krun_add_disk3(context, id, text(path), Krun.diskFormat[diskFormat], readOnly, false, sync),
    );
  });
  for (const { tag, path, readOnly, daxWindowMib = 0 } of spec.shares) {
    const window = BigInt(daxWindowMib) * 1024n * 1024n;
    check("krun_add_virtiofs3", krun.krun_add_virtiofs3(context, text(tag), text(path), window, readOnly));
  }
  if (spec.card !== undefined) {
    const mac = Uint8Array.from(spec.card.mac.split(":"), (part) => Number.parseInt(part, 16));
    const { netFeatures } = Krun;
    check(
      "krun_add_net_unixstream",
      krun.krun_add_net_unixstream(context, text(spec.card.socket), -1, mac, netFeatures, 0),
    );
  }
  check("krun_disable_implicit_vsock", krun.krun_disable_implicit_vsock(context));
  check("krun_add_vsock", krun.krun_add_vsock(context, Krun.noTsi));
  const listen = false; // The guest connects; libkrun forwards that to the socket on which our caller listens.
  check(
    "krun_add_vsock_port2",
    krun.krun_add_vsock_port2(context, spec.agentPort, text(spec.agentSocket), listen),
  );
  // Opened by name, which is possible because it is a pipe: the guest's console without libkrun's log in between.
  check("krun_set_console_output", krun.krun_set_console_output(context, text("/proc/self/fd/1")));
  const result = krun.krun_start_enter(context);
  throw failure("krun_start_enter", result);
}

function load(path: string): ReturnType<typeof openKrun> {
  try {
    return openKrun(path);
  } catch (error) {
    throw new SmolError("engine.krun_failed", `cannot load ${path}: ${messageOf(error)}`, {
      hint: "use --engine qemu",
    });
  }
}

function check(call: string, result: number): number {
  if (result < 0) throw failure(call, result);
  return result;
}

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
function failure(call: string, result: number): SmolError {
  const meaning = meanings[-result] ?? `error ${-result}`;
  return new SmolError("engine.krun_failed", `libkrun refused to start the VM: ${call}: ${meaning}`, {
    hint: "`smolvm doctor` checks this host; --engine qemu works without hardware virtualization",
  });
}

/** A C string; libkrun copies what it is given. */
function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}
