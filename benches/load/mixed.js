// Three kinds of work at once: browsing at a fixed rate, uploads, and a backend that takes its time. Each has
// thresholds of its own, so that slow work cannot hide in fast work's average.
//
//   k6 run benches/load/mixed.js                                  # 30 s
//   k6 run -e SECONDS=10 -e TARGET=http://127.0.0.1:8081 benches/load/mixed.js
//
// with the proxy on TARGET (127.0.0.1:8080 if none is given) and examples/backend behind it.

import http from "k6/http";
import { check } from "k6";
import { TARGET, THRESHOLDS } from "./thresholds.js";

const duration = `${__ENV.SECONDS || 30}s`;

export const options = {
  scenarios: {
    browse: {
      executor: "constant-arrival-rate",
      exec: "browse",
      rate: 500,
      timeUnit: "1s",
      duration,
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
    upload: { executor: "constant-vus", exec: "upload", vus: 4, duration },
    slow: { executor: "constant-vus", exec: "slow", vus: 10, duration },
  },
  thresholds: {
    ...THRESHOLDS,
    "http_req_duration{scenario:browse}": ["p(95)<100"],
    // The backend alone takes 200 ms for these.
    "http_req_duration{scenario:slow}": ["p(95)<500"],
    "http_req_failed{scenario:upload}": ["rate<0.01"],
  },
};

const UPLOAD = "x".repeat(256 * 1024);

const is200 = { "status is 200": (r) => r.status === 200 };

export function browse() {
  // Nine small pages, then something larger, chunked.
  const path = __ITER % 10 === 9 ? "/asset?size=64k&chunked=1" : "/page";
  check(http.get(`${TARGET}${path}`), is200);
}

export function upload() {
  check(http.post(`${TARGET}/upload`, UPLOAD), is200);
}

export function slow() {
  check(http.get(`${TARGET}/slow?delay=100ms&spread=100ms`), is200);
}
