/**
 * A line of a machine's console, as programs that watch machines look for it:
 *
 *     {"timestamp":"2026-01-31T12:00:00.123Z","level":"info","message":"[    0.000000] Linux version …"}
 *
 * A guest writes what it likes. In the file every character that a terminal might obey is an escape of JSON, so that
 * it can be shown with any tool.
 */
import { formatTime, type LogFormat, parseLine, parseTime } from "./format.ts";

const levels = ["debug", "info", "warn", "error"] as const;
export type ConsoleLevel = (typeof levels)[number];

export interface ConsoleEntry {
  /** When it came; milliseconds since the epoch. */
  readonly time: number;
  readonly level: ConsoleLevel;
  /** One line. Hostile: `escapeControls` makes it fit for a terminal. */
  readonly message: string;
}

const invisible = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The line, with its newline. */
export function encodeConsoleEntry({ time, level, message }: ConsoleEntry): string {
  const text = JSON.stringify(message).replace(invisible, jsonEscape);
  return `{"timestamp":"${formatTime(time)}","level":"${level}","message":${text}}\n`;
}

/** Each unit of a character as JSON writes it. */
export function jsonEscape(character: string): string {
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
    .join("");
}

/** The text with everything that a terminal might obey, or not show, written out: `\x1b`, `\u{202e}`. */
export function escapeControls(text: string): string {
  return text.replace(invisible, (character) => {
    const code = character.codePointAt(0) as number;
    if (character === "\t") return character;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

export const consoleFormat: LogFormat<ConsoleEntry> = {
  decode(line) {
    const value = parseLine(line);
    const time = parseTime(value?.timestamp);
    if (value === undefined || time === undefined || typeof value.message !== "string") return undefined;
    return { time, level: levels.find((level) => level === value.level) ?? "info", message: value.message };
  },
  counter: () => () => true,
};
