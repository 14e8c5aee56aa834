import type { DoctorReport, EngineReport } from "../../engine/index.ts";
import type { TemplatesReport } from "../../machine/template/index.ts";
import { version } from "../../version.ts";
import { formatBytes } from "../format/bytes.ts";
import { oneLine } from "../output.ts";

/** Name and value of one line. */
type Fact = readonly [name: string, value: string];

/** What `smolvm doctor` knows: of the host, and of what is kept on it. */
export interface FullReport extends DoctorReport {
  readonly templates: TemplatesReport;
}

/** The report for people, with its final newline: the host, each engine, each directory, and what follows. */
export function formatReport(report: FullReport): string {
  const sections = [
    hostFacts(report),
    ...report.engines.map(engineFacts),
    confinementFacts(report),
    [...directoryFacts(report), ...templateFacts(report)],
  ];
  const blocks = sections.map((facts) => facts.map(factLine).join("\n"));
  return `${[...blocks, conclusion(report)].join("\n\n")}\n`;
}

function hostFacts({ host }: DoctorReport): Fact[] {
  const virtualization = host.virtualization ?? "no hardware virtualization";
  const libc = host.glibc === null ? [] : [`glibc ${host.glibc}`];
  return [
    ["smolvm", version],
    ["host", [host.system, `${host.os} ${host.arch}`, `kernel ${host.kernel}`, ...libc].join(", ")],
    ["cpu", `${host.cpu}, ${host.cores} usable, ${virtualization}`],
    ["memory", `${host.memoryMib} MiB`],
  ];
}

function engineFacts({ name, works, reason, fix, details, gpu }: EngineReport): Fact[] {
  return [
    [name, `${works ? "works" : "does not work"}: ${reason}`],
    ...(fix === null ? [] : [["  to do", fix] as const]),
    ...Object.entries(details).map(([key, value]): Fact => [`  ${key}`, value]),
    ...(gpu === null ? [] : gpuFacts(gpu)),
  ];
}

function gpuFacts({ works, reason, fix }: NonNullable<EngineReport["gpu"]>): Fact[] {
  return [
    ["  gpu", `${works ? "available" : "none for machines"}: ${reason}`],
    ...(fix === null ? [] : [["    to do", fix] as const]),
  ];
}

function confinementFacts({ confinement, processes }: DoctorReport): Fact[] {
  const layers = confinement.flatMap(({ name, inForce, detail, fix }): Fact[] => [
    [name, `${inForce ? "confines machines" : "does not confine machines"}: ${detail}`],
    ...(fix === null ? [] : [["  to do", fix] as const]),
  ]);
  const others = processes.flatMap(({ name, inForce, detail, fix }): Fact[] => [
    [called[name], `${inForce ? "confined by" : "not confined:"} ${detail}`],
    // A layer that is missing has its line above.
    ...(inForce || fix === null || layers.some(([, text]) => text === fix)
      ? []
      : [["  to do", fix] as const]),
  ]);
  return [...layers, ...others];
}

const called = { machine: "its process", files: "file server" } as const;

function directoryFacts({ directories }: DoctorReport): Fact[] {
  return (["data", "cache", "runtime"] as const).map((name) => {
    const { path, problem, freeMib } = directories[name];
    const free = freeMib === null ? "" : ` (${freeMib} MiB free)`;
    return [name, `${path}${problem === null ? free : `: cannot be written: ${problem}`}`];
  });
}

function templateFacts({ templates: { count, bytes, failures } }: FullReport): Fact[] {
  if (count === 0 && failures.length === 0) return [];
  return [
    ["saved guests", count === 0 ? "none" : `${count}, ${formatBytes(bytes)}`],
    ...failures.map((reason): Fact => ["  not made", reason]),
  ];
}

function conclusion({ ok, chosen }: DoctorReport): string {
  if (ok) return `Machines run here, on ${chosen}.`;
  if (chosen === null) return "Machines cannot run here: no engine works.";
  return "Machines cannot run here: a directory cannot be written.";
}

function factLine([name, value]: Fact): string {
  return `${name.padEnd(16)}${oneLine(value)}`;
}
