// An OpenID provider on the loopback address for one test. It prints its port, reads
// where browsers come back to from the first line of its input, and says "ready".
// People are whom the JSON file of the first argument lists: {name: [groups]}. Anybody
// listed signs in with any password.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const people = () => JSON.parse(readFileSync(process.argv[2], "utf8"));

const server = createServer();
server.listen(0, "127.0.0.1", async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(`issuer ${issuer}`);
  const [redirect] = await new Promise((done) => {
    createInterface({ input: process.stdin }).on("line", (line) => done([line]));
  });
  const provider = new Provider(issuer, {
    clients: [{ client_id: "tidemark", client_secret: "a secret of the test", redirect_uris: [redirect] }],
    pkce: { required: () => true },
    scopes: ["openid", "profile", "email"],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
    cookies: { keys: ["a key of the test"] },
    findAccount: (_, id) =>
      people()[id] && {
        accountId: id,
        claims: () => ({ sub: id, preferred_username: id, email: `${id}@example.org`, groups: people()[id] }),
      },
  });
  server.on("request", provider.callback());
  console.log("ready");
});
