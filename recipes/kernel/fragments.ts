import { readFileSync } from "node:fs";
import type { Architecture } from "../../build/host.ts";

/**
 * What we want of the kernel: the files in `config/`, in Kconfig's own language, with reasons. They are all that is
 * set; every other symbol is off, or what the wanted ones select.
 */
const common = ["kernel", "containers", "memory", "files", "devices", "network", "netfilter"];

const special: Record<Architecture, readonly string[]> = { x64: ["x86-64"], arm64: ["arm64"] };

/** Wanted symbols with their values; `n` for "is not set". */
export type Wanted = ReadonlyMap<string, string>;

/** The wishes for one architecture, in order. @throws Error for a line that is none, and for a symbol named twice. */
export function wanted(architecture: Architecture): Wanted {
  const symbols = new Map<string, string>();
  for (const name of [...common, ...special[architecture]]) {
    for (const [symbol, value] of readConfig(
      readFileSync(`${import.meta.dir}/config/${name}.config`, "utf8"),
    )) {
      if (symbols.has(symbol)) throw new Error(`config/${name}.config: CONFIG_${symbol} is named before`);
      symbols.set(symbol, value);
    }
  }
  return symbols;
}

/** Reads Kconfig's format: `CONFIG_X=value`, `# CONFIG_X is not set`, comments, empty lines. */
export function readConfig(text: string): Map<string, string> {
  const symbols = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, set, value, unset] = line.match(/^CONFIG_(\w+)=(.+)$|^# CONFIG_(\w+) is not set$/) ?? [];
    const symbol = set ?? unset;
    if (symbol === undefined) {
      if (line !== "" && !line.startsWith("#")) throw new Error(`not a line of a configuration: ${line}`);
      continue;
    }
    if (symbols.has(symbol)) throw new Error(`CONFIG_${symbol} is named twice`);
    symbols.set(symbol, value ?? "n");
  }
  return symbols;
}

/** The same in Kconfig's format. */
export function formatConfig(symbols: Wanted): string {
  const lines = [...symbols].map(([symbol, value]) =>
    value === "n" ? `# CONFIG_${symbol} is not set` : `CONFIG_${symbol}=${value}`,
  );
  return `${lines.join("\n")}\n`;
}

/**
 * The wishes that a configuration does not fulfil, as `CONFIG_X=wanted (is …)`: Kconfig drops silently whatever lacks
 * something that it depends on, or is no longer called so.
 */
export function unfulfilled(wishes: Wanted, config: ReadonlyMap<string, string>): string[] {
  return [...wishes].flatMap(([symbol, value]) => {
    const is = config.get(symbol) ?? "n";
    return is === value ? [] : [`CONFIG_${symbol}=${value} (is ${is})`];
  });
}
