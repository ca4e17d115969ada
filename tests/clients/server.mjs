// A service in Node with the stock server SDK: it reads questions, one JSON object a
// line, and answers each with what the SDK made of it.
import { createInterface } from "node:readline";
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";

const [baseUrl, key] = process.argv.slice(2);
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: { Authorization: "Bearer " + key } }));
const client = OpenFeature.getClient();
const ask = {
  boolean: (q) => client.getBooleanDetails(q.flag, q.default, q.context),
  string: (q) => client.getStringDetails(q.flag, q.default, q.context),
  number: (q) => client.getNumberDetails(q.flag, q.default, q.context),
  object: (q) => client.getObjectDetails(q.flag, q.default, q.context),
};

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  const d = await ask[q.type](q);
  console.log(JSON.stringify({
    value: d.value, variant: d.variant ?? "", reason: d.reason ?? "", error: d.errorCode ?? "", metadata: d.flagMetadata,
  }));
}
