import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { median, minimum } from "./rounds.ts";
import { beginTable } from "./table.ts";

/** Copies into machines and out of them, for tools with the same words, beside the bytes alone. */
export interface CopyTool {
  readonly name: string;
  /** The program and what is set for it. */
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  /** It copies directories too. */
  readonly directories: boolean;
}

const NAME = "copying";

interface Work {
  readonly what: string;
  /** Of a copy: MB (10^6 bytes) or files. */
  readonly amount: number;
  readonly unit: "MB/s" | "files/s";
  /** For the shell: $M is `TOOL machine`, $W a directory of the host. */
  readonly script: string;
  readonly directories?: boolean;
}

/**
 * Copies a file of random bytes and many small files `rounds` times in each direction, and prints how fast that was.
 *
 * @param megabytes of the file
 * @param files of 1 KiB, 100 in each directory
 */
export async function compareCopies(
  title: string,
  tools: readonly CopyTool[],
  { megabytes, files, rounds }: { megabytes: number; files: number; rounds: number },
): Promise<void> {
  const directory = mkdtempSync("/tmp/sv-copy-");
  try {
    const print = beginTable(title, ["", "", "runs", "median", "best"]);
    makeFiles(directory, megabytes, files);
    for (const tool of tools) {
      try {
        await shell(
          tool,
          directory,
          `$M create --name ${NAME} --cpus 1 --mem 1024 && $M start --name ${NAME}`,
        );
        for (const work of works(megabytes, files)) {
          if (work.directories && !tool.directories) continue;
          const rates: number[] = [];
          try {
            for (let round = 0; round < rounds; round++) {
              const start = performance.now();
              await shell(tool, directory, work.script);
              rates.push(work.amount / ((performance.now() - start) / 1000));
            }
            const shown = [median(rates), -minimum(rates.map((rate) => -rate))];
            const figures = shown.map((rate) => `${rate.toFixed(1)} ${work.unit}`);
            print([work.what, tool.name, String(rates.length), ...figures]);
          } catch (error) {
            print([
              work.what,
              tool.name,
              `failed: ${String(error).replaceAll(/\s+/g, " ").slice(0, 200)}`,
              "",
              "",
            ]);
          }
        }
      } finally {
        await shell(tool, directory, `$M delete -f --name ${NAME}`).catch(() => {});
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function works(megabytes: number, files: number): Work[] {
  const bytes = { amount: megabytes * 1.048576, unit: "MB/s" } as const;
  const many = { amount: files, unit: "files/s", directories: true } as const;
  const remove = "rm -rf $W/back $W/back-many";
  return [
    { what: `cp of ${megabytes} MiB, up`, ...bytes, script: `$M cp $W/big ${NAME}:/root/big` },
    {
      what: "the same, down",
      ...bytes,
      script: `$M cp ${NAME}:/root/big $W/back; cmp $W/big $W/back; ${remove}`,
    },
    {
      what: "the bytes alone, up: exec -i -- cat",
      ...bytes,
      script: `$M exec -i --name ${NAME} -- sh -c 'cat > /root/raw' < $W/big`,
    },
    {
      what: "the same, down",
      ...bytes,
      script: `$M exec --name ${NAME} -- cat /root/big > $W/back; ${remove}`,
    },
    { what: `cp of ${files} files, up`, ...many, script: `$M cp -q $W/many ${NAME}:/root/` },
    { what: "the same, down", ...many, script: `$M cp -q ${NAME}:/root/many $W/back-many; ${remove}` },
    {
      what: "tar through exec -i, up",
      ...many,
      script: `tar -c -C $W many | $M exec -i --name ${NAME} -- sh -c 'mkdir -p /root/tar; tar -x -C /root/tar'`,
    },
    {
      what: "the same, down",
      ...many,
      script: `mkdir $W/back-many; $M exec --name ${NAME} -- tar -c -C /root/tar many | tar -x -C $W/back-many; ${remove}`,
    },
  ];
}

function makeFiles(directory: string, megabytes: number, files: number): void {
  Bun.spawnSync(["bash", "-c", `head -c ${megabytes * 1024 * 1024} /dev/urandom > ${directory}/big`]);
  const bytes = crypto.getRandomValues(Buffer.alloc(1024));
  for (let at = 0; at < files; at++) {
    const inside = `${directory}/many/${Math.floor(at / 100)}`;
    if (at % 100 === 0) mkdirSync(inside, { recursive: true });
    writeFileSync(`${inside}/${at}`, bytes);
  }
}

async function shell({ command, env }: CopyTool, directory: string, script: string): Promise<void> {
  const words = { M: `${command.join(" ")} machine`, W: directory };
  const child = Bun.spawn(["bash", "-e", "-o", "pipefail", "-c", script], {
    env: { ...env, ...words },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(said.trim().split("\n").at(-1) ?? script);
}
