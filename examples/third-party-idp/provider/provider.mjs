// An OpenID provider to try the example with: https://github.com/panva/node-oidc-provider, with one machine client.
// It keeps nothing: its key is another one after each start.
import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import Provider from "oidc-provider";

const PORT = Number(process.env.PORT ?? 9000);
const ISSUER = `http://localhost:${PORT}`;
const AUDIENCE = "https://orders.example";

const { privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), alg: "RS256", use: "sig", kid: `key-${Date.now()}` };

const provider = new Provider(ISSUER, {
  clients: [
    { client_id: "job", client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [], response_types: [] },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => {
        if (resource !== AUDIENCE) throw new Error(`the only resource here is ${AUDIENCE}`);
        return { audience: AUDIENCE, scope: "orders/read orders/write", accessTokenFormat: "jwt", accessTokenTTL: 600 };
      },
    },
  },
  jwks: { keys: [key] },
  scopes: ["orders/read", "orders/write"],
});

provider.listen(PORT, "localhost", () => console.log(`OpenID provider at ${ISSUER}`));
