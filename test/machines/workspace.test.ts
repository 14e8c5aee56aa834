import { describe, expect } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { SMALL, useMachines } from "../support/machines.ts";
import { onBoth, onQemu } from "../support/register.ts";

/** Folders of the host that a guest may change without changing them. */

const home = useMachines();
const folder = `${home.path}/shop`;

function makeFolder(): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(`${folder}/lib`, { recursive: true });
  writeFileSync(`${folder}/lib/tax.js`, "export const rate = 0.19;\n");
  writeFileSync(`${folder}/lib/old.js`, "old\n");
  writeFileSync(`${folder}/README`, "shop\n");
  symlinkSync("README", `${folder}/LIESMICH`);
}

/** What the host has, by path. */
function hostTree(): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const path of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const stat = lstatSync(`${folder}/${path}`);
    tree[path] = stat.isFile() ? readFileSync(`${folder}/${path}`, "utf8") : stat.isDirectory() ? "/" : "->";
  }
  return tree;
}

const status = async (...words: string[]) =>
  (await home.ok("diff", "agent", "--name-status", ...words)).trimEnd().split("\n");

onBoth(
  "a guest changes a folder; the host shows what, takes some of it and drops the rest",
  async () => {
    makeFolder();
    const before = hostTree();
    await home.create("agent", "-v", `${folder}:/src:overlay`);
    expect(await home.ok("diff", "agent")).toBe("");
    await home.ok("start", "agent");
    await home.sh(
      "agent",
      `cd /src && sed -i s/0.19/0.20/ lib/tax.js && rm lib/old.js && mv README readme.md && ln -s /etc/passwd out &&
      mkdir -p build/deep && echo x > build/deep/x && chmod 700 build && cat lib/tax.js`,
    );
    expect(hostTree()).toEqual(before);
    expect(await status()).toEqual([
      "A build/",
      "A build/deep/",
      "A build/deep/x",
      "D lib/old.js",
      "M lib/tax.js",
      "A out  (a link to /etc/passwd, outside)",
      "R README -> readme.md",
    ]);
    expect(await home.ok("diff", "agent", "lib/tax.js")).toBe(
      [
        ...["diff --git a/lib/tax.js b/lib/tax.js", "--- a/lib/tax.js", "+++ b/lib/tax.js", "@@ -1 +1 @@"],
        ...["-export const rate = 0.19;", "+export const rate = 0.20;", ""],
      ].join("\n"),
    );
    expect(await home.ok("apply", "agent", "-y", "/src/lib")).toBe("Applied 2 changes\n");
    expect(hostTree()).toEqual({
      ...Object.fromEntries(Object.entries(before).filter(([path]) => path !== "lib/old.js")),
      "lib/tax.js": "export const rate = 0.20;\n",
    });
    // The guest goes on with it, and sees what the host does with what was applied.
    writeFileSync(`${folder}/lib/tax.js`, "export const rate = 0.21;\n");
    writeFileSync(`${folder}/lib/new.js`, "new\n");
    await Bun.sleep(1000);
    expect(await home.sh("agent", "cat /src/lib/tax.js /src/lib/new.js")).toBe(
      "export const rate = 0.21;\nnew\n",
    );
    expect(await home.ok("discard", "agent", "-y")).toBe("Discarded 5 changes\n");
    await Bun.sleep(1000);
    expect(await home.sh("agent", "ls /src /src/lib; cat /src/README")).toBe(
      "/src:\nLIESMICH\nREADME\nlib\n\n/src/lib:\nnew.js\ntax.js\nshop\n",
    );
    await home.ok("delete", "-f", "agent");
    expect(existsSync(`${folder}/README`)).toBe(true);
  },
  120,
);

