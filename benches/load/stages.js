// Users come and go: up to 50, on to 200, a spike of 400, and back to none.
//
//   k6 run benches/load/stages.js                                 # 75 s
//   k6 run -e SCALE=0.1 -e TARGET=http://127.0.0.1:8081 benches/load/stages.js
//
// with the proxy on TARGET (127.0.0.1:8080 if none is given) and examples/backend behind it.

import http from "k6/http";
import { check, sleep } from "k6";
import { TARGET, THRESHOLDS } from "./thresholds.js";

// Shortens every stage.
const SCALE = Number(__ENV.SCALE || 1);

const stage = (seconds, target) => ({ duration: `${Math.max(1, Math.round(seconds * SCALE))}s`, target });

export const options = {
  scenarios: {
    users: {
      executor: "ramping-vus",
      stages: [stage(10, 50), stage(15, 50), stage(10, 200), stage(15, 200), stage(5, 400), stage(10, 400), stage(10, 0)],
      gracefulRampDown: "5s",
    },
  },
  thresholds: THRESHOLDS,
};

export default function () {
  const response = http.get(`${TARGET}/page`);
  check(response, {
    "status is 200": (r) => r.status === 200,
    "the body is whole": (r) => r.body.length === Number(r.headers["Content-Length"]),
  });
  // Someone reads.
  sleep(0.05 + Math.random() * 0.1);
}
