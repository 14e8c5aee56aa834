import { expect, test } from "bun:test";
import { SmolError } from "../../errors.ts";
import { changeConfig } from "./change.ts";
import { emptyConfig, parseConfig } from "./config.ts";
import { configDocument } from "./document.ts";

const change = (...texts: string[]) => texts.reduce(changeConfig, emptyConfig);

test.each([
  ['CMD ["a", "b c"]', { cmd: ["a", "b c"] }],
  ["CMD echo $HOME", { cmd: ["/bin/sh", "-c", "echo $HOME"] }],
  ['entrypoint ["x"]', { entrypoint: ["x"], cmd: [] }],
  ["USER 1000:100", { user: "1000:100" }],
  ["WORKDIR /srv", { workdir: "/srv" }],
  ['LABEL a=1 "b c"="d e"', { labels: { a: "1", "b c": "d e" } }],
  ["LABEL a the rest", { labels: { a: "the rest" } }],
  ["EXPOSE 80 53/udp 080", { exposedPorts: ["53/udp", "80/tcp"] }],
  ["STOPSIGNAL SIGQUIT", { stopSignal: "SIGQUIT" }],
  ['VOLUME ["/data"]', { volumes: ["/data"] }],
])("%s", (text, expected) => {
  expect(change(text)).toMatchObject(expected);
});

test("a variable is set once, whatever it was", () => {
  expect(change('ENV A=1 B="two words"', "ENV A=2", "ENV C the rest").env).toEqual([
    ...emptyConfig.env,
    "B=two words",
    "A=2",
    "C=the rest",
  ]);
});

test.each([
  "",
  "CMD",
  "RUN x",
  'CMD ["a"',
  "EXPOSE 0",
  "EXPOSE 80-90",
  "USER a b",
  'ENV A="1',
  "ENV =1",
  "LABEL a",
])("%p is refused", (text) => {
  expect(() => change(text)).toThrow(SmolError);
});

test("the document says all of it", () => {
  const config = change(
    'CMD ["a"]',
    "ENV A=1",
    "EXPOSE 80",
    "USER me",
    "WORKDIR /srv",
    "LABEL x=y",
    "VOLUME /data",
  );
  const platform = { os: "linux", architecture: "amd64" };
  const diffIds = [`sha256:${"0".repeat(64)}`];
  const text = configDocument(config, {
    platform,
    diffIds,
    createdAt: 0,
    made: { author: "me", message: "why" },
  });
  expect(parseConfig(text)).toEqual({ config, diffIds, platform });
  expect(JSON.parse(text)).toMatchObject({
    created: "1970-01-01T00:00:00Z",
    author: "me",
    history: [{ comment: "why" }],
  });
});
