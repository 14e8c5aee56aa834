/** What programs that have machines of their own need beside the rest: the SDK over HTTP is made of it. */
import { array, boolean, maxLength, number, optional, pipe, strictObject, string } from "valibot";
import { loadSettings } from "../../config/index.ts";
import { commitMachine, execEnvironment } from "../../machine/index.ts";
import { jsonRoute, MACHINE, rawRoute } from "../http/route.ts";
import { MAX_SIDE } from "../live/interactive.ts";
import { ProcessTalk, WINDOW_BYTES } from "../live/process-talk.ts";
import { endingWith, readFirst, upgrade, WEBSOCKET } from "../live/upgrade.ts";
import { reach } from "../machine/reach.ts";
import { command, count, environmentOf, field, guestPath, variables, word } from "../schema/fields.ts";

const side = count(1, MAX_SIDE);

/** The first message of a process. */
const processSchema = strictObject({
  command,
  env: field(variables, "Win over the machine's."),
  workdir: field(guestPath, "Default: the machine's."),
  user: field(word, "USER[:GROUP]. Default: the machine's."),
  stdin: field(boolean(), "Whether input follows. Default: false, then it is empty."),
  tty: field(strictObject({ cols: side, rows: side }), "Give it a terminal of that size."),
});

export const programRoutes = [
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/exec/process`, id: "execProcess", tag: "exec", limit: "none" },
    summary: "A process in a machine for a program, over a WebSocket",
    description:
      "The client's first message is `{command,env?,workdir?,user?,stdin?,tty?:{cols,rows}}` as text; the answer is " +
      '`{"type":"started"}`. Then binary messages of the client are standard input, and those of the server output ' +
      "behind one byte: 1 stdout, 2 stderr (a terminal's is all 1). Text messages of the client: " +
      '`{"type":"eof"}`, `{"type":"signal","signal":N}`, `{"type":"resize","cols":N,"rows":N}`, `{"type":"kill"}`. ' +
      `Each stream has a window of ${WINDOW_BYTES} bytes: the server says \`{"type":"taken","bytes":N}\` of input ` +
      'that was taken, the client `{"type":"grant","channel":1|2,"bytes":N}` of output that it has read. The last ' +
      'message is `{"type":"exit","exitCode":N}`, with `signal` in its place for a process that one killed, or ' +
      '`{"type":"error"}` with what a Problem has. The process is killed when the client goes.',
    failures: [404, 409],
    query: strictObject({
      autoStart: field(boolean(), "Start the machine when it does not run. Default: true."),
    }),
    answer: WEBSOCKET,
    handle: async (asked) => {
      const { params, query, serving, signal } = asked;
      const machine = await reach(serving, params.name, signal, query.autoStart ?? true);
      const begin = async (message: string) => {
        const {
          command: argv,
          env,
          workdir: cwd,
          user,
          stdin = false,
          tty,
        } = readFirst(processSchema, message);
        const all = await execEnvironment(serving.context, params.name, { env: environmentOf(env) });
        const size = tty && { columns: tty.cols, rows: tty.rows };
        return machine.exec({ argv, env: all, cwd, user, stdin, tty: size });
      };
      const forget = endingWith(serving, () => talk);
      const ended = () => {
        forget();
        asked.ended();
        // With its connection the process is killed.
        machine.close();
      };
      const talk = new ProcessTalk({ begin, ended, explain: asked.explain });
      return upgrade(asked, talk);
    },
  }),
  jsonRoute({
    ...{ method: "post", path: `${MACHINE}/commit`, id: "commitMachine", tag: "machines", limit: "server" },
    summary: "Make an image of a machine that does not run",
    failures: [404, 409, 507],
    body: {
      optional: true,
      schema: strictObject({
        reference: field(word, "What the image is called. Default: it has no name."),
        changes: field(
          pipe(array(word), maxLength(100)),
          'How it is run, as lines of a Dockerfile: `CMD ["nginx"]`.',
        ),
        author: field(word, "Default: none."),
        message: field(word, "Default: none."),
      }),
    },
    answer: {
      about: "It is there.",
      schema: strictObject({
        id: string(),
        reference: optional(string()),
        /** Bytes on the disk. */
        size: number(),
        /** Sockets, which images do not have. */
        skipped: number(),
      }),
    },
    handle: async ({ params, body, serving, signal }) => {
      const { context } = serving;
      const { defaultRegistry } = (await loadSettings(context.paths)).images;
      const made = await commitMachine(context, params.name, { ...body, defaultRegistry, signal });
      const { id, reference, sizeBytes: size, skipped, release } = made;
      release();
      return { id, reference, size, skipped };
    },
  }),
];
