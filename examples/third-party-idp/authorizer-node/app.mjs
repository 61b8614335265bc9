// A REQUEST authorizer of an HTTP API: takes access tokens of an OpenID provider, and says what their scopes allow.
//
// It holds no secret: the provider's public keys prove a token. Whatever is not understood is refused.
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER, AUDIENCE } = process.env;
// The provider's own. Never what a token says of itself, never one whose key is a secret (HS256).
const ALGORITHMS = ["RS256", "ES256"];
// What a scope allows: methods and paths of this API.
const ALLOWED = new Map([
  ["orders/read", ["GET/orders", "GET/orders/*"]],
  ["orders/write", ["POST/orders"]],
]);
const TIMEOUT_MS = 3_000;

let keys;

// The provider's keys, asked for when they are old (5 minutes), and when a token names one that is new, with a pause
// of 5 seconds between questions whatever callers send.
async function providersKeys() {
  if (keys === undefined) {
    const url = `${ISSUER.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
    const { issuer, jwks_uri } = await answer.json();
    if (!answer.ok || issuer !== ISSUER) throw new Error("the provider's configuration cannot be had");
    keys = createRemoteJWKSet(new URL(jwks_uri), {
      cacheMaxAge: 300_000,
      cooldownDuration: 5_000,
      timeoutDuration: TIMEOUT_MS,
    });
  }
  return keys;
}

// What makes a token none of the provider's for this API; anything else is a fault, which API Gateway answers 500.
const REFUSED = [
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JWTExpired,
  errors.JWTInvalid,
];

async function claimsOf(token) {
  const { payload } = await jwtVerify(token, await providersKeys(), {
    algorithms: ALGORITHMS,
    audience: AUDIENCE,
    issuer: ISSUER,
    requiredClaims: ["aud", "exp", "iss", "sub"],
  });
  return payload;
}

// What the scopes of a token allow of the API; all of it, since API Gateway may remember the answer.
function policyFor({ sub, scope = "" }, routeArn) {
  const stage = routeArn.split("/").slice(0, 2).join("/");
  const scopes = String(scope).split(" ").filter(Boolean);
  const allowed = scopes.flatMap((name) => ALLOWED.get(name) ?? []).map((path) => `${stage}/${path}`);
  const statement = allowed.length
    ? { Action: "execute-api:Invoke", Effect: "Allow", Resource: allowed }
    : { Action: "execute-api:Invoke", Effect: "Deny", Resource: `${stage}/*` };
  return {
    principalId: sub,
    policyDocument: { Version: "2012-10-17", Statement: [statement] },
    context: { sub, scope: scopes.join(" ") },
  };
}

export async function handler(event) {
  const [scheme, token] = (event.identitySource?.[0] ?? "").split(" ");
  try {
    if (scheme.toLowerCase() !== "bearer" || !token) throw new errors.JWTInvalid("scheme");
    return policyFor(await claimsOf(token), event.routeArn);
  } catch (error) {
    if (!REFUSED.some((kind) => error instanceof kind)) throw error;
    console.log(`refused: ${error.code}`);
    throw new Error("Unauthorized"); // the text that makes API Gateway answer 401
  }
}
