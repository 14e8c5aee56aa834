/** Machines that end with the program that has made them, or taken them: a WebSocket each for as long as they are owned. */
import { omit, picklist, strictObject } from "valibot";
import { messageOf } from "../../errors.ts";
import { deleteMachine, inspectMachine, stopMachine } from "../../machine/index.ts";
import { type Asked, MACHINE, rawRoute } from "../http/route.ts";
import { type Make, type Owned, OwnerTalk } from "../live/owner-talk.ts";
import { endingWith, readFirst, upgrade, WEBSOCKET } from "../live/upgrade.ts";
import { createAsked } from "../machine/create.ts";
import { field } from "../schema/fields.ts";
import { machineInfo } from "../schema/machine-info.ts";
import { createSchema } from "../schema/machine-request.ts";
import type { Serving } from "../serving.ts";

const tag = "machines";

const ending = field(picklist(["delete", "stop"]), "What the machine's end is. Default: delete.");

/** The first message of who makes a machine; one that may be there is owned by `machines/NAME/owner`. */
const madeSchema = strictObject({
  machine: strictObject(omit(createSchema, ["ifNotExists"]).entries),
  owner: ending,
});

/** Ends a machine, unless another one has its name by now. */
async function finish({ context }: Serving, name: string, owner: "delete" | "stop", createdAt: unknown) {
  try {
    if (inspectMachine(context, name).record?.createdAt !== createdAt) return;
    await (owner === "delete" ? deleteMachine(context, name) : stopMachine(context, name));
  } catch (error) {
    // Nobody is there who could be told.
    context.note(`machine '${name}', whose owner has gone: ${messageOf(error)}`);
  }
}

function converse(asked: Asked, machine: Owned | Make): Response {
  const forget = endingWith(asked.serving, () => talk);
  const ended = () => {
    forget();
    asked.ended();
  };
  const talk = new OwnerTalk(machine, { ended, explain: asked.explain });
  return upgrade(asked, talk);
}

export const ownerRoutes = [
  rawRoute({
    ...{ method: "get", path: "/api/v1/owned", id: "createOwned", tag, limit: "none" },
    summary: "Make a machine that is there for as long as a WebSocket is open",
    description:
      "The client's first message is `{machine,owner?}` as text: what `POST /api/v1/machines` takes, without " +
      '`ifNotExists`, and what the machine\'s end is. The answer is `{"type":"created","machine"}`, or ' +
      '`{"type":"error"}` with what a Problem has. From then on it is as with `machines/NAME/owner`; a client that ' +
      "goes while the machine is made has none, either.",
    answer: WEBSOCKET,
    handle: (asked) =>
      converse(asked, async (message, gone) => {
        const { serving } = asked;
        const { machine, owner = "delete" } = readFirst(madeSchema, message);
        const { name, createdAt } = (await createAsked(serving, machine, gone)).record;
        return {
          words: { type: "created", machine: machineInfo(inspectMachine(serving.context, name)) },
          finish: () => finish(serving, name, owner, createdAt),
        };
      }),
  }),
  rawRoute({
    ...{ method: "get", path: `${MACHINE}/owner`, id: "ownMachine", tag, limit: "none" },
    summary: "Own a machine that is there for as long as a WebSocket is open",
    description:
      'The server says `{"type":"owned"}`. When the connection ends, however, the machine is ended as `owner` says; ' +
      'after `{"type":"release"}` of the client, which is answered with `{"type":"released"}`, and when the server ' +
      "ends, it stays.",
    failures: [404],
    query: strictObject({ owner: ending }),
    answer: WEBSOCKET,
    handle: (asked) => {
      const { serving, params, query } = asked;
      const { name } = params;
      const createdAt = inspectMachine(serving.context, name).record?.createdAt;
      const { owner = "delete" } = query;
      return converse(asked, {
        words: { type: "owned" },
        finish: () => finish(serving, name, owner, createdAt),
      });
    },
  }),
];
