// The Node.js runtime: loads the handler and speaks the Lambda Runtime API over an inherited socket.
//
// It runs inside the function's process under whatever Node.js the function asks for; it is not part of the server.
// Source: reference pages "Node.js: handler string and load", "Reported by the runtime", "Text format, exact lines";
// behaviour of aws-lambda-ric 3.

import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import stream from "node:stream";
import util from "node:util";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { pathToFileURL } from "node:url";

const API_FD = 3;
const NEXT = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n";
const HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response";
const NEWLINE = "\0\r"; // stands for a newline inside one log event; the server turns it back
const ROOT = process.env.LAMBDA_TASK_ROOT ?? "/var/task";
const MAJOR = Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV ?? "")?.[1] ?? 22);
const WITHOUT_CALLBACKS = MAJOR >= 24; // the client of nodejs24.x and later has promises only
const JSON_LOGS = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const LEAST = JSON_LOGS ? Math.max(LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL ?? "INFO"), 0) : 0;
const STREAMING = Symbol("streaming");
delete process.env._SCOPEGATE_SDK;
delete process.env._SCOPEGATE_OPT;

let requestId; // of the invocation that log lines belong to

// Errors

class RuntimeFault extends Error {
  constructor(name, reason) {
    super(String(reason));
    this.name = `Runtime.${name}`;
    if (reason instanceof Error && typeof reason.stack === "string") {
      const frames = reason.stack.split("\n").filter((line) => line.startsWith("    at "));
      this.stack = [`${this.name}: ${this.message}`, ...frames].join("\n");
    }
  }
}

function isError(value) {
  if (util.types.isNativeError(value)) return true;
  return Boolean(value) && ["name", "message", "stack"].every((key) => value[key] && typeof value[key] === "string");
}

function shown(text) {
  // Where there is no mount namespace the code lies elsewhere; traces show it where Lambda has it.
  return ROOT === "/var/task" ? text : text.replaceAll(`${ROOT}/`, "/var/task/");
}

function describe(error) {
  try {
    if (isError(error)) {
      return { errorType: error.name, errorMessage: error.message, trace: shown(error.stack ?? "").split("\n") };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: "handled",
      errorMessage:
        "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack",
    };
  }
}

function withProperties(value) {
  if (!(value instanceof Error)) return value;
  const plain = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
  if (typeof value.stack === "string") plain.stack = shown(value.stack).split("\n");
  return plain;
}

// Logs

function writeLine(text) {
  const line = Buffer.from(`${text.replaceAll("\n", NEWLINE)}\n`);
  let at = 0;
  while (at < line.length) {
    try {
      at += fs.writeSync(1, line, at);
    } catch (error) {
      if (error.code !== "EAGAIN") return;
    }
  }
}

function asJson(level, parameters) {
  const record = { timestamp: new Date().toISOString(), level, requestId };
  const replacer = (_, value) =>
    value instanceof Error
      ? { errorType: value.name, errorMessage: value.message, stackTrace: (value.stack ?? "").split("\n").slice(1), ...value }
      : value;
  if (parameters.length === 1) {
    try {
      return JSON.stringify({ ...record, message: parameters[0] }, replacer);
    } catch {
      return JSON.stringify({ ...record, message: util.format(parameters[0]) });
    }
  }
  record.message = util.format(...parameters);
  const error = parameters.find((value) => value instanceof Error);
  if (error) {
    Object.assign(record, { errorType: error.name, errorMessage: error.message, stackTrace: (error.stack ?? "").split("\n").slice(1) });
  }
  return JSON.stringify(record);
}

function print(level, ...parameters) {
  if (LEVELS.indexOf(level) < LEAST) return;
  if (JSON_LOGS) writeLine(asJson(level, parameters));
  else writeLine(`${new Date().toISOString()}\t${requestId}\t${level}\t${util.format(...parameters)}`);
}

function logError(words, error) {
  if (JSON_LOGS) {
    print("ERROR", words === "Invoke Error" ? error : words, ...(words === "Invoke Error" ? [] : [error]));
    return;
  }
  let text;
  try {
    text = JSON.stringify(error, (_, value) => withProperties(value));
  } catch {
    text = JSON.stringify(describe(error));
  }
  writeLine(`${new Date().toISOString()}\t${requestId}\tERROR\t${words} \t${text}`);
}

for (const [name, level] of Object.entries({
  trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL",
})) {
  console[name] = (...parameters) => print(level, ...parameters);
}

// Node.js would write to a full pipe later, after the answer: what an invocation wrote has to come before its end.
for (const name of ["stdout", "stderr"]) {
  const { get, ...rest } = Object.getOwnPropertyDescriptor(process, name);
  Object.defineProperty(process, name, {
    ...rest,
    get() {
      const output = get.call(process);
      output._handle?.setBlocking?.(true);
      return output;
    },
  });
}

// Loading

function findPackageType(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")).type;
    } catch {
      if (folder === path.dirname(folder) || path.basename(folder) === "node_modules") return undefined;
    }
  }
}

