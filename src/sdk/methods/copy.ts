/** Files into and out of machines: from and to paths of the host, or as bytes of the client's. */
import { LimitedCopy } from "../../copy/index.ts";
import { connectMachine, copyFromMachine, copyToMachine, type Machine } from "../../machine/index.ts";
import { Channel } from "../../protocol/index.ts";
import type { Asked } from "../child.ts";
import { checked, copyParams } from "../params.ts";

/** Events between two of which so much time lies, in milliseconds. */
const PAUSE_MS = 100;

/** Tells of a copy now and then. */
class Watch extends LimitedCopy {
  #told = Date.now();
  readonly #tell: (event: unknown) => void;

  constructor({ stream, signal }: Asked, maxBytes = Number.POSITIVE_INFINITY) {
    super(maxBytes, signal);
    this.#tell = (event) => stream.event(event);
  }

  override get bytes(): number {
    return super.bytes;
  }

  override set bytes(bytes: number) {
    super.bytes = bytes;
    const now = Date.now();
    if (now - this.#told < PAUSE_MS) return;
    this.#told = now;
    this.#tell({ type: "transfer", bytes, total: this.total });
  }
}

export async function copyIn(asked: Asked): Promise<unknown> {
  const { name, path, hostPath, mode, parents, maxBytes } = checked(copyParams, asked.params);
  return await copying(asked, name, maxBytes, async (machine, common) => {
    const source = hostPath ?? { content: asked.stream.read(Channel.stdin) };
    await copyToMachine(machine, { ...common, source, path, overrides: { mode }, parents });
  });
}

export async function copyOut(asked: Asked): Promise<unknown> {
  const { name, path, hostPath, maxBytes } = checked(copyParams, asked.params);
  const { stream } = asked;
  return await copying(asked, name, maxBytes, async (machine, common) => {
    const answer = {
      begin: () => {},
      write: (bytes: Uint8Array) => stream.write(Channel.stdout, bytes),
    };
    await copyFromMachine(machine, { ...common, path, target: hostPath ?? answer });
    stream.end(Channel.stdout);
  });
}

async function copying(
  asked: Asked,
  name: string,
  maxBytes: number | undefined,
  copy: (machine: Machine, common: ReturnType<typeof commonOf>) => Promise<void>,
): Promise<unknown> {
  const progress = new Watch(asked, maxBytes);
  const machine = await connectMachine(asked.serving.context, name);
  try {
    await copy(machine, commonOf(asked, progress));
    return { bytes: progress.bytes, files: progress.files };
  } finally {
    machine.close();
  }
}

const commonOf = ({ serving }: Asked, progress: Watch) => ({
  ...{ archive: false, follow: true, progress },
  signal: progress.signal,
  onNote: serving.context.note,
});
