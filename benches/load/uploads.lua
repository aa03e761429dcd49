-- Uploads of 1 MiB at full speed.
--
--   wrk -t1 -c16 -d10s --latency -s benches/load/uploads.lua http://127.0.0.1:8080
--
-- with the proxy on 127.0.0.1:8080 and examples/backend behind it (benches/README.md, “Load”).

wrk.method = "POST"
wrk.body = string.rep("x", 1024 * 1024)
