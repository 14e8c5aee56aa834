import { afterAll, beforeAll, expect } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { blocksOf, digests, listing, makeTree } from "../../src/copy/trees.fixture.ts";
import { useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { slowness } from "../support/program.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** Files and directories into machines and out of them; GNU find, sha256sum and tar judge. */

const home = useMachines();
let work: string;

beforeAll(
  async () => {
    work = mkdtempSync("/tmp/smolvm-cp-");
    await makeTree(`${work}/tree`);
    await home.create("box", "--overlay", "2");
    await home.ok("start", "box");
  },
  { timeout: 60_000 * slowness },
);
afterAll(() => rmSync(work, { recursive: true, force: true }));

async function cp(...words: string[]) {
  return await home.smolvm(["cp", ...words]);
}

async function copied(...words: string[]): Promise<string> {
  const { exitCode, stderr, output } = await cp(...words);
  if (exitCode !== 0 || output !== "")
    throw new Error(`cp ${words.join(" ")}: ${exitCode}: ${output}${stderr}`);
  return stderr;
}

async function refused(...words: string[]) {
  const { exitCode, stderr } = await home.smolvm(["--error-format", "json", "cp", ...words]);
  return { exitCode, ...JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error };
}

/** What copies that were not completed would have left in the machine. */
// A file that goes while find looks is an error of find's, and no answer yet.
const leftovers = () =>
  home.sh("box", "find / -xdev -name '.smolvm-cp-*' 2>/dev/null || echo something goes just now");
const here = () => readdirSync(work).filter((name) => name.startsWith(".smolvm-cp-"));

onBoth(
  "a tree goes into a machine and comes back as it was, into its disks and its mounts",
  async () => {
    expect(await copied(`${work}/tree`, "box:/root/tree")).toMatch(
      /^Uploaded \S+tree -> box:\/root\/tree: \d+ files, [\d.]+ [KM]iB in [\d.]+ s \([\d.]+ \S+\/s\)\n$/,
    );
    expect(
      await home.sh("box", "cd /root/tree; stat -c '%a %u:%g %Y' plain secret run deep; readlink link"),
    ).toBe(
      "644 0:0 981173106\n600 0:0 1\n4755 0:0 1\n2755 0:0 1321009871\nplain\n".replaceAll(
        / 1\n/g,
        () => ` ${Math.floor(statSync(`${work}/tree/secret`).mtimeMs / 1000)}\n`,
      ),
    );
    await copied("-a", "box:/root/tree", `${work}/back`);
    expect(await listing(`${work}/back`)).toBe(await listing(`${work}/tree`));
    expect(await digests(`${work}/back`)).toBe(await digests(`${work}/tree`));
    await copied("-q", `${work}/tree/deep`, "box:/storage/");
    expect(await home.sh("box", "cat /storage/deep/er/again")).toBe("text\n");
    expect([...here(), await leftovers()]).toEqual([""]);
  },
  60,
);

onBoth(
  "a tar goes in and comes out, and stdout has nothing else",
  async () => {
    // Without what is large as an archive: the lab would take minutes for it.
    const tar = Bun.spawn(["tar", "-c", "-C", work, "--exclude=hole*", "tree"], { stdout: "pipe" });
    await home.sh("box", "mkdir -p /root/tar");
    const { exitCode, stderr } = await home.smolvm(["cp", "-q", "-", "box:/root/tar"], {
      stdin: new Blob([await new Response(tar.stdout).arrayBuffer()]),
    });
    expect([exitCode, stderr]).toEqual([0, ""]);
    const out = await home.smolvm(["cp", "box:/root/tar/tree", "-"]);
    expect(out.exitCode).toBe(0);
    mkdirSync(`${work}/untarred`);
    const untar = Bun.spawn(["tar", "-xp", "-C", `${work}/untarred`], { stdin: out.bytes });
    expect(await untar.exited).toBe(0);
    const whole = (await digests(`${work}/tree`)).split("\n").filter((line) => !/\.\/holes?$/.test(line));
    expect(await digests(`${work}/untarred/tree`)).toBe(whole.join("\n"));
  },
  60,
);

onQemu(
  "a machine that does not run is refused with the command that starts it; one that is not there is not found",
  async () => {
    await home.create("off");
    expect(await refused(`${work}/tree/plain`, "off:/")).toMatchObject({
      exitCode: 1,
      code: "machine.not_running",
      hint: "smolvm machine start --name off",
    });
    expect(await refused("off:/etc", work)).toMatchObject({ code: "machine.not_running" });
    expect(await refused("absent:/etc", work)).toMatchObject({ exitCode: 1, code: "machine.not_found" });
    expect((await refused("absent:/etc", work)).message).toContain("not found");
  },
);

onQemu("what is no copy is refused before anything happens", async () => {
  const plain = `${work}/tree/plain`;
  for (const [words, code] of [
    [[plain, "/elsewhere"], "cli.bad_copy"],
    [["box:/etc", "box:/root"], "cli.bad_copy"],
    [["-", "-"], "cli.bad_copy"],
    [["box:", work], "cli.bad_value"],
    [[":/etc", work], "cli.bad_value"],
    [["--mode", "10000", plain, "box:/"], "cli.bad_value"],
    [["--mode", "0o99", plain, "box:/"], "cli.bad_value"],
    [["--uid", "5", "box:/etc", work], "cli.conflict"],
    [[plain], "cli.missing_word"],
  ] as const) {
    expect({ words, ...(await refused(...words)) }).toMatchObject({ words, exitCode: 2, code });
  }
});

onQemu("owners and modes as they are asked for", async () => {
  for (const mode of ["644", "0755", "0o600"]) {
    await copied("--mode", mode, "--uid", "1000", "--gid", "50", `${work}/tree/plain`, "box:/root/moded");
    expect(await home.sh("box", "stat -c '%a %u:%g' /root/moded")).toBe(
      `${mode.replace(/^0o?/, "")} 1000:50\n`,
    );
  }
});

onQemu(
  "a sparse file of 10 GiB goes both ways, and takes what it holds",
  async () => {
    const file = `${work}/sparse`;
    writeFileSync(file, Buffer.alloc(512 * 1024, "begin"));
    truncateSync(file, 10 * 1024 ** 3 - 512 * 1024);
    writeFileSync(file, Buffer.alloc(512 * 1024, "end"), { flag: "a" });
    await copied(file, "box:/root/sparse");
    expect(await home.sh("box", "stat -c '%s' /root/sparse; du -m /root/sparse | cut -f 1")).toMatch(
      /^10737418240\n[12]\n$/,
    );
    await copied("box:/root/sparse", `${work}/sparse-back`);
    // cmp(1) would read 20 GiB of zeros. Both ends have all the data, and the blocks below say that the rest is holes.
    const half = String(512 * 1024);
    const end = String(10 * 1024 ** 3 - 512 * 1024);
    for (const part of [
      ["-n", half],
      ["-i", end],
    ])
      expect(Bun.spawnSync(["cmp", ...part, file, `${work}/sparse-back`]).exitCode).toBe(0);
    expect(statSync(`${work}/sparse-back`).size).toBe(10 * 1024 ** 3);
    expect(await blocksOf(`${work}/sparse-back`)).toBeLessThan(2 * 1024 * 1024);
    rmSync(file);
    rmSync(`${work}/sparse-back`);
  },
  120,
);

onQemu(
  "5,000 small files go both ways",
  async () => {
    mkdirSync(`${work}/many`);
    for (let at = 0; at < 5000; at++) {
      if (at % 100 === 0) mkdirSync(`${work}/many/${at / 100}`);
      writeFileSync(`${work}/many/${Math.floor(at / 100)}/file-${at}`, `${at}`.repeat(at % 300));
    }
    await copied(`${work}/many`, "box:/root/");
    await copied("box:/root/many", `${work}/many-back`);
    expect(await listing(`${work}/many-back`)).toBe(await listing(`${work}/many`));
    expect(await digests(`${work}/many-back`)).toBe(await digests(`${work}/many`));
  },
  180,
);

/** Random bytes, so that nothing can be left out of them. */
function bigFile(): string {
  const path = `${work}/big`;
  if (!existsSync(path)) Bun.spawnSync(["sh", "-c", `head -c 100000000 /dev/urandom > ${path}`]);
  return path;
}

/** Whether a process has written a part of a file that has no name yet. */
function isWriting(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const path = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return path.includes("(deleted)") && statSync(`/proc/${pid}/fd/${fd}`).size > 1_000_000;
    });
  } catch {
    // A descriptor that was closed meanwhile.
    return false;
  }
}

