import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { Home, run, systemdPlan, unitIn } from "./autostart.fixture.ts";
import type { Service } from "./service.ts";
import { systemdUnit } from "./systemd.ts";

const service: Service = {
  machine: "web",
  program: "/usr/local/bin/smolvm",
  environment: { PATH: "/usr/bin:/bin", SMOLVM_AUTOSTART: "1" },
  stopTimeoutMs: 10_000,
};

const write = (home: Home, text: string, name = "smolvm-web.service") => {
  mkdirSync(home.units, { recursive: true });
  writeFileSync(`${home.units}/${name}`, text);
};

/** systemd-analyze, which also looks whether the program is there. */
const verify = async (home: Home) =>
  (await run(["systemd-analyze", "--user", "verify", `${home.units}/smolvm-web.service`], home)).stderr;

test("the whole unit", () => {
  expect(systemdUnit(service)).toMatchInlineSnapshot(`
    "# Written by \`smolvm machine enable\`, removed by \`smolvm machine disable\`.
    [Unit]
    Description=smolvm machine web

    [Service]
    Type=oneshot
    RemainAfterExit=yes
    Environment="PATH=/usr/bin:/bin"
    Environment=SMOLVM_AUTOSTART=1
    ExecStart=/usr/local/bin/smolvm machine start --name web
    ExecStop=/usr/local/bin/smolvm machine stop --name web
    TimeoutStartSec=infinity
    TimeoutStopSec=70
    OOMPolicy=continue

    [Install]
    WantedBy=default.target
    "
  `);
});

test("systemd reads it as it is meant", async () => {
  using home = new Home();
  const program = `${home.path}/smolvm`;
  copyFileSync("/bin/true", program);
  const stopTimeoutMs = Number.MAX_SAFE_INTEGER;
  write(home, systemdUnit({ ...service, program, stopTimeoutMs }));
  write(home, "[Unit]\nDescription=x\nWants=smolvm-web.service\n", "default.target");
  expect(await verify(home)).toBe("");
  const unit = unitIn(await systemdPlan(home), "smolvm-web.service");
  for (const line of [
    "Description: smolvm machine web",
    "Type: oneshot",
    "RemainAfterExit: yes",
    "TimeoutStartSec: infinity",
    "OOMPolicy: continue",
    `Command Line: ${program} machine start --name web`,
    `Command Line: ${program} machine stop --name web`,
  ])
    expect(unit).toContain(`${line}\n`);
  expect(unit).toMatch(/TimeoutStopSec: 285\d{3}y/);
});

test("every variable arrives as it is, whatever is in it", async () => {
  const piece = fc.constantFrom(
    "%",
    "%h",
    "%%",
    "\\",
    "\\n",
    '"',
    "'",
    "$",
    "$HOME",
    "\n",
    "\t",
    " ",
    ";",
    "#",
    "ü",
    "=",
  );
  const value = fc.oneof(
    fc.array(piece, { minLength: 1, maxLength: 6 }).map((list) => list.join("")),
    fc
      .string({ unit: "binary", minLength: 1 })
      .filter((text) => !/(?![\t\n])\p{Cc}|\p{Noncharacter_Code_Point}/u.test(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 60 }), async (values) => {
      using home = new Home();
      const environment = Object.fromEntries(values.map((text, index) => [`V${index}`, text]));
      write(home, systemdUnit({ ...service, program: "/bin/true", environment }));
      write(home, "[Unit]\nDescription=x\nWants=smolvm-web.service\n", "default.target");
      const unit = unitIn(await systemdPlan(home), "smolvm-web.service");
      for (const [index, text] of values.entries())
        expect(unit).toContain(`\t\tEnvironment: V${index}=${text}\n`);
    }),
    { numRuns: 10 },
  );
}, 60_000);

test("a program is found whatever its path, or the unit is refused", async () => {
  const piece = fc.constantFrom(
    "%",
    "%h",
    "%%",
    "$",
    "$HOME",
    "$" + "{HOME}",
    " ",
    ";",
    "#",
    "ü",
    "@",
    "-",
    "a",
    "=",
    "*",
    "~",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 8 }), async (pieces) => {
      using home = new Home();
      const program = `${home.path}/${pieces.join("")}/smol vm${pieces.join("")}`;
      mkdirSync(`${home.path}/${pieces.join("")}`);
      copyFileSync("/bin/true", program);
      write(home, systemdUnit({ ...service, program }));
      expect(await verify(home)).toBe("");
    }),
    { numRuns: 10 },
  );
  for (const character of ['"', "'", "\\", "\n", "\x7f", "\udc80"])
    expect(() => systemdUnit({ ...service, program: `/opt/${character}/smolvm` })).toThrow(
      expect.objectContaining({ code: "autostart.bad_text" }),
    );
}, 60_000);

test("a variable that no unit can have is refused", () => {
  for (const value of ["\x01", "\r", "\x7f", "\udc80", "\ufdd0", "\u{1ffff}"])
    expect(() => systemdUnit({ ...service, environment: { SMOLVM_DATA_DIR: `/data/${value}` } })).toThrow(
      expect.objectContaining({ code: "autostart.bad_text" }),
    );
});
