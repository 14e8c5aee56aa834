import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolvePaths } from "../../config/paths.ts";
import type { Context } from "../../context.ts";

/** A user's home with nothing in it, which every user of this host can read. */
export class Home implements Disposable {
  readonly path = mkdtempSync(`${tmpdir()}/smolvm-autostart-`);

  constructor() {
    chmodSync(this.path, 0o755);
    mkdirSync(`${this.path}/run`, { mode: 0o777 });
    chmodSync(`${this.path}/run`, 0o777);
  }

  get units(): string {
    return `${this.path}/.config/systemd/user`;
  }

  /** What its user's command line works with. */
  context(environment: Record<string, string> = {}): Context {
    const all = { PATH: process.env.PATH ?? "", HOME: this.path, ...environment };
    return { environment: all, paths: resolvePaths(all), note: () => {} };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

const SYSTEMD = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];

/**
 * What systemd's user manager would do at this user's login: its dump of all units, and of the jobs that it would
 * start. It starts nothing. As root it refuses to be tested, so root becomes nobody.
 */
export async function systemdPlan(home: Home): Promise<string> {
  const systemd = SYSTEMD.find((path) => existsSync(path));
  if (systemd === undefined) throw new Error("this test needs systemd (Debian's package systemd)");
  const drop = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
  const { stdout, stderr, exitCode } = await run(
    [...(process.getuid?.() === 0 ? drop : []), systemd, "--user", "--test", "--no-pager"],
    home,
  );
  if (exitCode !== 0) throw new Error(`systemd --test: exit code ${exitCode}: ${stdout}${stderr}`);
  return stdout;
}

/** The part of a plan that is about one unit. */
export function unitIn(plan: string, unit: string): string {
  return plan.split("\n\t-> Unit ").find((part) => part.startsWith(`${unit}:\n`)) ?? "";
}

/** Another program's verdict, as a user with this home. */
export async function run(command: string[], home: Home, input = "") {
  const child = Bun.spawn(command, {
    env: { PATH: process.env.PATH ?? "", HOME: home.path, XDG_RUNTIME_DIR: `${home.path}/run` },
    cwd: home.path,
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, exitCode };
}
