// What a shop's page would do: evaluate a flag with the stock web SDK, and look again
// whenever the provider says that something changed. There is no polling.
import { OpenFeature, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const asked = new URLSearchParams(location.search);

// The test may change a flag only once the provider listens.
let listening;
const opened = new Promise((resolve) => (listening = resolve));
globalThis.EventSource = class extends globalThis.EventSource {
  constructor(...args) {
    super(...args);
    this.addEventListener("open", listening, { once: true });
  }
};

const shop = (globalThis.shop = { seen: [], waiting: [], start, look, switchUser });

async function start() {
  const provider = new OFREPWebProvider({
    baseUrl: asked.get("server"),
    headers: [["Authorization", "Bearer " + asked.get("key")]],
    cacheMode: "disabled",
    pollInterval: 0,
  });
  await OpenFeature.setContext({ targetingKey: asked.get("unit") });
  await OpenFeature.setProviderAndWait(provider);
  OpenFeature.getClient().addHandler(ProviderEvents.ConfigurationChanged, () => {
    shop.seen.push({ ...look(), at: Date.now() });
    shop.waiting.splice(0).forEach((tell) => tell());
  });
  await opened;
  return look();
}

function look(flag = "greeting") {
  const client = OpenFeature.getClient();
  const d = flag === "greeting" ? client.getStringDetails(flag, "none") : client.getObjectDetails(flag, {});
  return { value: d.value, variant: d.variant, reason: d.reason, error: d.errorCode ?? "", metadata: d.flagMetadata };
}

async function switchUser(context, flag) {
  await OpenFeature.setContext(context);
  return look(flag);
}

// change resolves with what the page saw at its nth change.
shop.change = async (n) => {
  while (shop.seen.length < n) await new Promise((resolve) => shop.waiting.push(resolve));
  return shop.seen[n - 1];
};
