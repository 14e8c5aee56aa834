import { printHelp } from "../help/index.ts";
import { parseOrExplain } from "../interpret.ts";
import type { Invocation } from "../table/types.ts";

/** `help [COMMAND...]`: the same as `COMMAND --help`. */
export async function run({ words }: Invocation): Promise<number> {
  const parsed = await parseOrExplain([...words, "--help"]);
  await printHelp(parsed.kind === "help" ? parsed.topic : [], true);
  return 0;
}
