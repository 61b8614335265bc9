// A person signs in by code and PKCE, by what applications in Node.js use: LIBRARY is openid-client or oauth4webapi.
// Prints the address to open, reads the one to which the browser came back, prints one JSON object of what it got.
import { createInterface } from "node:readline/promises";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

const { LIBRARY, ISSUER, CLIENT_ID, CLIENT_SECRET, CALLBACK, LOGOUT } = process.env;
const scope = "openid email";
const input = createInterface({ input: process.stdin });

async function browse(url) {
  console.log(url.href);
  return new URL((await input[Symbol.asyncIterator]().next()).value);
}

async function byOpenidClient() {
  const authentication = CLIENT_SECRET ? openid.ClientSecretBasic(CLIENT_SECRET) : openid.None();
  const config = await openid.discovery(new URL(ISSUER), CLIENT_ID, undefined, authentication, {
    execute: [openid.allowInsecureRequests],
  });
  const verifier = openid.randomPKCECodeVerifier();
  const [state, nonce] = [openid.randomState(), openid.randomNonce()];
  const back = await browse(openid.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK, scope, state, nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  }));
  const tokens = await openid.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  });
  const claims = tokens.claims();
  const user = await openid.fetchUserInfo(config, tokens.access_token, claims.sub);
  const renewed = await openid.refreshTokenGrant(config, tokens.refresh_token);
  await openid.tokenRevocation(config, tokens.refresh_token);
  let refused = "";
  try {
    await openid.refreshTokenGrant(config, tokens.refresh_token);
  } catch (error) {
    refused = error.error;
  }
  const out = openid.buildEndSessionUrl(config, { client_id: CLIENT_ID, logout_uri: LOGOUT });
  return { claims, user, renewed: renewed.access_token !== tokens.access_token, refused, out: out.href };
}

async function byOauth4webapi() {
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(ISSUER);
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
  const client = { client_id: CLIENT_ID };
  const authentication = CLIENT_SECRET ? oauth.ClientSecretPost(CLIENT_SECRET) : oauth.None();
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: CLIENT_ID, redirect_uri: CALLBACK, response_type: "code", scope, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const back = await browse(url);
  const parameters = oauth.validateAuthResponse(server, client, back, state);
  const tokens = await oauth.processAuthorizationCodeResponse(
    server, client,
    await oauth.authorizationCodeGrantRequest(server, client, authentication, parameters, CALLBACK, verifier, insecure),
    { expectedNonce: nonce, requireIdToken: true },
  );
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const user = await oauth.processUserInfoResponse(
    server, client, claims.sub, await oauth.userInfoRequest(server, client, tokens.access_token, insecure),
  );
  const refresh = () => oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, insecure);
  const renewed = await oauth.processRefreshTokenResponse(server, client, await refresh());
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, authentication, tokens.refresh_token, insecure),
  );
  let refused = "";
  try {
    await oauth.processRefreshTokenResponse(server, client, await refresh());
  } catch (error) {
    refused = error.error;
  }
  const out = `${server.end_session_endpoint}?${new URLSearchParams({ client_id: CLIENT_ID, logout_uri: LOGOUT })}`;
  return { claims, user, renewed: renewed.access_token !== tokens.access_token, refused, out };
}

const result = await (LIBRARY === "openid-client" ? byOpenidClient() : byOauth4webapi());
console.log(JSON.stringify(result));
input.close();
