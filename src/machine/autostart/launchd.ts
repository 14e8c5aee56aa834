/** Agents of launchd: launchd.plist(5). */
import { requireText, type Service, startCommand } from "./service.ts";

/** A comment in every file that is ours; a file without it is somebody else's. */
export const AGENT_MARK = "<!-- Written by `smolvm machine enable`, removed by `smolvm machine disable`. -->";

/** What XML 1.0 has no way to write. */
const NOT_XML = /(?![\t\n\r\x7f-\x9f])\p{Cc}|[\ufffe\uffff]/u;

/**
 * An agent that starts a machine when its user logs in. launchd has nothing that is run at the logout: the machine's
 * process gets a SIGTERM then, as every process.
 *
 * @throws SmolError `autostart.bad_text`
 */
export function launchdAgent(service: Service, label: string): string {
  const variables = Object.entries(service.environment).flatMap(([name, value]) => [
    `    <key>${xml(name, name)}</key>`,
    `    <string>${xml(name, value)}</string>`,
  ]);
  return `${[
    '<?xml version="1.0" encoding="UTF-8"?>',
    AGENT_MARK,
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    "<dict>",
    "  <key>Label</key>",
    `  <string>${xml("the label", label)}</string>`,
    "  <key>ProgramArguments</key>",
    "  <array>",
    ...startCommand(service).map((word) => `    <string>${xml("the program", word)}</string>`),
    "  </array>",
    "  <key>EnvironmentVariables</key>",
    "  <dict>",
    ...variables,
    "  </dict>",
    "  <key>RunAtLoad</key>",
    "  <true/>",
    // The command ends when the machine runs; its process is not to be ended with it.
    "  <key>AbandonProcessGroup</key>",
    "  <true/>",
    "</dict>",
    "</plist>",
  ].join("\n")}\n`;
}

function xml(what: string, text: string): string {
  requireText(what, text, NOT_XML);
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("\r", "&#13;");
}
