// An OpenID provider for tests: `oidc-provider`, with a machine client. Tells its issuer on the first line of standard
// output, and answers each line of standard input: after `turn` it has another key, and publishes no other.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

console.info = () => {}; // standard output is for what the tests read

const AUDIENCE = "https://orders.example";
// What may be asked for by its name as `resource`: the audience and the life of the token that it gets.
const RESOURCES = {
  [AUDIENCE]: { audience: AUDIENCE, accessTokenTTL: 600 },
  "https://brief.example": { audience: AUDIENCE, accessTokenTTL: 5 },
  "https://other.example": { audience: "https://other.example", accessTokenTTL: 600 },
};

let handle;
let askedForKeys = 0;
const server = createServer((request, response) => {
  if (request.url === "/jwks") askedForKeys += 1;
  handle(request, response);
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

async function turn() {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: `key-${Date.now()}`, use: "sig", alg: "RS256" };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "job",
        client_secret: "secret",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: "orders/read orders/write",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
          ...RESOURCES[resource],
        }),
      },
    },
    jwks: { keys: [key] },
    scopes: ["orders/read", "orders/write"],
  });
  handle = provider.callback();
}

await turn();
console.log(JSON.stringify({ issuer }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "turn") await turn();
  console.log(JSON.stringify({ askedForKeys }));
}
server.close();
