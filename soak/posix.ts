/**
 * What POSIX asks of a filesystem, by pjdfstest, asked of a folder of the host as a guest sees it, beside the guest's own
 * disk and the host's filesystem.
 *
 *     ./dev soak posix
 *
 * What fails on the folder alone is a failure, but for what a volume refuses.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { debianImage } from "../test/support/debian.ts";
import { Machines } from "../test/support/machines.ts";
import { say, soak } from "./support/options.ts";
import { pjdfstest } from "./support/pjdfstest.ts";

/** Users that Debian has; a nap longer than a tick of a kernel's clock, which is what times of files are taken from. */
const CONFIGURATION = `
[features]
posix_fallocate = {}
utime_now = {}
utimensat = {}
[settings]
naptime = 0.05
allow_remount = false
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
`;

/** A volume has no device nodes (docs/volumes.md): what makes one is refused. */
const REFUSED =
  /::(block|char)$|_char_block::|^mknod::privileged::|^mknod::.*(device|permission|uid_gid|umask)/;

type Results = Map<string, "ok" | "FAILED" | "skipped">;

function parse(where: string, output: string): Results {
  const lines = output.matchAll(/^(\w+::\S+)\s+(ok|FAILED|skipped)$/gm);
  const results: Results = new Map();
  for (const [, name = "", result] of lines) results.set(name, result as "ok" | "FAILED" | "skipped");
  const count = (wanted: string) => [...results.values()].filter((result) => result === wanted).length;
  say(`${where}: ${count("ok")} passed, ${count("FAILED")} failed, ${count("skipped")} left out`);
  if (count("ok") < 100) throw new Error(`${where}: too few tests ran:\n${output.slice(-2000)}`);
  return results;
}

const failed = (results: Results): string[] =>
  [...results].filter(([, result]) => result === "FAILED").map(([name]) => name);

void soak(async () => {
  const home = new Machines();
  const folder = `${home.path}/folder`;
  const own = `${home.path}/own`;
  mkdirSync(folder);
  mkdirSync(own);
  // The tests become other users, who have to get at their files on the host.
  chmodSync(home.path, 0o755);
  copyFileSync(await pjdfstest(), `${folder}/pjdfstest`);
  writeFileSync(`${folder}/configuration.toml`, CONFIGURATION);
  const tests = (program: string, path: string, other: string) =>
    [`${program}/pjdfstest`, "-c", `${program}/configuration.toml`, "-p", path, "-s", other] as const;
  try {
    const onHost = Bun.spawnSync([...tests(folder, own, "/dev/shm")]);
    const host = parse("the host's filesystem", onHost.stdout.toString());

    const image = await debianImage();
    await home.ok("create", "box", "--image", image, "--cpus", "1", "--mem", "1024", "-v", `${folder}:/f`);
    await home.ok("start", "box");
    const inGuest = async (where: string, path: string): Promise<Results> => {
      const script = `mkdir ${path}; ${tests("/f", path, "/dev/shm").join(" ")}`;
      const { output } = await home.machine(["exec", "box", "--", "sh", "-c", script], { seconds: 1800 });
      return parse(where, output);
    };
    // Short names: this pjdfstest counts wrong how long a path may get below some others ("capacity overflow").
    const disk = await inGuest("the guest's own disk", "/storage/t");
    const volume = await inGuest("a folder of the host in a guest", "/f/t");

    say(`fail on the host: ${failed(host).join(", ") || "none"}`);
    say(`fail on the guest's disk: ${failed(disk).join(", ") || "none"}`);
    const refused = failed(volume).filter((name) => REFUSED.test(name));
    say(`fail on the folder because it has no device nodes: ${refused.length}`);
    const elsewhere = new Set([...failed(host), ...failed(disk)]);
    const others = failed(volume).filter((name) => !REFUSED.test(name) && !elsewhere.has(name));
    if (others.length > 0) throw new Error(`fail on the folder alone: ${others.join(", ")}`);
    await home.deleteAll();
    await home.expectNothingLeft();
  } finally {
    home.remove();
  }
});