/** The same in the machine. */
async function wholeInBox(): Promise<void> {
  await copied("-q", bigFile(), "box:/root/whole");
}

onQemu(
  "kill -9 of a client in the middle: the target is as it was, on both sides",
  async () => {
    const big = bigFile();
    await home.sh("box", "echo old > /root/target");
    const up = home.start(["cp", big, "box:/root/target"]);
    const working = async () =>
      (await home.sh("box", "stat -c %s /root/.smolvm-cp-* 2>/dev/null; true")).trim() !== "";
    await until("a copy in the machine", working);
    up.kill("SIGKILL");
    await up.exited;
    await until("nothing left of it", async () => (await leftovers()) === "");
    expect(await home.sh("box", "cat /root/target")).toBe("old\n");
    await wholeInBox();
    writeFileSync(`${work}/target`, "old");
    const down = home.start(["cp", "box:/root/whole", `${work}/target`]);
    await until("a copy on the host", () => isWriting(down.pid));
    down.kill("SIGKILL");
    await down.exited;
    expect([Bun.file(`${work}/target`).size, ...here()]).toEqual([3]);
  },
  180,
);

onQemu(
  "Ctrl-C in the middle: nothing is left on either side, and the exit code says it",
  async () => {
    const big = bigFile();
    mkdirSync(`${work}/dir/sub`, { recursive: true });
    Bun.spawnSync(["cp", big, `${work}/dir/sub/big`]);
    const up = home.start(["cp", `${work}/dir`, "box:/root/"]);
    await until("a copy in the machine", async () => (await leftovers()) !== "");
    up.kill("SIGINT");
    expect(await up.exited).toBe(130);
    expect(await home.sh("box", "ls -A /root | grep -e dir -e smolvm; true")).toBe("");
    await wholeInBox();
    const down = home.start(["cp", "box:/root/whole", `${work}/dir/new`]);
    await until("a copy on the host", () => isWriting(down.pid));
    down.kill("SIGINT");
    expect(await down.exited).toBe(130);
    expect([existsSync(`${work}/dir/new`), ...readdirSync(`${work}/dir`)]).toEqual([false, "sub"]);
  },
  180,
);

