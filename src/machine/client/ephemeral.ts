import type { ConfineMode, Confinement } from "../../confine/index.ts";
import type { Context } from "../../context.ts";
import type { ExecRequest } from "../../protocol/index.ts";
import { checkMachineName, type MachineSpec, newRecord } from "../model/index.ts";
import {
  type ImageOptions,
  requireArguments,
  requireCommand,
  resolveImage,
  type StartReport,
} from "../plan/index.ts";
import { removeLeftover } from "../store/index.ts";
import { settleVolumes } from "../volumes/index.ts";
import { MachineProcess, reportOf, type StartListener } from "./machine-process.ts";
import { namingHolder } from "./port-conflict.ts";
import { Process } from "./process.ts";
import { makeStartOrder, planHostPart } from "./start-order.ts";
import { makeTemplateFor } from "./template.ts";

/** The parts of a start that come before the VM's. */
export type StartPhase = "probe" | "image";

export interface EphemeralOptions extends ImageOptions, StartListener {
  /** Whether the command gets standard input, and a terminal of this size. */
  readonly interactive: boolean;
  readonly tty?: ExecRequest["tty"];
  /** How its VM's process is confined; default: by all that the host has. */
  readonly confine?: ConfineMode | undefined;
  /** It is known how. */
  readonly onConfined?: ((confinement: Confinement) => void) | undefined;
  /** A part of the start is over. */
  readonly onPhase?: ((phase: StartPhase) => void) | undefined;
  /** Everything is ready to start the machine; awaited. */
  readonly onStart?: (() => Promise<void>) | undefined;
}

/** A machine that lives for one command, as long as this process wants, and leaves nothing behind. */
export class EphemeralMachine {
  /** The command, once the machine has been asked for it: before it is known whether the machine starts. */
  readonly command: Promise<Process>;
  /** Resolves when the machine runs. @throws SmolError what kept it from doing so */
  readonly started: Promise<StartReport>;
  readonly #context: Context;
  readonly #name: string;
  readonly #process: MachineProcess;

  /**
   * @throws SmolError for what cannot work whatever the image says: `run.no_command`, `exec.not_found`,
   * `machine.bad_name`
   */
  constructor(context: Context, spec: MachineSpec, options: EphemeralOptions) {
    requireCommand(spec, isSession(options));
    this.#name = checkMachineName(spec.name);
    this.#context = context;
    // Before anything is known about image and engine: its start-up runs beside that.
    this.#process = new MachineProcess();
    const asked = this.#ask(spec, options);
    this.command = asked.then(({ command }) => command);
    this.started = asked.then(({ report }) => report);
    this.command.catch(() => {});
    this.started.catch(() => {});
  }

  /** Ends the machine and waits until nothing of it is left. */
  async end(): Promise<void> {
    await this.#process.end();
    // Normally there is nothing left to do; the machine's process may have been killed, though.
    removeLeftover(this.#context.paths, this.#name);
  }

  async #ask(
    asked: MachineSpec,
    options: EphemeralOptions,
  ): Promise<{ command: Process; report: Promise<StartReport> }> {
    const context = this.#context;
    const spec = settleVolumes(asked);
    const host = await planHostPart(context, spec);
    options.onPhase?.("probe");
    const image = await resolveImage(context, spec.image, {
      ...options,
      checkConfig: (config) => void requireArguments(spec, isSession(options), config),
    });
    // Here too: an image of the cache is not asked above.
    requireArguments(spec, isSession(options), image.facts);
    const record = newRecord({ ...spec, imageId: image.facts.id }, Date.now());
    const terminal = options.tty !== undefined;
    const order = await makeStartOrder(context, record, image, host, { confine: options.confine, terminal });
    options.onConfined?.(order.confinement);
    options.onPhase?.("image");
    await options.onStart?.();
    const stream = await this.#process.start(order);
    // Right behind it: no round trip lies between the start and the command.
    const { tty, interactive: stdin } = options;
    const command = new Process(await this.#process.exec({ argv: [], tty, stdin }));
    const report = reportOf(stream, options).then(
      (report) => {
        makeTemplateFor(order, report);
        return report;
      },
      (error) => {
        throw namingHolder(context, this.#name, spec.ports, error);
      },
    );
    return { command, report };
  }
}

const isSession = ({ interactive, tty }: Pick<EphemeralOptions, "interactive" | "tty">): boolean =>
  interactive || tty !== undefined;
