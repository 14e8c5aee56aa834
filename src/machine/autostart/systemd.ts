/** Units of systemd's user manager: systemd.unit(5), systemd.service(5), systemd.syntax(7). */
import { requireText, type Service, startCommand, stopCommand } from "./service.ts";

/** The first line of every unit that is ours; a file without it is somebody else's. */
export const UNIT_MARK = "# Written by `smolvm machine enable`, removed by `smolvm machine disable`.";

/** What stopping takes beside the wait for the workload: unmounting disks, ending the VM. In seconds. */
const STOP_EXTRA_S = 60;

/** What no line can have: control characters but tabs and line ends, and what systemd takes for no text. */
const NO_TEXT = /(?![\t\n])\p{Cc}|\p{Noncharacter_Code_Point}/u;
/** systemd refuses programs whose path has one of these (`string_is_safe`). */
const NO_PROGRAM = /[\p{Cc}\p{Noncharacter_Code_Point}"'\\]/u;

/**
 * A unit that starts a machine when the user manager starts, and stops it when that ends: at the host's start and
 * shutdown if the user lingers, else with the user's first login and last logout.
 *
 * @throws SmolError `autostart.bad_text`
 */
export function systemdUnit(service: Service): string {
  requireText("the program", service.program, NO_PROGRAM);
  const environment = Object.entries(service.environment).map(([name, value]) => {
    requireText(name, value, NO_TEXT);
    return `Environment=${quoted(`${name}=${value}`)}`;
  });
  return `${[
    UNIT_MARK,
    "[Unit]",
    `Description=smolvm machine ${service.machine}`,
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    ...environment,
    `ExecStart=${command(startCommand(service))}`,
    `ExecStop=${command(stopCommand(service))}`,
    // A start may have to repair a disk, or emulate.
    "TimeoutStartSec=infinity",
    `TimeoutStopSec=${Math.ceil(service.stopTimeoutMs / 1000) + STOP_EXTRA_S}`,
    // One process that lacks memory is the restart policy's business, no reason to end the machine.
    "OOMPolicy=continue",
    "",
    "[Install]",
    "WantedBy=default.target",
  ].join("\n")}\n`;
}

/** Only in arguments a `$` begins a variable: in the program's path it is a `$`. */
function command([program = "", ...words]: string[]): string {
  return [quoted(program), ...words.map((word) => quoted(word.replaceAll("$", "$$$$")))].join(" ");
}

/** A word as systemd reads it: quotes, C's escapes, and `%` for specifiers. */
function quoted(word: string): string {
  if (/^[\w./=-]+$/.test(word)) return word;
  const escaped = word
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("%", "%%");
  return `"${escaped}"`;
}
