// A user signs in by what people use in Node.js. WAY: identity (amazon-cognito-identity-js), amplify (AWS Amplify v6),
// sdk (AWS SDK v3). Prints one JSON object; every fault is an exception.
import { CognitoIdentityProviderClient, GetUserCommand, InitiateAuthCommand, RevokeTokenCommand } from "@aws-sdk/client-cognito-identity-provider";

const { ENDPOINT, POOL, CLIENT, USERNAME, PASSWORD, WAY } = process.env;

async function byIdentity() {
  const { AuthenticationDetails, CognitoUser, CognitoUserPool } = (await import("amazon-cognito-identity-js")).default;
  const pool = new CognitoUserPool({ UserPoolId: POOL, ClientId: CLIENT, endpoint: ENDPOINT });
  const user = new CognitoUser({ Username: USERNAME, Pool: pool });
  const session = await new Promise((onSuccess, onFailure) => user.authenticateUser(
    new AuthenticationDetails({ Username: USERNAME, Password: PASSWORD }), { onSuccess, onFailure },
  ));
  const attributes = await new Promise((done, failed) => user.getUserAttributes((e, a) => (e ? failed(e) : done(a))));
  const renewed = await new Promise((done, failed) => user.refreshSession(
    session.getRefreshToken(), (error, s) => (error ? failed(error) : done(s)),
  ));
  await new Promise((onSuccess, onFailure) => user.globalSignOut({ onSuccess, onFailure }));
  const after = await new Promise((done) => user.refreshSession(session.getRefreshToken(), (error) => done(error?.code)));
  return {
    username: session.getIdToken().payload["cognito:username"],
    email: attributes.find((each) => each.getName() === "email").getValue(),
    renewed: renewed.getAccessToken().payload.username,
    after,
  };
}

async function byAmplify() {
  const { Amplify } = await import("@aws-amplify/core");
  const auth = await import("@aws-amplify/auth");
  const { cognitoUserPoolsTokenProvider: tokenProvider } = await import("@aws-amplify/auth/cognito");
  const Auth = { Cognito: { userPoolId: POOL, userPoolClientId: CLIENT, userPoolEndpoint: ENDPOINT } };
  tokenProvider.setAuthConfig(Auth); // what the package aws-amplify does when it is configured
  Amplify.configure({ Auth }, { Auth: { tokenProvider } });
  const step = await auth.signIn({ username: USERNAME, password: PASSWORD });
  const session = await auth.fetchAuthSession();
  const attributes = await auth.fetchUserAttributes();
  const renewed = await auth.fetchAuthSession({ forceRefresh: true });
  const old = session.tokens.accessToken.payload;
  await auth.signOut({ global: true });
  const after = await auth.fetchAuthSession();
  return {
    step: step.nextStep.signInStep,
    username: old.username,
    email: attributes.email,
    renewed: renewed.tokens.accessToken.payload.username,
    isRenewed: renewed.tokens.accessToken.payload.jti !== old.jti,
    after: after.tokens === undefined ? "signed out" : "still signed in",
  };
}

async function bySdk() {
  const idp = new CognitoIdentityProviderClient({ endpoint: ENDPOINT, region: "us-east-1", maxAttempts: 1 });
  const first = await idp.send(new InitiateAuthCommand({
    ClientId: CLIENT, AuthFlow: "USER_PASSWORD_AUTH", AuthParameters: { USERNAME, PASSWORD },
  }));
  const { AccessToken, RefreshToken } = first.AuthenticationResult;
  const user = await idp.send(new GetUserCommand({ AccessToken }));
  const refresh = () => idp.send(new InitiateAuthCommand({
    ClientId: CLIENT, AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: { REFRESH_TOKEN: RefreshToken },
  }));
  const renewed = await refresh();
  await idp.send(new RevokeTokenCommand({ ClientId: CLIENT, Token: RefreshToken }));
  return {
    username: user.Username,
    email: user.UserAttributes.find((each) => each.Name === "email").Value,
    renewed: renewed.AuthenticationResult.AccessToken !== AccessToken,
    after: await refresh().then(() => "still signed in", (error) => error.name),
  };
}

const ways = { identity: byIdentity, amplify: byAmplify, sdk: bySdk };
console.log(JSON.stringify(await ways[WAY]()));
