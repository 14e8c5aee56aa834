import { describe, expect, test } from "bun:test";
import { array, assert, constantFrom, property, string, tuple } from "fast-check";
import { parseChallenges } from "./challenge.ts";

const read = (header: string | null) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe("WWW-Authenticate (RFC 9110, 11.6.1)", () => {
  const headers: Readonly<Record<string, unknown[]>> = {
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"':
      [
        [
          "bearer",
          {
            realm: "https://auth.docker.io/token",
            service: "registry.docker.io",
            scope: "repository:a/b:pull,push",
          },
        ],
      ],
    'Basic realm="Registry Realm"': [["basic", { realm: "Registry Realm" }]],
    // The example of the RFC.
    'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""': [
      ["basic", { realm: "simple" }],
      ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
    ],
    'Negotiate, Basic realm="x"': [
      ["negotiate", {}],
      ["basic", { realm: "x" }],
    ],
    'Negotiate a87421000492aa874209af8bc028==, Bearer realm="x"': [
      ["negotiate", {}],
      ["bearer", { realm: "x" }],
    ],
    'NTLM , , bearer   REALM = "x" ,, Service=y': [
      ["ntlm", {}],
      ["bearer", { realm: "x", service: "y" }],
    ],
    "Bearer realm=https://auth.example/token,service=s": [
      ["bearer", { realm: "https://auth.example/token", service: "s" }],
    ],
    'Bearer realm="a",realm="b"': [["bearer", { realm: "a" }]],
    'Bearer realm="a\\\\b\\,c"': [["bearer", { realm: "a\\b,c" }]],
    'Bearer realm=""': [["bearer", { realm: "" }]],
    // Half of the offers is better than none.
    'Basic realm="x", Bearer realm="unfinished': [
      ["basic", { realm: "x" }],
      ["bearer", {}],
    ],
    'Bearer realm="a", =x, Basic realm="b"': [["bearer", { realm: "a" }]],
    "": [],
    '"': [],
    ", ,": [],
  };
  for (const [header, expected] of Object.entries(headers)) {
    test(header.slice(0, 80), () => expect(read(header)).toEqual(expected as ReturnType<typeof read>));
  }

  test("no header", () => expect(parseChallenges(null)).toEqual([]));

  test("control characters are no value", () => {
    expect(read('Bearer realm="a\u0000b",service="s"')).toEqual([["bearer", { service: "s" }]]);
  });

  test("limits: length, challenges, parameters", () => {
    expect(parseChallenges(`Bearer realm="${"x".repeat(20_000)}"`)).toEqual([]);
    expect(parseChallenges("A,".repeat(1000))).toHaveLength(16);
    const many = Array.from({ length: 100 }, (_, index) => `p${index}=1`).join(",");
    expect(parseChallenges(`Bearer ${many}`)[0]?.parameters.size).toBe(32);
  });
});

describe("properties", () => {
  const token = string({ unit: constantFrom(..."abzAZ09-_.~".split("")), minLength: 1, maxLength: 8 });
  const value = string({ unit: constantFrom(...'ab \\",=/é:'.split("")), maxLength: 12 });

  test("what is written by the rules is read as it was", () => {
    const challenge = tuple(token, array(tuple(token, value), { minLength: 1, maxLength: 4 }));
    assert(
      property(array(challenge, { maxLength: 4 }), (challenges) => {
        const header = challenges
          .map(([scheme, parameters]) => {
            const words = parameters.map(([name, text]) => `${name}="${text.replace(/[\\"]/g, "\\$&")}"`);
            return `${scheme} ${words.join(", ")}`;
          })
          .join(", ");
        const expected = challenges.map(([scheme, parameters]) => {
          // Of repeated names the first counts.
          const first = parameters.map(([name, text]) => [name.toLowerCase(), text] as const).reverse();
          return [scheme.toLowerCase(), Object.fromEntries(first)];
        });
        expect(read(header)).toEqual(expected as ReturnType<typeof read>);
      }),
    );
  });

  test("whatever is written: no error, and no time lost", () => {
    const noise = string({ unit: constantFrom(...'aB=", \\\t\u0000é~'.split("")), maxLength: 200 });
    assert(
      property(noise, (header) => parseChallenges(header).length <= 16),
      { numRuns: 2000 },
    );
    const start = performance.now();
    for (const unit of ["a ", "a=", '"', "a,", "\\", 'a="\\', " ", "a=b,", "=", "~", "a b=c "]) {
      parseChallenges(unit.repeat(16_000 / unit.length));
    }
    expect(performance.now() - start).toBeLessThan(200);
  });
});