describe("a workspace", () => {
  onQemu("outlives a stop; conflicts stay on both sides, and decide the exit code", async () => {
    makeFolder();
    await home.create("agent", "-v", `${folder}:/src:overlay`);
    await home.ok("start", "agent");
    await home.sh(
      "agent",
      "cd /src && echo guest > README && echo more > notes && echo run > .envrc && sync",
    );
    await home.ok("stop", "agent");
    writeFileSync(`${folder}/README`, "host\n");
    expect(await home.ok("diff", "agent", "README")).toStartWith(
      "# conflict: README: the host has changed it meanwhile\ndiff --git a/README b/README\n",
    );
    const refused = await home.machine(["apply", "agent", "-y", "--atomic"]);
    expect(refused).toMatchObject({ exitCode: 1, output: "Applied 0 changes; 1 change not\n" });
    expect(existsSync(`${folder}/notes`)).toBe(false);
    const applied = await home.machine(["apply", "agent", "-y"]);
    expect(applied).toMatchObject({
      exitCode: 1,
      output: "Applied 2 changes; 1 change not\n",
      stderr:
        "note: shells may run commands of .envrc\nnot applied: README: the host has changed it meanwhile\n",
    });
    expect([readFileSync(`${folder}/README`, "utf8"), readFileSync(`${folder}/notes`, "utf8")]).toEqual([
      "host\n",
      "more\n",
    ]);
    const [change] = JSON.parse(await home.ok("diff", "agent", "--json"));
    expect(change).toEqual({
      ...{ workspace: "/src", path: "README", status: "modified", renamed_from: null, kind: "file" },
      ...{ old_mode: "100644", new_mode: "100644", size: 6, conflict: "changed" },
    });
    await home.ok("start", "agent");
    expect(await home.sh("agent", "cat /src/README /src/notes")).toBe("guest\nmore\n");
    const kept = await home.smolvm(["machine", "delete", "agent"], { stdin: Buffer.from("n\n") });
    expect(kept.stderr).toContain("1 change in its workspace /src would be lost");
    await home.ok("stop", "agent");
    const removal = await home.refusal("update", "agent", "--remove-volume", "/src");
    expect(removal.code).toBe("workspace.has_changes");
    await home.ok("clone", "agent", "other");
    expect(await home.ok("diff", "other", "--name-only")).toBe("README\n");
    await home.deleteAll();
  });

  onQemu("of a throw-away machine is gone with it, and that is said", async () => {
    makeFolder();
    const before = hostTree();
    const words = [...SMALL, "-v", `${folder}:/src:overlay`, "--", "sh", "-c", "rm -r /src/*; ls /src"];
    const run = await home.machine(["run", ...words]);
    expect(run).toMatchObject({ exitCode: 0, output: "" });
    expect(run.stderr).toContain("note: what is changed in /src is lost at the end");
    expect(await home.machine(["run", "-q", ...words])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(hostTree()).toEqual(before);
  });

  onQemu("lets no guest out: links and names of root's in it stay names", async () => {
    makeFolder();
    writeFileSync(`${home.path}/secret`, "precious\n");
    await home.create("agent", "-v", `${folder}:/src:overlay`);
    await home.ok("start", "agent");
    const said = await home.sh(
      "agent",
      `cd /src && rm -r lib && ln -s ../.. lib && ln -s ${home.path} abs && mkdir a && cd a && ln -s ../../secret b &&
      cd .. && cat lib/secret abs/secret a/b 2>/dev/null; mknod dev b 8 0 2>/dev/null || echo no device;
      touch "$(printf 'x\\ny')" "$(printf '\\033[2Jz')" && mkdir -p ..x/.../. && echo in > ..x/.../f`,
    );
    expect(said).toBe("no device\n");
    const diff = await home.ok("diff", "agent");
    expect(diff).not.toContain("precious");
    expect(diff).not.toContain("\x1b");
    expect(await home.ok("apply", "agent", "-y")).toMatch(/^Applied \d+ changes\n$/);
    expect(readFileSync(`${home.path}/secret`, "utf8")).toBe("precious\n");
    expect(lstatSync(`${folder}/lib`).isSymbolicLink()).toBe(true);
    // What is put behind a link now would be outside.
    await home.sh("agent", "cd /src && rm lib && mkdir lib && echo guest > lib/secret");
    symlinkSync(home.path, `${folder}/lib2`);
    const again = await home.machine(["apply", "agent", "-y"]);
    expect(again.exitCode).toBe(0);
    expect(readFileSync(`${home.path}/secret`, "utf8")).toBe("precious\n");
    expect(readFileSync(`${folder}/lib/secret`, "utf8")).toBe("guest\n");
    await home.deleteAll();
  });
});
