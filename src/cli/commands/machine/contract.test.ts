/** What scripts rely on of the commands about machines, as far as nothing has to run for it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { CliHome } from "../../cli.fixture.ts";

/** Each test starts programs, on machines that are busy with other tests. */
setDefaultTimeout(60_000);

let home: CliHome;
beforeAll(() => {
  home = new CliHome();
});
afterAll(() => home[Symbol.dispose]());

const run = (...argv: string[]) => home.smolvm(argv);
const stdoutOf = (...argv: string[]): string => {
  const { exitCode, stdout, stderr } = run(...argv);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout;
};
const create = (name: string, ...more: string[]) => stdoutOf("machine", "create", "--name", name, ...more);
const names = () => stdoutOf("machine", "ls", "-q").split("\n").slice(0, -1);

describe("machine create", () => {
  test("says what was made, and what to do next", () => {
    expect(create("made")).toBe(
      [
        "Created machine: made",
        `  CPUs: ${Math.min(4, navigator.hardwareConcurrency)}, Memory: 8192 MiB`,
        "Use 'smolvm machine start --name made' to start the machine",
        "Then use 'smolvm machine exec --name made -- <command>' to run commands",
        "",
      ].join("\n"),
    );
    expect(create("init", "--init", "a", "--init", "b")).toContain("\n  Init commands: 2\n");
    expect(stdoutOf("machine", "create")).toMatch(/^Created machine: vm-[0-9a-f]{8}\n/);
    expect(stdoutOf("machine", "create", "positional")).toStartWith("Created machine: positional\n");
  });

  test("tells about options that came after --", () => {
    const argv = [
      "machine",
      "create",
      "notes",
      "--",
      "sh",
      "-e",
      "A=1",
      "--mem",
      "512",
      "--cpus=2",
      "--mem",
      "1",
    ];
    const { exitCode, stdout, stderr } = run(...argv);
    expect({ exitCode, stdout: stdout.split("\n")[0] }).toEqual({
      exitCode: 0,
      stdout: "Created machine: notes",
    });
    expect(stderr).toMatch(/^note: --mem, --cpus came after `--`.*\n$/);
    const { cmd, memory_mib } = JSON.parse(stdoutOf("machine", "status", "notes", "--json"));
    expect({ cmd, memory_mib }).toEqual({ cmd: argv.slice(4), memory_mib: 8192 });
  });

  test("takes the one backend by its name, with and without a policy", () => {
    create("backend", "--net", "--net-backend", "virtio-net");
    create("backend-too", "--net", "--net-backend", "virtio-net", "--allow-cidr", "10.0.0.0/8");
    const [, policy] = JSON.parse(stdoutOf("machine", "inspect", "backend", "backend-too"));
    expect(policy).toMatchObject({
      network: true,
      network_policy: { egress: "list", allow_cidrs: ["10.0.0.0/8"] },
    });
  });

  test("takes names of 128 characters", () => {
    for (const length of [1, 128]) {
      const name = "n".repeat(length);
      create(name);
      expect(stdoutOf("machine", "ls")).toMatch(new RegExp(`^${name} `, "m"));
      expect(stdoutOf("machine", "delete", "-f", name)).toContain(`Deleted machine: ${name}\n`);
    }
  });

  test.each([
    ["too long: 200 characters (max 128)", "--name", "n".repeat(200)],
    ["memory must be at least 64 MiB (got 1 MiB)", "--name", "refused", "--mem", "1"],
    ["memory must be at least 64 MiB (got 0 MiB)", "--name", "refused", "--mem", "0"],
    ["must be at least 1", "--name", "refused", "--cpus", "0"],
    ["storage must be at least 1 GiB", "--name", "refused", "--storage", "0"],
    ["overlay must be at least 1 GiB", "--name", "refused", "--overlay", "0"],
    ["no such file", "--name", "refused", "-s", "/no/such/Smolfile"],
    ["unexpected argument: alpine", "refused", "alpine"],
    ["is invalid", "--name", "refused", "--allow-cidr", "10.0.0.0/33"],
    ["is invalid", "--name", "refused", "--allow-host", "two words"],
    ["is invalid", "--name", "refused", "--dns", "resolver.test"],
    ["is invalid", "--name", "refused", "-p", "80:0"],
    ["published twice", "--name", "refused", "-p", "80:80", "-p", "80:81"],
    ["virtio-net", "--name", "refused", "--net-backend", "tsi", "--allow-cidr", "10.0.0.0/8"],
    ["has no effect", "--name", "refused", "--net-backend", "virtio-net"],
    ["--no-net", "--name", "refused", "--no-net", "--net"],
  ] as [string, ...string[]][])("refuses at once and keeps nothing: %s", (text, ...argv: string[]) => {
    const before = names();
    const { exitCode, stdout, stderr } = run("machine", "create", ...argv);
    expect(exitCode).not.toBe(0);
    expect(stdout).toBe("");
    expect(stderr).toContain(text);
    expect(names()).toEqual(before);
  });

  test("takes upstream's other backend for the only one, and says so", () => {
    const { exitCode, stderr } = run("machine", "create", "tsi", "--net", "--net-backend", "tsi");
    expect(exitCode).toBe(0);
    expect(stderr).toBe("note: --net-backend tsi is taken for virtio-net, which is the only one\n");
  });

  test("is content with a machine that is like that, and names what is different", () => {
    create("again", "--cpus", "1");
    expect(run("machine", "create", "again").stderr).toStartWith("error: machine 'again' already exists\n");
    const same = ["machine", "create", "again", "--cpus", "1", "--if-not-exists"];
    expect(stdoutOf(...same)).toStartWith("Machine 'again' exists, and is what was asked for\n");
    const other = run("machine", "create", "again", "--cpus", "2", "--if-not-exists");
    expect(other).toMatchObject({ exitCode: 1, stdout: "" });
    expect(other.stderr).toContain("cpus (1, not 2)");
  });
});

