import { AsyncLocalStorage } from "node:async_hooks";
import * as pulumi from "@pulumi/pulumi";
import { CreateRequest, DeleteRequest, ReadRequest, UpdateRequest } from "@pulumi/pulumi/proto/provider_pb";

/** The resource that the present code works for. */
const urns = new AsyncLocalStorage<string>();

/**
 * Pulumi's dynamic provider is told which resource each request is about, and keeps it to itself. So the request notes
 * it when the SDK takes its properties, which is the first thing that it does. As the trampoline (`resource.ts`), this
 * relies on the SDK; tests/integration pins it. The very first request of a process has passed by then, and stays
 * without a row; but a deletion is asked for its id later on.
 */
function noteUrns(): void {
  const note = <Name extends string>(
    { prototype }: { prototype: Record<Name, () => unknown> & { getUrn(): string } },
    getter: Name,
  ) => {
    const get = prototype[getter];
    prototype[getter] = function (this: typeof prototype) {
      urns.enterWith(this.getUrn());
      return get.call(this);
    } as (typeof prototype)[Name];
  };
  for (const request of [CreateRequest, ReadRequest, DeleteRequest]) note(request, "getProperties");
  note(UpdateRequest, "getNews");
  note(DeleteRequest, "getId");
}

/** The engine's address is what it starts a provider with. */
function connect(): boolean {
  const [, script = "", address] = process.argv;
  if (!script.includes("dynamic-provider") || address === undefined) return false;
  pulumi.runtime.resetOptions(pulumi.getProject(), "", -1, address, "", false, "");
  noteUrns();
  return true;
}

const isProvider = connect();

/**
 * A function that shows a text in the row of the resource that is being worked on, where Pulumi displays what it does.
 * The text is gone when the operation ends. Outside of a provider's process, it shows nothing.
 */
export function row(): (text: string) => void {
  const urn = urns.getStore();
  if (!isProvider || urn === undefined) return () => undefined;
  const resource = { urn: pulumi.output(urn) } as pulumi.Resource;
  return (text) => void pulumi.log.info(text, resource, undefined, true);
}

/** `PROJECT/STACK` of the resource that is being worked on; the engine tells a provider no more of it. */
export function stackOfResource(): string | undefined {
  const [, stack, project] = /^urn:pulumi:(.+?)::(.+?)::/.exec(urns.getStore() ?? "") ?? [];
  return stack && `${project}/${stack}`;
}
