import { afterAll, expect } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { useMachines } from "../support/machines.ts";
import { OrdinaryMachines } from "../support/ordinary.ts";
import { inLab } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/** Folders of a user who is not root: whose files are whose, on both sides. */

const root = useMachines();
const home = new OrdinaryMachines();
afterAll(async () => {
  try {
    if (!inLab) await home.deleteAll();
    await home.expectNothingLeft();
  } finally {
    home.remove();
  }
}, 60_000);

const small = ["--cpus", "1", "--mem", "256"];

/** A shell script in a machine of its own: what it says on both streams. */
async function said(machines: typeof root, options: readonly string[], script: string): Promise<string> {
  const words = ["run", "--quiet", ...small, ...options, "--", "sh", "-c", script];
  const { output, stderr } = await machines.machine(words);
  return output + stderr;
}

onQemu("a user's files are root's in the guest, and what the guest makes is the user's", async () => {
  const folder = home.folder();
  writeFileSync(`${folder}/mine`, "mine\n");
  home.own(folder);
  const script = [
    "cd /f",
    "stat -c '%u:%g' . mine",
    "echo 1 > made && chown 1000:1001 made && chmod 4755 made && mkdir -m 1777 sticky",
    "ln -s nowhere link && chown -h 5:6 link && adduser -D u && su u -c 'echo 2 > sticky/theirs'",
    "stat -c '%n %a %u:%g' made sticky sticky/theirs link",
  ].join(" && ");
  expect(await said(home, ["-v", `${folder}:/f`], script)).toBe(
    "0:0\n0:0\nmade 4755 1000:1001\nsticky 1777 0:0\nsticky/theirs 644 1000:1000\nlink 777 5:6\n",
  );
  for (const name of ["made", "sticky", "sticky/theirs"])
    expect(statSync(`${folder}/${name}`).uid).toBe(home.uid);
  // No program of the guest's runs as the user for others of the host.
  expect(statSync(`${folder}/made`).mode & 0o7777).toBe(0o755);
  const kept = execFileSync("getfattr", ["-d", "--absolute-names", `${folder}/made`]).toString();
  expect(kept).toContain("user.smolvm.owner=");
  // Another machine finds the owners that this one gave.
  const again = await said(home, ["-v", `${folder}:/f:ro`], "stat -c '%a %u:%g' /f/made /f/sticky/theirs");
  expect(again).toBe("4755 1000:1001\n644 1000:1000\n");
});

onQemu(
  "root of the guest may what the user may, whatever modes say; a read-only folder is left alone",
  async () => {
    const folder = home.folder();
    writeFileSync(`${folder}/shut`, "shut\n");
    home.own(folder);
    chmodSync(`${folder}/shut`, 0);
    const work =
      "cd /f; cat shut; mkdir -m 555 d 2>/dev/null; echo x > d/x; cat d/x; rm -r d; stat -c %a shut; touch new; rm shut";
    expect(await said(home, ["-v", `${folder}:/f:ro`], work)).toMatch(
      /^cat: can't open 'shut': Permission denied\n/m,
    );
    expect(readdirSync(folder)).toEqual(["shut"]);
    expect(await said(home, ["-v", `${folder}:/f`], work)).toBe("shut\nx\n0\n");
    expect(readdirSync(folder)).toEqual(["new"]);
  },
);

if (process.getuid?.() === 0) {
  onQemu("what others have in a user's folder is nobody's in the guest, and stays shut", async () => {
    const folder = home.folder();
    writeFileSync(`${folder}/others`, "secret\n", { mode: 0o600 });
    writeFileSync(`${folder}/readable`, "open\n", { mode: 0o644 });
    const script =
      "cd /f; stat -c '%u:%g' others; cat others; cat readable; echo x >> readable; chown 0 readable";
    const output = await said(home, ["-v", `${folder}:/f`], script);
    expect(output).toStartWith("65534:65534\nopen\n");
    expect(output).not.toContain("secret");
    expect(readFileSync(`${folder}/readable`, "utf8")).toBe("open\n");
    expect(statSync(`${folder}/readable`).uid).toBe(0);
  });
}

for (const [who, machines] of [
  ["root", root],
  ["a user", home],
] as const)
  onQemu(`an empty volume gets what the image has there, with owners and modes: of ${who}`, async () => {
    const list = "find . | sort | xargs stat -c '%n %a %u:%g %s' | grep -v '^. '";
    const image = await said(machines, [], `cd /etc/apk && ${list}`);
    expect(image.split("\n").length).toBeGreaterThan(5);
    const first = `cd /etc/apk && ${list}; rm world; chown 7:8 arch; echo mine > arch`;
    const files = (text: string) => text.replaceAll(/(\d+:\d+) \d+$/gm, "$1");
    expect(files(await said(machines, ["-v", "filled:/etc/apk"], first))).toBe(files(image));
    // It is filled once: what was changed stays changed, and what was removed does not come back.
    const later = await said(
      machines,
      ["-v", "filled:/etc/apk"],
      `cd /etc/apk && cat arch; stat -c %u:%g arch; ls world`,
    );
    expect(later).toBe("mine\n7:8\nls: world: No such file or directory\n");
    // Not where the machine may not write, and nothing over what is there.
    await said(machines, ["-v", "unfilled:/etc/apk:ro"], "true");
    const volume = (name: string) => `${machines.env.XDG_DATA_HOME}/smolvm/volumes/${name}`;
    expect(readdirSync(volume("unfilled"))).toEqual([]);
    expect(existsSync(`${volume("filled")}/world`)).toBe(false);
    for (const name of ["filled", "unfilled"]) await machines.smolvm(["volume", "rm", name]);
  });
