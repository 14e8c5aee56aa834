import type { Paths } from "../config/paths.ts";
import {
  type HostLayers,
  type LayerReport,
  type ProcessReport,
  reportLayers,
  reportProcesses,
} from "../confine/index.ts";
import { tryLayers } from "../confine/layers.ts";
import { messageOf, SmolError } from "../errors.ts";
import { type DirectoryReport, describeDirectory, describeHost, type HostReport } from "./doctor/host.ts";
import { tryGpu } from "./gpu/index.ts";
import { tryEngine } from "./probe/index.ts";
import { type EngineName, engineNames, type Verdict } from "./types.ts";

export interface DoctorOptions {
  readonly paths: Paths;
  /** As `ChooseOptions.libkrun`. */
  readonly libkrun?: (() => Promise<string>) | undefined;
  /** The machines' kernel; undefined when it cannot be had. */
  readonly kernel?: string | undefined;
  /** The launcher's file; undefined where this build has none. */
  readonly launcher?: string | undefined;
  /** Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** What `smolvm doctor` knows; printed as it is by --json, so names and types stay. */
export interface DoctorReport {
  readonly host: HostReport;
  readonly directories: Readonly<Record<keyof Paths, DirectoryReport>>;
  /** In the order of preference. */
  readonly engines: readonly EngineReport[];
  /** What confines the process of a machine's VM on this host. */
  readonly confinement: readonly LayerReport[];
  /** What confines the other processes of a machine. */
  readonly processes: readonly ProcessReport[];
  /** The engine that a command would use; null when none works. */
  readonly chosen: EngineName | null;
  /** Whether everything that a machine needs is there. */
  readonly ok: boolean;
}

export interface EngineReport {
  readonly name: EngineName;
  readonly works: boolean;
  readonly reason: string;
  /** What to do about it: a command or a sentence; null when nothing need or can be done. */
  readonly fix: string | null;
  readonly details: Verdict["details"];
  /** Whether its machines can have a GPU; null when the engine does not work. */
  readonly gpu: GpuReport | null;
}

export interface GpuReport {
  readonly works: boolean;
  /** One line: which one, or why not. */
  readonly reason: string;
  readonly fix: string | null;
}

/** Looks at this host anew, kept verdicts or not, and changes nothing. */
export async function collectDoctorReport(options: DoctorOptions): Promise<DoctorReport> {
  const { paths, libkrun, env = process.env } = options;
  const engines = await Promise.all(
    engineNames.map(async (engine): Promise<EngineReport> => {
      const hasLibkrun = libkrun !== undefined;
      const verdict = await tryEngine(engine, { env, hasLibkrun, cacheDir: paths.cache });
      const { works, reason, fix = null, details } = verdict;
      return { name: engine, works, reason, fix, details, gpu: works ? await gpuOf(engine, options) : null };
    }),
  );
  const directories = {
    data: describeDirectory(paths.data),
    cache: describeDirectory(paths.cache),
    config: describeDirectory(paths.config),
    runtime: describeDirectory(paths.runtime),
  };
  const chosen = engines.find(({ works }) => works)?.name ?? null;
  // Nothing is ever written to the configuration's directory.
  const usable = [directories.data, directories.cache, directories.runtime].every(({ writable }) => writable);
  const planned = { mode: "auto", host: await layersOf(options) } as const;
  return {
    host: describeHost(),
    directories,
    engines,
    confinement: reportLayers(planned),
    processes: reportProcesses(planned),
    chosen,
    ok: chosen !== null && usable,
  };
}

async function gpuOf(engine: EngineName, options: DoctorOptions): Promise<GpuReport> {
  const { kernel, env = process.env } = options;
  if (kernel === undefined)
    return { works: false, reason: "the machines' kernel cannot be unpacked", fix: null };
  try {
    const libkrun = engine === "krun" ? await options.libkrun?.() : undefined;
    const verdict = await tryGpu(engine, { env, kernel, libkrun });
    if (!verdict.works) return { works: false, reason: verdict.reason, fix: verdict.fix ?? null };
    return { works: true, reason: verdict.renderNode ?? "a card without a GPU (SMOLVM_GPU=2d)", fix: null };
  } catch (error) {
    return {
      works: false,
      reason: messageOf(error),
      fix: (error instanceof SmolError && error.hint) || null,
    };
  }
}

async function layersOf({ launcher }: DoctorOptions): Promise<HostLayers | null> {
  return launcher === undefined ? null : await tryLayers(launcher);
}
