-- A mixed workload at full speed: mostly small pages, some downloads, uploads and slow answers.
--
--   wrk -t2 -c64 -d30s --latency -s benches/load/mixed.lua http://127.0.0.1:8080
--
-- with the proxy on 127.0.0.1:8080 and examples/backend behind it (benches/README.md, “Load”).

local upload = string.rep("x", 64 * 1024)

-- Of a hundred requests.
local kinds = {
  { share = 80, request = function() return wrk.format("GET", "/page") end },
  { share = 10, request = function() return wrk.format("GET", "/download?size=256k") end },
  { share = 8,  request = function() return wrk.format("POST", "/upload", nil, upload) end },
  { share = 2,  request = function() return wrk.format("GET", "/slow?delay=50ms") end },
}

local plan = {}
local next_index = 0

-- Requests are made once; what runs for each is one look-up.
function init(_)
  for _, kind in ipairs(kinds) do
    local request = kind.request()
    for _ = 1, kind.share do
      plan[#plan + 1] = request
    end
  end
  -- Kinds take turns instead of coming in blocks: 37 has no divisor in common with 100.
  local spread = {}
  for index = 0, #plan - 1 do
    spread[index] = plan[index * 37 % #plan + 1]
  end
  plan = spread
end

function request()
  next_index = (next_index + 1) % 100
  return plan[next_index]
end

function done(summary, latency, _)
  local errors = summary.errors
  local n_errors = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("errors %d of %d, p95 %.1f ms, p99 %.1f ms\n",
    n_errors, summary.requests, latency:percentile(95) / 1000, latency:percentile(99) / 1000))
end
