'use strict';

/**
 * nodeapp of Dapr's hello-kubernetes quickstart, written anew to its contract, on Node's own `http` only.
 *
 *   POST /neworder  {"data": {"orderId": N}}  saves the order through Dapr's state API; 200, or 500 where that failed
 *   GET  /order     the last saved order, from Dapr's state API; 204 where there is none yet
 *   GET  /ports     Dapr's ports as this app was told them
 *
 * Its log lines are part of the contract: the walkthrough and the program's verification read them.
 *
 * Settings (environment): APP_PORT (3000), DAPR_HTTP_PORT (3500), DAPR_GRPC_PORT (50001; only shown),
 * STATE_STORE_NAME (statestore).
 */

const http = require('http');

/** What a request may hold; an order is tens of bytes. */
const MAX_BODY_BYTES = 64 * 1024;
/** How long Dapr may take, in milliseconds; above it the order counts as lost and its sender is told. */
const DAPR_TIMEOUT_MS = 5000;
/** The key of the quickstart: each order replaces the one before it. */
const STATE_KEY = 'order';

const appPort = port('APP_PORT', 3000);
const daprHttpPort = port('DAPR_HTTP_PORT', 3500);
const daprGrpcPort = port('DAPR_GRPC_PORT', 50001);
const statePath = `/v1.0/state/${encodeURIComponent(process.env.STATE_STORE_NAME || 'statestore')}`;

/** An answer other than success that its sender has brought about. */
class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Reads a TCP port from the environment; a wrong one ends the program, since every guess would fail later. */
function port(name, fallback) {
  const text = process.env[name] || String(fallback);
  const number = /^\d+$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > 65535) {
    console.error(`${name}: ${JSON.stringify(text)} is not a TCP port (1-65535)`);
    process.exit(1);
  }
  return number;
}

/** Collects a stream's body as text. Rejects one above `limit` bytes. */
function readBody(stream, limit = Infinity) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    stream.on('data', (chunk) => {
      size += chunk.length;
      if (size > limit) {
        reject(new RequestError(413, `more than ${limit} bytes`));
      } else {
        chunks.push(chunk);
      }
    });
    stream.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the connection was closed early'))); // no effect after 'end'
  });
}

/** Calls this pod's Dapr and returns `{status, body}`; rejects where it doesn't answer, or not with success. */
function callDapr(method, path, payload) {
  return new Promise((resolve, reject) => {
    const body = payload === undefined ? undefined : JSON.stringify(payload);
    const request = http.request({
      host: 'localhost',
      family: 4, // Node 18 tries the first address of localhost only, which may be ::1 where nothing listens
      port: daprHttpPort,
      method,
      path,
      headers: body === undefined ? {} : {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
      },
    }, (response) => {
      readBody(response).then((text) => {
        if (response.statusCode >= 200 && response.statusCode < 300) {
          resolve({ status: response.statusCode, body: text });
        } else {
          reject(new Error(`HTTP ${response.statusCode} => ${oneLine(text)}`));
        }
      }, reject);
    });
    // The whole exchange, not only silence on the socket, must end in time.
    const timer = setTimeout(
      () => request.destroy(new Error(`Dapr did not answer within ${DAPR_TIMEOUT_MS} ms`)), DAPR_TIMEOUT_MS);
    request.on('close', () => clearTimeout(timer));
    request.on('error', reject);
    request.end(body);
  });
}

/** Keeps a text from another program on one line of the log. */
function oneLine(text) {
  return text.replace(/\s+/g, ' ').trim();
}

/** Takes the order's number out of a request body; a text of digits counts, as in the quickstart's sample.json. */
function orderIdOf(body) {
  let order;
  try {
    order = JSON.parse(body);
  } catch (error) {
    throw new RequestError(400, `not JSON: ${oneLine(error.message)}`);
  }
  const orderId = order?.data?.orderId;
  if (!Number.isSafeInteger(orderId) && !(typeof orderId === 'string' && /^\d+$/.test(orderId))) {
    throw new RequestError(400, 'expected {"data": {"orderId": <integer>}}');
  }
  return orderId;
}

async function newOrder(request, response) {
  const orderId = orderIdOf(await readBody(request, MAX_BODY_BYTES));
  console.log(`Got a new order! Order ID: ${orderId}`);
  try {
    await callDapr('POST', statePath, [{ key: STATE_KEY, value: { orderId } }]);
  } catch (error) {
    console.log(`Failed to persist state: ${error.message}`);
    answer(response, 500, { message: `Failed to persist state: ${error.message}` });
    return;
  }
  console.log(`Successfully persisted state for Order ID: ${orderId}`);
  answer(response, 200);
}

async function lastOrder(_request, response) {
  try {
    const { status, body } = await callDapr('GET', `${statePath}/${STATE_KEY}`);
    response.writeHead(status, body === '' ? {} : { 'Content-Type': 'application/json' });
    response.end(body);
  } catch (error) {
    console.log(`Failed to get state: ${error.message}`);
    answer(response, 500, { message: `Failed to get state: ${error.message}` });
  }
}

async function ports(_request, response) {
  console.log(`DAPR_HTTP_PORT: ${daprHttpPort}`);
  console.log(`DAPR_GRPC_PORT: ${daprGrpcPort}`);
  answer(response, 200, { DAPR_HTTP_PORT: String(daprHttpPort), DAPR_GRPC_PORT: String(daprGrpcPort) });
}

/** Answers with a status and, where given, a value as JSON. */
function answer(response, status, value) {
  response.writeHead(status, value === undefined ? {} : { 'Content-Type': 'application/json' });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

const routes = new Map([
  ['POST /neworder', newOrder],
  ['GET /order', lastOrder],
  ['GET /ports', ports],
]);

const server = http.createServer((request, response) => {
  const route = routes.get(`${request.method} ${request.url.split('?', 1)[0]}`);
  if (route === undefined) {
    request.resume();
    answer(response, 404);
    return;
  }
  route(request, response).catch((error) => {
    const status = error.status || 500;
    console.log(`Refused ${request.method} ${oneLine(request.url)}: ${error.message}`);
    if (!request.complete) { // too large: don't take the rest for the next request, nor wait for it
      response.setHeader('Connection', 'close');
    }
    answer(response, status, { message: error.message });
  });
});

server.on('error', (error) => {
  console.error(`Cannot listen on port ${appPort}: ${error.message}`);
  process.exit(1);
});

// As a container's first process this one gets no default action for signals: unhandled, SIGTERM would do nothing and
// each deletion of the pod would wait out its whole grace period. An order under way is not waited for; its sender
// learns from the closed connection that it is lost.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close();
    process.exit(0);
  });
}

server.listen(appPort, () => console.log(`Node App listening on port ${appPort}!`));
