/** A machine that goes on where a template has stopped, and one that boots when that does not work. */
import { randomBytes } from "node:crypto";
import { buildId } from "../../../assets/index.ts";
import { isDebugging } from "../../../debug.ts";
import type { Engine, Restore, RunningVm, Templates, VmSpec } from "../../../engine/index.ts";
import { messageOf, SmolError } from "../../../errors.ts";
import type { StartOrder } from "../../plan/index.ts";
import { decideStart, noTemplate, type Template, TemplateStore, templateName } from "../../template/index.ts";
import type { Boot } from "../boot.ts";

/**
 * How long a restored guest may take to its agent's hello. It takes a fraction of a second; only a processor that many
 * others have for themselves makes it longer, and then the VM boots.
 */
export const RESTORE_LIMIT_MS = 30_000;

/** As much as the kernel's pool takes in, twice. */
export const ENTROPY_BYTES = 64;

/** What a VM goes on from, and what becomes of that when it cannot. */
export interface FoundTemplate {
  readonly from: Restore;
  /** The engine's way there. */
  readonly templates: Templates;
  /** Where one is required: nothing takes its place. */
  readonly required: boolean;
  readonly forget: (reason: string) => void;
}

/** How a VM starts: from a template, or by booting, and then perhaps for a template of that name to be made. */
export type StartWay =
  | { readonly found: FoundTemplate }
  | { readonly found?: undefined; readonly make: string | undefined };

/**
 * @param first whether this is the first VM of this machine's process: a later one boots, as its starter knows it
 * @throws SmolError `engine.no_template` where one is required
 */
export function chooseWay(order: StartOrder, spec: VmSpec, engine: Engine, first: boolean): StartWay {
  const { paths, files, templates: mode = "off" } = order;
  if (mode === "off" || !first) return { make: undefined };
  const { memory: library } = files;
  const { templates } = engine;
  const shape = library === undefined ? undefined : templates?.shapeOf(spec);
  const store = new TemplateStore(paths.cache);
  const name = templateName(shape ?? "", buildId());
  const template = shape === undefined ? undefined : store.find(name);
  const way = decideStart({
    mode,
    never: shape === undefined ? `${engine.name} boots such a machine` : undefined,
    found: template !== undefined,
    failure: store.failure(name),
  });
  if (way !== "restore" || template === undefined || library === undefined || templates === undefined)
    return { make: way === "make" ? name : undefined };
  return {
    found: {
      from: { ...template, library },
      templates,
      required: mode === "require",
      forget: (reason) => forget(store, name, template, reason),
    },
  };
}

/** One that somebody has removed at this very moment was no bad one. */
function forget(store: TemplateStore, name: string, template: Template, reason: string): void {
  if (isDebugging()) console.error(`smolvm: no start from the template: ${reason}`);
  if (store.isThere(template)) store.noteFailure(name, reason);
  store.remove(name);
}

/**
 * A VM that goes on from a template. When that fails in whatever way, the template is forgotten and the VM boots: nobody
 * hears of it but who debugs. What the guest is asked for waits until it is known which of the two it is.
 */
export function restoreOrBoot(found: FoundTemplate, restore: () => Boot, boot: () => Boot): Boot {
  const { required, forget } = found;
  let restored: Boot;
  try {
    restored = restore();
  } catch (error) {
    forget(messageOf(error));
    if (required) throw noTemplate(messageOf(error));
    return boot();
  }
  let current = restored;
  let killed = false;
  const settled = awaken(restored).then(
    () => restored,
    async (error) => {
      const exit = await restored.vm.exited;
      if (killed) throw error;
      const reason = exit.error?.message ?? messageOf(error);
      forget(reason);
      if (required) throw noTemplate(reason);
      current = boot();
      return current;
    },
  );
  const guest = settled.then((one) => one.guest);
  const ready = settled.then((one) => one.ready);
  for (const promise of [guest, ready]) promise.catch(() => {});
  const vm: RunningVm = {
    get pid() {
      return current.vm.pid;
    },
    exited: settled.then(
      (one) => one.vm.exited,
      () => current.vm.exited,
    ),
    kill() {
      killed = true;
      current.vm.kill();
    },
  };
  return { vm, guest, ready };
}

/** Before anything else a guest gets random numbers that no other one has. */
async function awaken({ guest, ready, vm }: Boot): Promise<void> {
  try {
    const entropy = (await guest).entropy(randomBytes(ENTROPY_BYTES));
    await Promise.race([entropy, vm.exited.then(ended)]);
    await ready;
  } catch (error) {
    vm.kill();
    throw error;
  }
}

function ended(): never {
  throw new SmolError("engine.template_failed", "the VM ended when it went on from the template");
}