onQemu(
  "a full disk in the machine is said, and leaves nothing",
  async () => {
    const big = bigFile();
    await home.create("tight", "--overlay", "1");
    await home.ok("start", "tight");
    await home.sh(
      "tight",
      "fallocate -l $(($(df -k / | tail -n 1 | awk '{print $4}') - 20000))K /root/filler",
    );
    expect(await refused(big, "tight:/root/target")).toMatchObject({ exitCode: 1, code: "copy.guest_full" });
    expect(await home.sh("tight", "ls -A /root | grep -v filler; true")).toBe("");
    await home.ok("delete", "-f", "tight");
  },
  180,
);

onQemu(
  "closed pipes: a reader that has enough ends the copy, an input that breaks is no copy",
  async () => {
    await wholeInBox();
    const shell = home.startShell("$SMOLVM cp box:/root/whole - | head -c 1000 | wc -c; echo $PIPESTATUS");
    expect(await new Response(shell.stdout).text()).toBe("1000\n141\n");
    const cut = home.startShell(
      "tar -c -C / etc/passwd usr/share/doc 2>/dev/null | head -c 10000 | $SMOLVM cp - box:/root/tar",
    );
    expect(await new Response(cut.stderr).text()).toContain("error: ");
    expect(await cut.exited).toBe(1);
    expect(await leftovers()).toBe("");
  },
  120,
);

onQemu("a hostile workload: links that it plants in the way are not followed", async () => {
  mkdirSync(`${work}/planted/sub`, { recursive: true });
  writeFileSync(`${work}/planted/sub/file`, "x");
  await home.sh("box", "mkdir -p /root/victim /root/into/planted; ln -s /root/victim /root/into/planted/sub");
  expect(await refused(`${work}/planted`, "box:/root/into")).toMatchObject({ code: "copy.guest_file" });
  expect(await home.sh("box", "ls -A /root/victim")).toBe("");
});

onQemu("completion offers names of machines with a colon, and files", async () => {
  const { output } = await home.smolvm(["__complete", "cp", "bo"]);
  expect(output).toBe(":files\nbox:\n");
});
