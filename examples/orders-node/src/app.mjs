// The orders function: answers with what the gateway knows of the caller.

export async function handler(event) {
  const { client_id, scope } = event.requestContext.authorizer.claims;
  if (event.httpMethod === "POST") {
    return answer(201, { created: JSON.parse(event.body || "{}"), by: client_id });
  }
  return answer(200, { orders: [{ id: 1, item: "coffee" }], for: client_id, scope });
}

function answer(statusCode, document) {
  return { statusCode, headers: { "Content-Type": "application/json" }, body: JSON.stringify(document) };
}
