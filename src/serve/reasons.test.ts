import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { SmolError } from "../errors.ts";
import { hiddenWords, problemAnswer, problemOf, Refused } from "./errors.ts";
import { isPrivate, reasons, UNASKED } from "./reasons.ts";

const paper = readFileSync(`${import.meta.dir}/../../docs/errors.md`, "utf8");
const documented = paper
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`([a-z_]+\.[a-z_]+)`/g)])
  .map(([, code]) => code as string);
const areaOf = (code: string) => code.split(".")[0] ?? "";

describe("the codes of answers", () => {
  test("stand for each documented error, once, and for no other", () => {
    const listed = reasons.map(([reason]) => reason);
    expect(documented.length).toBeGreaterThan(200);
    expect(listed.toSorted()).toEqual(documented.filter((code) => !UNASKED.has(areaOf(code))).toSorted());
  });

  test.each([
    ["machine.not_found", 404, "NOT_FOUND"],
    ["machine.exists", 409, "CONFLICT"],
    ["machine.boot_failed", 409, "CONFLICT"],
    ["engine.no_memory", 409, "CONFLICT"],
    ["secret.not_set", 409, "CONFLICT"],
    ["port.in_use", 409, "PORT_IN_USE"],
    ["port.not_allowed", 403, "FORBIDDEN"],
    ["registry.denied", 403, "FORBIDDEN"],
    ["network.unresolved", 400, "BAD_REQUEST"],
    ["network.busy", 503, "UNAVAILABLE"],
    ["run.timeout", 408, "TIMEOUT"],
    ["copy.limit", 413, "PAYLOAD_TOO_LARGE"],
    ["copy.malformed", 502, "BAD_GATEWAY"],
    ["copy.guest_full", 507, "NO_SPACE"],
  ])("%s is told as it is: %d", async (reason, status, code) => {
    const error = new SmolError(reason, "words", { hint: "do so" });
    const answer = problemAnswer(problemOf(error), error);
    const body: unknown = await answer.json();
    expect([answer.status, body]).toEqual([status, { error: "words", code, reason, hint: "do so" }]);
    expect(hiddenWords(error)).toBeUndefined();
  });

  const hidden = reasons.filter(([reason, code]) => code === "INTERNAL_ERROR" || isPrivate(reason));
  test.each([...hidden.map(([reason]) => reason), "nobody.knows", "cli.bad_value"])(
    "%s keeps its words for the log",
    (reason) => {
      const error = new SmolError(reason, "/home/ada/x", { hint: "look at /home/ada" });
      expect(problemOf(error)).toMatchObject({ reason, error: expect.stringContaining("x-trace-id") });
      expect(JSON.stringify(problemOf(error))).not.toContain("/home/ada");
      expect(hiddenWords(error)).toBe("SmolError: /home/ada/x");
    },
  );

  test("a bug is a failure of this side; what was refused is told", () => {
    expect(problemOf(new TypeError("x is undefined"))).toMatchObject({ code: "INTERNAL_ERROR" });
    expect(hiddenWords(new TypeError("x is undefined"))).toBe("TypeError: x is undefined");
    expect(problemOf(new Refused("NOT_FOUND", "nothing"))).toEqual({ error: "nothing", code: "NOT_FOUND" });
  });
});
