// What every k6 scenario here must hold, and where it goes.

export const TARGET = __ENV.TARGET || "http://127.0.0.1:8080";

// A run that breaks one of these ends with exit code 99.
export const THRESHOLDS = {
  http_req_duration: ["p(95)<500"],
  http_req_failed: ["rate<0.01"],
  checks: ["rate>0.99"],
};