async function loadModule(folder, name) {
  const require = createRequire("/var/runtime/index.mjs");
  const file = path.resolve(ROOT, folder, name);
  const isFile = (candidate) => fs.statSync(candidate, { throwIfNoEntry: false })?.isFile() ?? false;
  const isModule = findPackageType(file) === "module";
  if (isFile(file)) return require(file);
  if (isFile(`${file}.js`)) return isModule ? import(pathToFileURL(`${file}.js`).href) : require(`${file}.js`);
  if (isFile(`${file}.mjs`)) return import(pathToFileURL(`${file}.mjs`).href);
  if (isFile(`${file}.cjs`)) return require(`${file}.cjs`);
  return require(require.resolve(name, { paths: [ROOT, path.resolve(ROOT, folder)] }));
}

async function load(text) {
  if (text.includes("..")) {
    throw new RuntimeFault(
      "MalformedHandlerName",
      `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = text.slice(text.lastIndexOf("/") + 1);
  const folder = text.slice(0, text.length - base.length);
  const match = /^([^.]*)\.(.*)$/.exec(base);
  if (!match) throw new RuntimeFault("MalformedHandlerName", "Bad handler");
  let module;
  try {
    module = await loadModule(folder, match[1]);
  } catch (error) {
    if (error instanceof SyntaxError) throw new RuntimeFault("UserCodeSyntaxError", error);
    if (error?.code === "MODULE_NOT_FOUND") throw new RuntimeFault("ImportModuleError", error);
    throw error;
  }
  const found = match[2].split(".").reduce((nested, key) => nested && nested[key], module);
  if (!found) throw new RuntimeFault("HandlerNotFound", `${text} is undefined or not exported`);
  if (typeof found !== "function") throw new RuntimeFault("HandlerNotFound", `${text} is not a function`);
  if (WITHOUT_CALLBACKS && !found[STREAMING] && found.length >= 3) {
    throw new RuntimeFault(
      "CallbackHandlerDeprecated",
      "ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.",
    );
  }
  return found;
}

// The Runtime API

const socket = new net.Socket({ fd: API_FD, readable: true, writable: true });
let received = Buffer.alloc(0);
let onEvent = null;

socket.on("data", (data) => {
  received = received.length ? Buffer.concat([received, data]) : data;
  readAnswers();
});
socket.on("error", () => process.exit(0));
socket.on("close", () => process.exit(0));

function readAnswers() {
  for (;;) {
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const lines = received.toString("utf8", 0, end).split("\r\n");
    const headers = {};
    for (const line of lines.slice(1)) {
      const at = line.indexOf(": ");
      headers[line.slice(0, at).toLowerCase()] ??= line.slice(at + 2);
    }
    const size = Number(headers["content-length"]);
    const start = end + 4;
    if (received.length < start + size) return;
    const body = received.toString("utf8", start, start + size);
    received = received.subarray(start + size);
    // Answers to posts need no attention: the request for the next event follows each post.
    if (headers["lambda-runtime-aws-request-id"]) onEvent(headers, body);
  }
}

function post(target, body, { type = "application/json", next = true, errorType } = {}, done = undefined) {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const kind = errorType ? `Lambda-Runtime-Function-Error-Type: ${errorType.replace(/[^ -~]/g, "?")}\r\n` : "";
  socket.cork();
  socket.write(
    `POST /2018-06-01/runtime/${target} HTTP/1.1\r\nContent-Type: ${type}\r\n${kind}Content-Length: ${bytes.length}\r\n\r\n`,
  );
  socket.write(bytes);
  if (next) {
    socket.ref();
    socket.write(NEXT);
  }
  socket.write("", done);
  socket.uncork();
}

function exitAfter(target, error, code) {
  socket.ref();
  const document = describe(error);
  post(target, JSON.stringify(document), { next: false, errorType: document.errorType }, () => process.exit(code));
}

function fatal(words, error, code) {
  logError(words, error);
  exitAfter(requestId === undefined ? "init/error" : `invocation/${requestId}/error`, error, code);
}

process.on("uncaughtException", (error) => fatal("Uncaught Exception", error, 129));
process.on("unhandledRejection", (reason, promise) => {
  const error = new RuntimeFault("UnhandledPromiseRejection", reason);
  Object.assign(error, { reason, promise });
  fatal("Unhandled Promise Rejection", error, 128);
});

// One invocation

let whenLoopIsEmpty = null;
process.on("beforeExit", () => {
  const action = whenLoopIsEmpty;
  whenLoopIsEmpty = null;
  if (action) {
    action();
  }
});

function makeContext(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const parse = (name, header) => {
    if (!headers[header]) return undefined;
    try {
      return JSON.parse(headers[header]);
    } catch (error) {
      throw new Error(`Cannot parse ${name} as json: ${error}`);
    }
  };
  return {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse("ClientContext", "lambda-runtime-client-context"),
    identity: parse("CognitoIdentity", "lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

function completion(id) {
  // What ends the invocation, once: later calls do nothing.
  let completed = false;
  const once = (action) => (...values) => {
    if (completed) return;
    completed = true;
    whenLoopIsEmpty = null;
    action(...values);
  };
  const fail = (error) => {
    logError("Invoke Error", error);
    post(`invocation/${id}/error`, JSON.stringify(describe(error)));
  };
  const succeed = (value) => {
    let text;
    try {
      text = JSON.stringify(value === undefined ? null : value) ?? "null";
    } catch {
      const error = new Error("Unable to stringify response body");
      if (WITHOUT_CALLBACKS) error.name = "Runtime.JSONStringifyError";
      fail(error);
      return;
    }
    post(`invocation/${id}/response`, text);
  };
  return { once, fail, succeed };
}

// A custom resource answers to this machine by plain HTTP; much code speaks TLS, whatever its `ResponseURL` says.
// No request to any other machine is touched.
let answersArePlain = false;

function letAnswersBePlain(text) {
  if (answersArePlain || !/^http:\/\/127\.0\.0\.1:\d+\/_scopegate\/responses\?/.test(text)) return;
  answersArePlain = true;
  const require = createRequire(import.meta.url);
  const [http, https, { urlToHttpOptions }] = [require("http"), require("https"), require("url")];
  const { hostname, port } = new URL(text);
  const secure = https.request;
  https.request = function request(target, ...rest) {
    const given = typeof rest[0] === "object" ? rest[0] : {};
    const from = typeof target === "string" ? new URL(target) : target;
    const options = { ...(from instanceof URL ? urlToHttpOptions(from) : from), ...given };
    if ((options.hostname ?? options.host) !== hostname || !["", "443", port].includes(String(options.port ?? ""))) {
      return secure(target, ...rest);
    }
    const plain = { ...options, hostname, port, protocol: "http:", agent: undefined };
    return http.request(plain, rest.find((each) => typeof each === "function"));
  };
  syncBuiltinESMExports();
}

function invoke(handler, headers, body) {
  const id = headers["lambda-runtime-aws-request-id"];
  requestId = id;
  if (headers["lambda-runtime-trace-id"]) process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
  else delete process.env._X_AMZN_TRACE_ID;
  socket.unref(); // so that the event loop can become empty
  const { once, fail, succeed } = completion(id);
  if (handler[STREAMING]) {
    invokeStreaming(handler, headers, body, id, fail);
    return;
  }
  const done = once((error, value) => (error === undefined || error === null ? succeed(value) : fail(error)));
  whenLoopIsEmpty = () => done(null, null);
  try {
    const context = makeContext(headers);
    const event = JSON.parse(body);
    if (typeof event?.ResponseURL === "string") letAnswersBePlain(event.ResponseURL);
    if (WITHOUT_CALLBACKS) {
      Promise.resolve(handler(event, context)).then((value) => done(null, value), (error) => done(error ?? "handled"));
      return;
    }
    let waits = true;
    const callback = once((error, value) => {
      if (error !== undefined && error !== null) fail(error);
      else if (waits) whenLoopIsEmpty = () => succeed(value);
      else succeed(value);
    });
    const legacy = {
      get callbackWaitsForEmptyEventLoop() {
        return waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        waits = value;
      },
      succeed: (value) => done(null, value),
      fail: (error) => done(error ?? "handled"),
      done,
    };
    const result = handler(event, Object.assign(legacy, context), callback);
    if (result && typeof result.then === "function") {
      result.then((value) => done(null, value), (error) => done(error ?? "handled"));
    }
  } catch (error) {
    done(error ?? "handled");
  }
}

// Response streaming, gathered: the server hands the whole answer on

function invokeStreaming(handler, headers, body, id, fail) {
  const chunks = [];
  const output = new stream.Writable({
    write(chunk, encoding, done) {
      chunks.push(typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk);
      done();
    },
  });
  let type = "application/octet-stream";
  output.setContentType = (value) => {
    type = value;
  };
  let ended = false;
  const finish = (error) => {
    if (ended) return;
    ended = true;
    whenLoopIsEmpty = null;
    if (error === undefined) post(`invocation/${id}/response`, Buffer.concat(chunks), { type });
    else fail(error);
  };
  output.on("finish", () => finish());
  whenLoopIsEmpty = () => finish(new Error("Response stream is not finished."));
  try {
    const result = handler(JSON.parse(body), output, makeContext(headers));
    if (!result || typeof result.then !== "function") {
      throw new Error("Streaming does not support non-async handlers.");
    }
    result.then(
      () => setImmediate(() => finish(output.writableFinished ? undefined : new Error("Response stream is not finished."))),
      (error) => finish(error ?? "handled"),
    );
  } catch (error) {
    finish(error);
  }
}

globalThis.awslambda = {
  streamifyResponse(handler) {
    handler[STREAMING] = true;
    return handler;
  },
  HttpResponseStream: {
    from(output, prelude) {
      output.setContentType(HTTP_RESPONSE);
      output.write(Buffer.concat([Buffer.from(JSON.stringify(prelude)), Buffer.alloc(8)]));
      return output;
    },
  },
};

// Start

try {
  const handler = await load(process.env._HANDLER ?? "");
  onEvent = (headers, body) => invoke(handler, headers, body);
  socket.write(NEXT);
} catch (error) {
  fatal("Uncaught Exception", error, 129);
}