describe("machine ls and status", () => {
  test("text is for grep and awk: the name from the first column, the state as the second word", () => {
    create("ls-probe-test");
    expect(stdoutOf("machine", "ls")).toMatch(/^ls-probe-test +created /m);
    expect(stdoutOf("machine", "ls")).not.toContain("\u001b");
  });

  test("JSON is indented by two, with a space behind the colon", () => {
    create("json-probe");
    expect(stdoutOf("machine", "ls", "--json")).toContain(
      '\n    "name": "json-probe",\n    "state": "created",\n',
    );
    const status = stdoutOf("machine", "status", "--name", "json-probe", "--json");
    expect(status).toStartWith('{\n  "name": "json-probe",\n  "state": "created",\n');
  });

  test("--verbose has a line for each command, variable and directory", () => {
    create("verbose", "--init", "echo hi", "-e", "A=1", "-w", "/srv");
    const text = stdoutOf("machine", "ls", "--verbose");
    for (const line of ["Init: echo hi", "Env: A=1", "Workdir: /srv"])
      expect(text).toContain(`\n  ${line}\n`);
  });

  test("the default machine need not be there", () => {
    expect(stdoutOf("machine", "status")).toBe("Machine 'default': not running\n");
    expect(JSON.parse(stdoutOf("machine", "status", "--json"))).toMatchObject({
      name: "default",
      state: "stopped",
    });
    expect(stdoutOf("machine", "stop")).toBe("Machine 'default' is not running\n");
    expect(JSON.parse(stdoutOf("machine", "stop", "--json"))).toMatchObject({ state: "stopped" });
  });

  test("what leaves early does not make it fail", () => {
    const script = `set -o pipefail; for i in 1 2 3; do "$BUN" "$MAIN" machine ls --json | head -c 1 >/dev/null || exit 1; done`;
    expect(home.shell(script).exitCode).toBe(0);
  });
});

describe("a machine that is not there", () => {
  test.each([
    ["start", 1],
    ["stop", 1],
    ["delete", 1],
    ["status", 1],
    ["update", 1],
    ["resize", 1],
    ["monitor", 1],
    ["images", 1],
    ["prune", 1],
    ["exec", 125],
    ["shell", 125],
    ["logs", 1],
    ["ps", 1],
    ["wait", 1],
    ["kill", 1],
  ])("%s says so on stderr", (command, code) => {
    const more: Record<string, string[]> = {
      resize: ["--storage", "30"],
      exec: ["--", "true"],
      delete: ["-f"],
    };
    const { exitCode, stdout, stderr } = run(
      "machine",
      command,
      "--name",
      "nobody",
      ...(more[command] ?? []),
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: "" });
    expect(stderr).toStartWith("error: vm not found: nobody\n");
    expect(stderr).not.toContain("is not running");
    expect(names()).not.toContain("nobody");
  });

  test("has a data directory all the same, of its own", () => {
    const path = stdoutOf("machine", "data-dir", "--name", "nobody").trimEnd();
    expect(path).toMatch(/^\/.*\/nobody\//);
    expect(existsSync(path)).toBe(false);
    expect(JSON.parse(stdoutOf("machine", "data-dir", "nobody", "--json"))).toEqual({ name: "nobody", path });
  });

  test.each([[["--json"]], [["--error-format", "json"]]])("with %j the error is JSON", (option) => {
    const { exitCode, stdout, stderr } = run("machine", "status", "nobody", ...option);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(JSON.parse(stderr).error).toMatchObject({
      code: "machine.not_found",
      message: "vm not found: nobody",
    });
  });
});

