import { describe, expect, test } from "bun:test";
import { defaultSpec, newRecord } from "../../machine/model/index.ts";
import { describeDetached, describeStart } from "./start.ts";

const recordOf = (changes: object) => newRecord({ ...defaultSpec("web"), ...changes }, 0);
const started = { record: recordOf({}), started: true, skipped: false, pid: 7 };

describe("machine start", () => {
  test("of a bare machine", () => {
    expect(describeStart("web", started)).toBe("Started machine: web\nMachine 'web' running (PID: 7)\n");
  });

  test("of an image names it, with what the machine runs instead of its command", () => {
    const record = recordOf({ image: "alpine:3", entrypoint: ["sh"], cmd: ["-c", "a\nb"] });
    expect(describeStart("web", { ...started, record })).toBe(
      "Started machine: web\n  container: alpine:3 -- sh -c a b\nMachine 'web' running (PID: 7)\n",
    );
    expect(describeStart("web", { ...started, record: recordOf({ image: "alpine:3" }) })).toContain(
      "\n  container: alpine:3\n",
    );
  });

  test("of one that runs, or that its user has stopped", () => {
    expect(describeStart("web", { ...started, started: false })).toBe(
      "Machine 'web' already running (PID: 7)\n",
    );
    expect(describeStart("web", { ...started, started: false, skipped: true, pid: 0 })).toBe(
      "Machine 'web' was stopped by its user, and its restart policy leaves it so\n",
    );
  });
});

describe("machine run -d", () => {
  const first = (image: string | null, named: boolean) =>
    describeDetached({ name: "web", image }, { named, pid: 7 }).split("\n")[0];

  test("says in its first line what scripts look for", () => {
    expect(first(null, false)).toBe("Machine running (PID: 7)");
    expect(first(null, true)).toBe("Machine 'web' running (PID: 7)");
    expect(first("alpine", false)).toBe("Machine running in background");
    expect(first("alpine", true)).toBe("Machine 'web' running in background");
  });

  test("says how to use and how to stop it", () => {
    const text = describeDetached({ name: "web", image: null }, { named: true, pid: 7 });
    expect(text).toContain("smolvm machine exec --name web -- <command>\n");
    expect(text).toEndWith("smolvm machine stop --name web\n");
  });
});
