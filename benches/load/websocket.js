// WebSockets: each user opens one, sends messages, wants each back unchanged, and closes.
//
//   k6 run benches/load/websocket.js                              # 20 s
//   k6 run -e SECONDS=5 -e TARGET=ws://127.0.0.1:8081 benches/load/websocket.js
//
// with the proxy on TARGET (127.0.0.1:8080 if none is given) and examples/backend behind it, which echoes.

import ws from "k6/ws";
import { check } from "k6";
import { Counter, Trend } from "k6/metrics";
import { TARGET } from "./thresholds.js";

const URL = TARGET.replace(/^http/, "ws") + "/echo";
const MESSAGES = 20;

const echoTime = new Trend("ws_echo_time", true);
const broken = new Counter("ws_broken");

export const options = {
  scenarios: {
    talkers: { executor: "constant-vus", vus: 50, duration: `${__ENV.SECONDS || 20}s` },
  },
  thresholds: {
    checks: ["rate>0.99"],
    ws_echo_time: ["p(95)<500"],
    ws_broken: ["count<1"],
  },
};

const message = (n) => `${n}:`.padEnd(n * 20, "x");

export default function () {
  let sent = 0;
  let sentAt = 0;
  let whole = 0;

  const response = ws.connect(URL, {}, (socket) => {
    // From a few bytes to more than fits a short frame.
    const say = () => {
      sent += 1;
      sentAt = Date.now();
      socket.send(message(sent));
    };

    socket.on("open", say);
    socket.on("message", (data) => {
      echoTime.add(Date.now() - sentAt);
      whole += data === message(sent) ? 1 : 0;
      if (sent < MESSAGES) {
        say();
      } else {
        socket.close();
      }
    });
    socket.on("error", () => broken.add(1));
    // A conversation that stalls fails instead of lasting for ever.
    socket.setTimeout(() => socket.close(), 5000);
  });

  check(response, { "status is 101": (r) => r && r.status === 101 });
  check(whole, { "every message came back unchanged": (n) => n === MESSAGES });
}