test("exec and start do not make or start what stands still", () => {
  create("still");
  expect(run("machine", "exec", "--name", "still", "--", "true")).toEqual({
    exitCode: 125,
    stdout: "",
    stderr: "error: machine 'still' is not running\nhint: smolvm machine start --name still\n",
  });
  expect(run("machine", "exec", "--name", "still")).toMatchObject({ exitCode: 2, stdout: "" });
  expect(stdoutOf("machine", "stop", "still")).toBe("Machine 'still' is not running (state: created)\n");
});

test("a name that stands where exec expects a command is recognized", () => {
  create("mistaken");
  const { stderr } = run("machine", "exec", "mistaken", "--timeout", "5", "--", "ls");
  expect(stderr).toBe(
    [
      "error: vm not found: default",
      "hint: if mistaken is meant as the machine: smolvm machine exec [OPTIONS] --name mistaken -- COMMAND",
      "",
    ].join("\n"),
  );
});

describe("machine update and resize", () => {
  test("say what has changed", () => {
    create("change", "--cpus", "1", "-e", "A=1");
    const text = stdoutOf("machine", "update", "change", "--cpus", "2", "-e", "B=hidden", "--storage", "30");
    expect(text).toBe(
      [
        "Updated machine 'change':",
        "  cpus: 1 → 2",
        "  storage: 20 GiB → 30 GiB",
        "  env: A, B",
        "Changes take effect at the next start: smolvm machine start --name change",
        "",
      ].join("\n"),
    );
    expect(stdoutOf("machine", "update", "change")).toBe("No changes specified.\n");
    expect(stdoutOf("machine", "update", "change", "--cpus", "2")).toStartWith("No changes needed");
  });

  test("grow disks, and shrink none", () => {
    create("size");
    const { exitCode, stdout, stderr } = run(
      "machine",
      "resize",
      "size",
      "--storage",
      "30",
      "--overlay",
      "12",
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "Resizing machine 'size'...\n" });
    expect(stdout).toBe(
      [
        "Resized machine 'size':",
        "  overlay: 10 GiB → 12 GiB",
        "  storage: 20 GiB → 30 GiB",
        "Filesystem will expand on next boot.",
        "Machine 'size' resized successfully: Overlay 12 GiB, Storage 30 GiB",
        "",
      ].join("\n"),
    );
    expect(run("machine", "resize", "size", "--storage", "30").stdout).toBe("No disk changes needed.\n");
    const smaller = run("machine", "resize", "size", "--storage", "5");
    expect(smaller).toMatchObject({ exitCode: 1, stdout: "" });
    expect(smaller.stderr).toContain(
      "storage disk cannot be shrunk from 30 GiB to 5 GiB. Only expanding is supported to prevent data loss.",
    );
    expect(smaller.stderr).toContain("larger");
    expect(run("machine", "resize", "size").exitCode).toBe(2);
    expect(JSON.parse(run("machine", "resize", "size", "--storage", "31", "--json").stdout)).toMatchObject({
      storage_gb: 31,
    });
  });
});

describe("machine delete", () => {
  const answer = (stdin: string | undefined, ...more: string[]) =>
    home.smolvm(["machine", "delete", ...more], { stdin });

  test("asks on stderr; whatever is not yes is no", () => {
    create("asked");
    for (const stdin of ["n", "\n", "yesterday\n"]) {
      const { exitCode, stdout, stderr } = answer(stdin, "asked");
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "Cancelled\n" });
      expect(stderr).toBe("Delete machine 'asked'? [y/N] \n");
    }
    const script = `printf '' | "$BUN" "$MAIN" machine delete asked`;
    expect(home.shell(script)).toMatchObject({ exitCode: 0, stdout: "Cancelled\n" });
    expect(names()).toContain("asked");
    expect(answer("Yes\n", "asked")).toMatchObject({
      exitCode: 0,
      stdout: "Cleaning up data directory for vm: asked\nDeleted machine: asked\n",
    });
    expect(names()).not.toContain("asked");
  });

  test("asks once for each", () => {
    for (const name of ["one", "two", "three"]) create(name);
    expect(answer("y\nn\ny", "one", "two", "three").stdout).toBe(
      [
        ...["Cleaning up data directory for vm: one", "Deleted machine: one", "Cancelled"],
        ...["Cleaning up data directory for vm: three", "Deleted machine: three", ""],
      ].join("\n"),
    );
    expect(names()).toContain("two");
  });

  test("refuses where nobody can answer, and names what does it without", () => {
    create("alone");
    const { exitCode, stdout, stderr } = answer(undefined, "--name", "alone");
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain("-f");
    expect(names()).toContain("alone");
    expect(stdoutOf("machine", "rm", "-f", "alone", "--json")).toBe(
      '{\n  "deleted": [\n    "alone"\n  ]\n}\n',
    );
  });
});
