// The machine-to-machine flow by what people use in Node.js: AWS SDK v3 sets up, openid-client asks for the token by
// discovery, aws-jwt-verify checks it. Prints one JSON object; every fault is an exception.
import { APIGatewayClient, CreateRestApiCommand, GetRestApiCommand } from "@aws-sdk/client-api-gateway";
import {
  ApiGatewayV2Client, CreateApiCommand, CreateAuthorizerCommand, CreateIntegrationCommand, CreateRouteCommand,
  CreateStageCommand,
} from "@aws-sdk/client-apigatewayv2";
import {
  CognitoIdentityProviderClient, CreateResourceServerCommand, CreateUserPoolClientCommand, CreateUserPoolCommand,
  CreateUserPoolDomainCommand, DescribeUserPoolClientCommand, GetClientTokenCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { GetFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CognitoJwtVerifier, JwtVerifier } from "aws-jwt-verify";
import * as openid from "openid-client";

const endpoint = process.env.ENDPOINT;
const issuerUrl = process.env.ISSUER_URL; // set when the server gives pools an issuer that is reachable as written
const config = {
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
};
const idp = new CognitoIdentityProviderClient(config);
const v2 = new ApiGatewayV2Client(config);

const pool = (await idp.send(new CreateUserPoolCommand({ PoolName: "node" }))).UserPool;
await idp.send(new CreateUserPoolDomainCommand({ Domain: `node-${Date.now()}`, UserPoolId: pool.Id }));
await idp.send(new CreateResourceServerCommand({
  UserPoolId: pool.Id, Identifier: "orders", Name: "orders",
  Scopes: [{ ScopeName: "read", ScopeDescription: "r" }, { ScopeName: "write", ScopeDescription: "w" }],
}));
const made = (await idp.send(new CreateUserPoolClientCommand({
  UserPoolId: pool.Id, ClientName: "job", GenerateSecret: true, AllowedOAuthFlowsUserPoolClient: true,
  AllowedOAuthFlows: ["client_credentials"], AllowedOAuthScopes: ["orders/read"],
}))).UserPoolClient;
const described = (await idp.send(new DescribeUserPoolClientCommand({
  UserPoolId: pool.Id, ClientId: made.ClientId,
}))).UserPoolClient;
if (described.ClientSecret !== made.ClientSecret) throw new Error("the secret is not described");

// openid-client: discovery, then client_credentials with either client authentication.
const result = { poolId: pool.Id };
const tokens = {};
for (const [name, authentication] of [
  ["basic", openid.ClientSecretBasic(made.ClientSecret)],
  ["post", openid.ClientSecretPost(made.ClientSecret)],
]) {
  let client;
  if (issuerUrl) {
    client = await openid.discovery(new URL(`${issuerUrl}/${pool.Id}`), made.ClientId, undefined, authentication, {
      execute: [openid.allowInsecureRequests],
    });
  } else {
    const document = await (await fetch(`${endpoint}/${pool.Id}/.well-known/openid-configuration`)).json();
    client = new openid.Configuration(document, made.ClientId, undefined, authentication);
    openid.allowInsecureRequests(client);
  }
  const answer = await openid.clientCredentialsGrant(client, { scope: "orders/read" });
  if (answer.token_type !== "bearer" || answer.expires_in !== 3600) throw new Error(JSON.stringify(answer));
  tokens[name] = answer.access_token;
}

// aws-jwt-verify: signature, issuer, token_use, client, scope; with the keys of this server.
const jwks = await (await fetch(`${endpoint}/${pool.Id}/.well-known/jwks.json`)).json();
if (issuerUrl) {
  const verifier = JwtVerifier.create({ issuer: `${issuerUrl}/${pool.Id}`, audience: null, scope: "orders/read" });
  verifier.cacheJwks(jwks);
  result.claims = await verifier.verify(tokens.basic);
} else {
  const verifier = CognitoJwtVerifier.create({
    userPoolId: pool.Id, tokenUse: "access", clientId: made.ClientId, scope: ["orders/read"],
  });
  verifier.cacheJwks(jwks);
  result.claims = await verifier.verify(tokens.basic);
  await verifier.verify(tokens.post);
}

// GetClientToken: machine to machine without a domain.
const direct = (await idp.send(new CreateUserPoolClientCommand({
  UserPoolId: pool.Id, ClientName: "direct", GenerateSecret: true, ExplicitAuthFlows: ["ALLOW_CLIENT_TOKEN_AUTH"],
  AllowedOAuthScopes: ["orders/read"],
}))).UserPoolClient;
const token = await idp.send(new GetClientTokenCommand({ ClientId: direct.ClientId, Secret: direct.ClientSecret }));
result.direct = token.ClientAuthenticationResult.TokenType;

// An HTTP API in front of a web service, and the call.
const api = await v2.send(new CreateApiCommand({ Name: "node", ProtocolType: "HTTP" }));
const authorizer = await v2.send(new CreateAuthorizerCommand({
  ApiId: api.ApiId, Name: "jwt", AuthorizerType: "JWT", IdentitySource: ["$request.header.Authorization"],
  JwtConfiguration: { Issuer: result.claims.iss, Audience: [made.ClientId] },
}));
const integration = await v2.send(new CreateIntegrationCommand({
  ApiId: api.ApiId, IntegrationType: "HTTP_PROXY", IntegrationMethod: "GET", IntegrationUri: process.env.WEB_SERVICE,
  PayloadFormatVersion: "1.0",
}));
for (const [routeKey, scope] of [["GET /orders", "orders/read"], ["POST /orders", "orders/write"]]) {
  await v2.send(new CreateRouteCommand({
    ApiId: api.ApiId, RouteKey: routeKey, Target: `integrations/${integration.IntegrationId}`,
    AuthorizationType: "JWT", AuthorizerId: authorizer.AuthorizerId, AuthorizationScopes: [scope],
  }));
}
await v2.send(new CreateStageCommand({ ApiId: api.ApiId, StageName: "$default", AutoDeploy: true }));
const url = `${endpoint}/_aws/execute-api/${api.ApiId}/orders`;
const headers = { authorization: `Bearer ${tokens.basic}` };
result.statuses = [
  (await fetch(url)).status,
  (await fetch(url, { headers })).status,
  (await fetch(url, { headers, method: "POST" })).status,
];

// v1 and Lambda: the SDK reads what it is answered, errors included.
const rest = new APIGatewayClient(config);
const restApi = await rest.send(new CreateRestApiCommand({ name: "node" }));
result.restApi = (await rest.send(new GetRestApiCommand({ restApiId: restApi.id }))).name;
const lambda = new LambdaClient(config);
try {
  await lambda.send(new GetFunctionCommand({ FunctionName: "absent" }));
} catch (error) {
  result.lambdaError = error.name;
}
if (process.env.FUNCTION) {
  const answer = await lambda.send(new InvokeCommand({
    FunctionName: process.env.FUNCTION, Payload: JSON.stringify({ from: "node" }),
  }));
  result.payload = JSON.parse(Buffer.from(answer.Payload).toString());
}
console.log(JSON.stringify(result));
