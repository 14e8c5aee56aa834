import { formatBytes } from "../format/bytes.ts";
import { shorten } from "../format/table.ts";
import { formatRemaining } from "../format/time.ts";
import { remainingSeconds } from "./rate.ts";
import type { LayerProgress, LayerState, PullState } from "./state.ts";
import { plainText, shortDigest } from "./words.ts";

export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  /** Bytes per second, when known. */
  readonly perSecond: number | undefined;
  /** What is being tried again, when it is to be shown. */
  readonly notice: string | undefined;
}

const MAX_BAR = 30;
const MIN_BAR = 8;
/** `12.3 MiB / 1023 MiB` */
const BYTES_WIDTH = 19;
const STATE_WIDTH = 11;

/**
 * What a terminal shows of a pull: a line for each layer, as many as fit, and one for all of it. Each line is at most
 * `columns - 1` wide, so that no terminal wraps it, and there are at most `rows - 1` of them (but at least one).
 */
export function frame(state: PullState, options: FrameOptions): string[] {
  const width = Math.max(1, options.columns - 1);
  const room = Math.max(1, options.rows - 1);
  const last = lastLine(state, width, options);
  const notice = options.notice !== undefined && room > 2 ? [cut(plainText(options.notice), width)] : [];
  const layers = state.phase === "downloading" ? layerLines(state, width, room - 1 - notice.length) : [];
  return [...layers, ...notice, last];
}

function layerLines(state: PullState, width: number, room: number): string[] {
  const layers = [...state.layers.values()];
  if (room < 1) return [];
  if (layers.length <= room) return layers.map((layer) => layerLine(layer, width));
  const shown = mostActive(layers, room - 1);
  const more = layers.length - shown.length;
  return [...shown.map((layer) => layerLine(layer, width)), cut(`... and ${more} more layers`, width)];
}

/** The earlier, the sooner a layer is shown when there is no room for all. */
const IMPORTANCE: readonly LayerState[] = [
  "downloading",
  "verifying",
  "waiting",
  "queued",
  "stored",
  "present",
];

/** Some of the layers, in their own order. */
function mostActive(layers: readonly LayerProgress[], count: number): LayerProgress[] {
  const byState = IMPORTANCE.flatMap((wanted) => layers.filter(({ state }) => state === wanted));
  const chosen = new Set(byState.slice(0, count));
  return layers.filter((layer) => chosen.has(layer));
}

/** `a3ed95caeb02 downloading [======>      ] 12.3 MiB / 45.6 MiB`, or as much of it as there is room for. */
function layerLine({ digest, size, bytes, state }: LayerProgress, width: number): string {
  const name = shortDigest(digest);
  const start = `${name} ${state.padEnd(STATE_WIDTH)}`;
  if (state !== "downloading") {
    const whole = `${start} ${formatBytes(size)}`;
    const tellsSize = (state === "queued" || state === "waiting") && whole.length <= width;
    return cut(tellsSize ? whole : start.trimEnd(), width);
  }
  const counts = `${formatBytes(bytes).padStart(8)} / ${formatBytes(size)}`;
  const bar = Math.min(MAX_BAR, width - start.length - BYTES_WIDTH - 4);
  if (bar >= MIN_BAR) return cut(`${start} [${gauge(bytes, size, bar)}] ${counts}`, width);
  const choices = [`${start} ${counts}`, `${name} ${counts.trimStart()}`, `${name} ${percent(bytes, size)}`];
  return cut(choices.find((text) => text.length <= width) ?? percent(bytes, size).trimStart(), width);
}

function gauge(bytes: number, size: number, cells: number): string {
  const filled = size > 0 ? Math.min(cells, Math.floor((bytes / size) * cells)) : cells;
  return filled < cells ? `${"=".repeat(filled)}>`.padEnd(cells) : "=".repeat(cells);
}

function lastLine(state: PullState, width: number, { perSecond }: FrameOptions): string {
  const name = plainText(state.reference);
  if (state.phase === "resolving") return cut(`${name}: asking the registry`, width);
  if (state.phase !== "downloading") return cut(`${name}: putting the layers together`, width);
  const { bytes, size } = state.total;
  const seconds = remainingSeconds(bytes, size, perSecond);
  // In the order of their importance; shown in another one.
  const facts: readonly (readonly [key: string, text: string | undefined])[] = [
    ["percent", percent(bytes, size)],
    ["bytes", `${formatBytes(bytes).padStart(8)} / ${formatBytes(size)}`],
    ["left", seconds === undefined ? undefined : `${formatRemaining(seconds)} left`],
    ["rate", perSecond === undefined ? undefined : `${formatBytes(perSecond)}/s`],
  ];
  let room = width;
  const texts = new Map<string, string>();
  for (const [key, text] of facts) {
    if (text === undefined || text.length + 2 > room) continue;
    texts.set(key, text);
    room -= text.length + 2;
  }
  if (room >= 8) texts.set("name", shorten(name, Math.min(room, 60)));
  const order = ["name", "bytes", "percent", "rate", "left"];
  const line = order
    .flatMap((key) => texts.get(key) ?? [])
    .join("  ")
    .trimStart();
  return cut(line === "" ? percent(bytes, size).trimStart() : line, width);
}

function percent(bytes: number, size: number): string {
  const part = size > 0 ? Math.floor((bytes / size) * 100) : 100;
  return `${Math.min(100, part)}%`.padStart(4);
}

function cut(text: string, width: number): string {
  return text.length > width ? text.slice(0, width) : text;
}
