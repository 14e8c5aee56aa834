import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { program } from "../support/program.ts";
import { onQemu, useHome } from "../support/register.ts";

/** Hosts that lack layers: what there is is in force, the rest is named with what to do, and machines run. */

const home = useHome();
const directory = mkdtempSync(`${tmpdir()}/smolvm-lesser-`);
const wrapper = `${directory}/lesser-host`;

beforeAll(() => {
  const compiled = Bun.spawnSync([
    ...["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", wrapper],
    `${import.meta.dir}/lesser-host.c`,
  ]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const hosts = {
  old: {
    without: { landlock: "Linux 5.13" },
    line: /^seccomp, namespaces(, user)?(, cgroup)?; without landlock(, cgroup)? \(auto\)$/,
  },
  container: {
    without: { namespaces: "in a container, from outside it" },
    line: /^landlock, seccomp(, cgroup)?; without namespaces(, user)?(, cgroup)? \(auto\)$/,
  },
  apparmor: {
    without: { namespaces: "kernel.apparmor_restrict_unprivileged_userns=0" },
    line: /^landlock, seccomp(, cgroup)?; without namespaces(, user)?(, cgroup)? \(auto\)$/,
  },
} as const;

describe.each(Object.entries(hosts))("a host like %s", (host, { without, line }) => {
  /** A cache of its own: what is found out here is no other start's. */
  const smolvm = (...words: string[]) => {
    const env = { ...home.env, XDG_CACHE_HOME: `${directory}/${host}`, SMOLVM_CONFINE: "" };
    const child = Bun.spawnSync([wrapper, host, program, ...words], { env, cwd: home.path });
    return { output: child.stdout.toString(), stderr: child.stderr.toString(), exitCode: child.exitCode };
  };

  onQemu("runs machines with the layers that it has, and says which are missing", async () => {
    const words = ["machine", "run", "-q", "--cpus", "1", "--mem", "256"];
    const { output, stderr, exitCode } = smolvm(...words, "--timings", "--", "echo", "hi");
    expect({ output, exitCode }).toEqual({ output: "hi\n", exitCode: 0 });
    expect(/^confined by {2}(.*)$/m.exec(stderr)?.[1]).toMatch(line);
    const layers: { name: string; inForce: boolean; fix: string | null }[] = JSON.parse(
      smolvm("doctor", "--json").output,
    ).confinement;
    for (const [name, fix] of Object.entries(without)) {
      expect(layers).toContainEqual(
        expect.objectContaining({ name, inForce: false, fix: expect.stringContaining(fix) }),
      );
    }
    const required = smolvm("--error-format", "json", ...words, "--confine", "require", "--", "true");
    expect(required.exitCode).toBe(125);
    expect(required.stderr).toContain('"confine.missing"');
  });
});
