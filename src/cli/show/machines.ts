import { hasProcess, type MachineInfo, mountCount } from "../../machine/index.ts";
import { type Column, formatTable } from "../format/table.ts";
import { oneLine } from "../output.ts";
import { formatNetwork, formatPort } from "./network.ts";

/** Names are never cut off: scripts look for lines that begin with one. */
const MIN_NAME_WIDTH = 20;

/** Titles and widths are part of what scripts rely on: see docs on output stability before changing them. */
const columnsOf = (nameWidth: number): readonly Column<MachineInfo>[] => [
  { title: "NAME", width: nameWidth, align: "left", text: ({ name }) => oneLine(name) },
  {
    title: "STATE",
    width: 14,
    align: "left",
    text: ({ status, record }) => status + (record?.ephemeral ? " (eph)" : ""),
  },
  { title: "CPUS", width: 5, align: "right", text: ({ record }) => String(record?.cpus ?? "-") },
  { title: "MEMORY", width: 10, align: "right", text: ({ record }) => withUnit(record?.memoryMib, "MiB") },
  {
    title: "MOUNTS",
    width: 7,
    align: "right",
    text: ({ record }) => String(record ? mountCount(record) : 0),
  },
  { title: "PORTS", width: 7, align: "right", text: ({ record }) => String(record?.ports.length ?? 0) },
  { title: "STORAGE", width: 8, align: "right", text: ({ record }) => withUnit(record?.storageGib, "GiB") },
  { title: "OVERLAY", width: 8, align: "right", text: ({ record }) => withUnit(record?.overlayGib, "GiB") },
];

const withUnit = (value: number | undefined, unit: string): string =>
  value === undefined ? "-" : `${value} ${unit}`;

/** The table of `machine ls`, with its final newline. `verbose` adds indented lines to each machine. */
export function formatMachines(machines: readonly MachineInfo[], verbose: boolean): string {
  if (machines.length === 0) return "No machines found\n";
  const nameWidth = Math.max(MIN_NAME_WIDTH, ...machines.map(({ name }) => oneLine(name).length));
  return formatTable(columnsOf(nameWidth), machines, verbose ? { details: detailsOf } : {});
}

type Volume = NonNullable<MachineInfo["record"]>["volumes"][number];
type Fact = readonly [name: string, text: string];

function detailsOf(machine: MachineInfo): string[] {
  const facts = [...stateFacts(machine), ...recordFacts(machine)];
  return [...facts.map(([key, text]) => `  ${key}: ${oneLine(text)}`), ""];
}

function stateFacts({ reason, state, status, memoryBytes }: MachineInfo): Fact[] {
  const facts: Fact[] = [];
  if (reason !== "") facts.push(["Reason", reason]);
  if (state === undefined) return facts;
  if (hasProcess(status)) facts.push(["PID", String(state.pid)]);
  facts.push(["Engine", state.engine]);
  if (memoryBytes !== undefined) facts.push(["Memory used", `${Math.ceil(memoryBytes / 1024 / 1024)} MiB`]);
  if (state.health !== null && hasProcess(status)) facts.push(["Health", state.health.status]);
  if (state.restarts > 0) facts.push(["Restarts", String(state.restarts)]);
  return facts;
}

function recordFacts({ record, state }: MachineInfo): Fact[] {
  if (record === undefined) return [];
  const words = (name: string, list: readonly string[] | null): Fact[] =>
    list === null || list.length === 0 ? [] : [[name, JSON.stringify(list)]];
  const lines = (name: string, list: readonly string[]): Fact[] => list.map((text) => [name, text]);
  return [
    ["Image", record.image ?? "built-in base image"],
    ...words("Entrypoint", record.entrypoint),
    ...words("Cmd", record.cmd),
    ...(record.workdir === null ? [] : [["Workdir", record.workdir] as const]),
    ...(record.user === null ? [] : [["User", record.user] as const]),
    ...lines("Init", record.init),
    ...lines("Init once", record.initOnce),
    ...lines("Env", record.env),
    ...lines(
      "Label",
      Object.entries(record.labels).map(([name, value]) => `${name}=${value}`),
    ),
    ...lines("Mount", record.volumes.map(formatVolume)),
    ...lines(
      "Tmpfs",
      record.tmpfs.map(({ target }) => target),
    ),
    ...lines(
      "Secret",
      record.secrets.map(({ name, from, source }) => `${name} from ${from === "env" ? "$" : ""}${source}`),
    ),
    ...(record.sshAgent ? [["SSH agent", record.sshAgentKeys.join(", ") || "all keys"] as const] : []),
    ...lines(
      "Socket",
      record.mountSockets.map(({ host, guest }) => `${host} -> ${guest}`),
    ),
    ...lines(
      "Socket",
      record.exposeSockets.map(({ guest, host }) => `${guest} -> ${host ?? "the machine's directory"}`),
    ),
    ...lines("Port", (state?.ports ?? record.ports).map(formatPort)),
    ...(record.network === null ? [] : [["Network", formatNetwork(record.network)] as const]),
    ...(record.restart.policy === "never" ? [] : [["Restart", record.restart.policy] as const]),
    ["Created", new Date(record.createdAt).toISOString()],
  ];
}

/** As upstream shows it; what a guest does to a workspace stays in it. */
function formatVolume({ kind, source, target, readOnly }: Volume): string {
  const how = kind === "overlay" ? " (overlay)" : readOnly ? " (ro)" : "";
  return `${source} -> ${target}${how}`;
}
