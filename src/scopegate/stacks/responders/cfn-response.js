// `cfn-response`: sends the answer of a custom resource. Names and order of its arguments are AWS's.
// A failure to send is logged, never thrown; either way the invocation ends.

exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho, reason) {
  return new Promise((resolve) => {
    const body = JSON.stringify({
      Status: responseStatus,
      Reason: reason || `See the details in CloudWatch Log Stream: ${context.logStreamName}`,
      PhysicalResourceId: physicalResourceId || context.logStreamName,
      StackId: event.StackId,
      RequestId: event.RequestId,
      LogicalResourceId: event.LogicalResourceId,
      NoEcho: noEcho || false,
      Data: responseData,
    });
    console.log("Response body:\n", body);

    const url = new URL(event.ResponseURL);
    const done = () => {
      if (typeof context.done === "function") context.done();
      resolve();
    };
    const request = require(url.protocol === "http:" ? "http" : "https").request(
      url,
      { method: "PUT", headers: { "content-type": "", "content-length": Buffer.byteLength(body) } },
      (response) => {
        response.resume();
        console.log("Status code: " + response.statusCode);
        response.on("end", done);
      },
    );
    request.on("error", (error) => {
      console.log("send(..) failed executing https.request(..): " + error);
      done();
    });
    request.end(body);
  });
};
